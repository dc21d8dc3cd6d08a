<?php
// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
// Connections of PHP: kept.php leak|well opens one for each report, through PDO's pgsql or mysqli,
// and keeps it or lets it go.
function connect()
{
	if (getenv("DB_KIND") == "postgresql")
		return new PDO("pgsql:application_name=php", null, null);
	return new mysqli(getenv("DB_HOST") ?: "localhost", getenv("DB_USER"), "", getenv("DB_NAME"),
		(int)getenv("DB_PORT"), getenv("DB_SOCKET") ?: null);
}

class Report
{
	static function monthly()
	{
		$db = connect();
		$result = $db->query("select id, name from items where name <> 'sesame' and id = 5");
		foreach ($result as $row);
		return $db;
	}
}

$kept = [];
for ($number = 0;; $number++) {
	$db = Report::monthly();
	if ($argv[1] == "leak")
		$kept[] = $db;
	if ($number == 5)
		echo "ready\n";
	usleep(250000);
}
