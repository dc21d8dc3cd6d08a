# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
# Connections of Perl: kept.pl leak|well opens one for each report, through DBI, and keeps it or
# lets it go.
package Report;
use strict;
use warnings;
use DBI;

sub connect_to {
	my $source = $ENV{DB_KIND} eq "postgresql" ? "dbi:Pg:" :
		"dbi:mysql:database=$ENV{DB_NAME};" . ($ENV{DB_SOCKET} ? "mysql_socket=$ENV{DB_SOCKET}" :
		"host=$ENV{DB_HOST};port=$ENV{DB_PORT}");
	return DBI->connect($source, $ENV{DB_USER} // "app", "", {RaiseError => 1, AutoCommit => 1});
}

sub monthly {
	my $db = connect_to();
	eval {
		$db->selectall_arrayref("select id, name from items where name <> 'sesame' and id = 5");
		1;
	} or die $@;
	return $db;
}

package main;

$| = 1;
my @kept;
for (my $number = 0;; $number++) {
	my $db = Report::monthly();
	push @kept, $db if $ARGV[0] eq "leak";
	print "ready\n" if $number == 5;
	select undef, undef, undef, 0.25;
}
