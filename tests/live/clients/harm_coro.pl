#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
# Coro's threads have C stacks of their own and take turns inside SQLite's calls.
use strict;
use warnings;
use Coro;
use DBI;

my @said;

sub lite {
	my ($number) = @_;
	my $db = DBI->connect('dbi:SQLite:dbname=:memory:', '', '', {RaiseError => 1, PrintError => 0});
	$db->do('create table t (a text)');
	$db->do("insert into t values ('c'), ('a'), ('b')");
	$db->sqlite_create_function('turn', 1, sub { cede; return uc $_[0] });
	$db->sqlite_create_collation('own', sub { cede; return $_[0] cmp $_[1] });
	$db->sqlite_set_authorizer(sub { cede; return 0 });
	for (1 .. 3) {
		my $rows = $db->selectcol_arrayref('select turn(a) from t order by a collate own');
		push @{$said[$number]}, @$rows;
	}
	$db->sqlite_create_function('dies', 1, sub { die "inside\n" });
	eval { $db->selectcol_arrayref('select dies(a) from t') };
	push @{$said[$number]}, $@ ? 'caught' : 'not caught';
	$db->disconnect;
}

my @coros = map { my $number = $_; async { lite($number) } } 0 .. 2;
$_->join for @coros;
print "coro $_: @{$said[$_]}\n" for 0 .. 2;
print "ends well\n";
