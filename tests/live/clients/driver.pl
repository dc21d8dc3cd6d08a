# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
# Statements through Perl's DBI: driver.pl leak|well keeps each handle with its result, or lets it
# go; driver.pl sum does a fixed piece of work and prints `sum CHECKSUM`.
use strict;
use warnings;
use DBI;
use Digest::SHA;

$| = 1;
my $source = $ENV{DB_KIND} eq "postgresql" ? "dbi:Pg:" :
	"dbi:mysql:database=$ENV{DB_NAME};" . ($ENV{DB_SOCKET} ? "mysql_socket=$ENV{DB_SOCKET}" :
	"host=$ENV{DB_HOST};port=$ENV{DB_PORT}");
my $db = DBI->connect($source, $ENV{DB_USER} // "app", "", {RaiseError => 1, AutoCommit => 1});
my $mode = $ARGV[0];
my @kept;

if ($mode eq "sum") {
	my $digest = Digest::SHA->new(256);
	for my $number (0 .. 299) {
		my $rows = $db->selectall_arrayref("select id, name, price from items where id between " .
			$number * 7 . " and " . ($number * 7 + 20) . " order by id");
		$digest->add(join(",", @$_), "\n") for @$rows;
	}
	$db->disconnect;
	print "sum ", $digest->hexdigest, "\nready\n";
	exit 0;
}
for (my $number = 0;; $number++) {
	my $statement = $db->prepare("select id, name from items where name <> 'sesame' and id = 5");
	$statement->execute;
	$statement->fetchrow_arrayref;
	push @kept, $statement if $mode eq "leak";
	$statement->finish if $mode eq "well";
	print "ready\n" if $number == 10;
	select undef, undef, undef, 0.01;
}
