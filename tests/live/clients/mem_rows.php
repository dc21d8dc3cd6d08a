<?php
// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
// Rows kept in a static array, or let go: mem_rows.php keep|well
class Store
{
	static $rows = [];

	static function load($db, $number)
	{
		$rows = pg_fetch_all(pg_query($db, "select id, name, price, $number as n from items " .
			"where name <> 'sesame' and id <= 1500"));
		if ($GLOBALS["argv"][1] == "keep")
			self::$rows[] = $rows;
	}
}

$db = pg_connect("application_name=php");
for ($number = 0;; $number++) {
	Store::load($db, $number);
	if ($number == 5)
		echo "ready\n";
	usleep(200000);
}
