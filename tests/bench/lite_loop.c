/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * lite_loop.c - SQLite's prepare, step, finalize, over and over: lite_loop SECONDS FILE
 *
 * One row by its key, of a database in that file, or in memory where FILE is :memory:.  Prints
 * rounds for each second of processor time.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BATCH 100
#define ROWS  "10000"

static sqlite3 *db;

static void must(int true, const char *what)
{
	if (true)
		return;
	fprintf(stderr, "lite_loop: %s: %s\n", what, sqlite3_errmsg(db));
	exit(1);
}

static double spent_so_far(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void fill(void)
{
	static const char *const sql[] = {
		"create table if not exists items (id integer primary key, name text, price int)",
		"insert or ignore into items with recursive n(i) as (select 1 union all "
		"select i + 1 from n where i < " ROWS ") select i, 'item ' || i, i % 1000 from n",
	};

	for (int i = 0; i < 2; i++)
		must(sqlite3_exec(db, sql[i], NULL, NULL, NULL) == SQLITE_OK, sql[i]);
}

static void one_round(int id)
{
	sqlite3_stmt *st;

	must(sqlite3_prepare_v2(db, "select name, price from items where id = ?", -1, &st, NULL) ==
		     SQLITE_OK,
	     "prepare");
	sqlite3_bind_int(st, 1, id % 10000 + 1);
	must(sqlite3_step(st) == SQLITE_ROW, "step");
	sqlite3_finalize(st);
}

int main(int argc, char **argv)
{
	double seconds = argc == 3 ? atof(argv[1]) : 0, start, spent;
	unsigned long rounds = 0;

	must(argc == 3, "usage: lite_loop SECONDS FILE");
	must(sqlite3_open(argv[2], &db) == SQLITE_OK, argv[2]);
	fill();
	start = spent_so_far();
	do {
		for (int i = 0; i < BATCH; i++)
			one_round(rounds++);
		spent = spent_so_far() - start;
	} while (spent < seconds);
	printf("%.0f\n", rounds / spent);
	return sqlite3_close(db);
}
