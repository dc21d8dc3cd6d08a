# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
# SQLite through Perl's DBI: lite.pl leak|well FILE keeps each statement with rows pending, or
# finishes it and lets it go.
use strict;
use warnings;
use DBI;

$| = 1;
my ($mode, $file) = @ARGV;
my $db = DBI->connect("dbi:SQLite:dbname=$file", "", "", {RaiseError => 1, AutoCommit => 1});
my @kept;

for (my $number = 0;; $number++) {
	my $statement = $db->prepare("select id, name from items where name <> 'sesame' and id > $number");
	$statement->execute;
	$statement->fetchrow_arrayref;
	push @kept, $statement if $mode eq "leak";
	$statement->finish if $mode eq "well";
	print "ready\n" if $number == 10;
	select undef, undef, undef, 0.1;
}
