<?php
// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
// SQLite through PHP's PDO: lite.php leak|well FILE keeps each statement with rows pending, or closes
// its cursor and lets it go.
[, $mode, $file] = $argv;
$db = new PDO("sqlite:$file");
$kept = [];

for ($number = 0;; $number++) {
	$statement = $db->query("select id, name from items where name <> 'sesame' and id > $number");
	$statement->fetch();
	if ($mode == "leak")
		$kept[] = $statement;
	else
		$statement->closeCursor();
	if ($number == 10)
		echo "ready\n";
	usleep(100000);
}
