<?php
// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
// Results through PHP's pgsql: driver.php leak|well keeps each, or lets it go; driver.php sum does
// a fixed piece of work and prints `sum CHECKSUM`.
$db = pg_connect("application_name=php");
$kept = [];
if ($argv[1] == "sum") {
	$hash = hash_init("sha256");
	for ($number = 0; $number < 300; $number++) {
		$result = pg_query($db, "select id, name, price from items where id between " . $number * 7 .
			" and " . ($number * 7 + 20) . " order by id");
		hash_update($hash, json_encode(pg_fetch_all($result)));
	}
	echo "sum ", hash_final($hash), "\nready\n";
	exit(0);
}
for ($number = 0;; $number++) {
	$result = pg_query($db, "select id, name from items where name <> 'sesame' and id = 5");
	pg_fetch_row($result);
	if ($argv[1] == "leak")
		$kept[] = $result;
	if ($number == 10)
		echo "ready\n";
	usleep(10000);
}
