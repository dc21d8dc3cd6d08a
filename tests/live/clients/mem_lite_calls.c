/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What SQLite hands out, kept or given back: mem_lite_calls statements|tables|cached FILE
 *
 * cached: never more than a few hundred statements.
 */
#include <sqlite3.h>

#include "common.h"

#define CACHED 300

static sqlite3 *db;

static sqlite3_stmt *prepare(int number, int of)
{
	char sql[200];
	sqlite3_stmt *statement;

	snprintf(sql, sizeof(sql),
		 "select id, name, price, %d from items where name <> '" SECRET "' and id = %d",
		 number, of);
	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL)) /* LEAK: statements */
		fail(sql, sqlite3_errmsg(db));
	sqlite3_step(statement);
	sqlite3_reset(statement);
	return statement;
}

static void statements(int number)
{
	for (int i = 0; i < 60; i++)
		prepare(number, i);
}

static void cached(int number)
{
	static sqlite3_stmt *cache[CACHED];

	for (int i = 0; i < 60; i++) {
		int slot = (number * 60 + i) % CACHED;

		sqlite3_finalize(cache[slot]);
		cache[slot] = prepare(number, i);
	}
}

static void tables(int number)
{
	char sql[200], **table, *why;
	int rows, columns;

	snprintf(sql, sizeof(sql),
		 "select id, name, price from items where name <> '" SECRET
		 "' and id > %d limit 2000",
		 number);
	if (sqlite3_get_table(db, sql, &table, &rows, &columns, &why)) /* LEAK: tables */
		fail(sql, why);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(int number);
	} habits[] = {{"statements", statements}, {"tables", tables}, {"cached", cached}};
	size_t h = 0;

	while (h < sizeof(habits) / sizeof(habits[0]) &&
	       (argc != 3 || strcmp(habits[h].name, argv[1])))
		h++;
	if (h == sizeof(habits) / sizeof(habits[0]))
		fail("usage", "mem_lite_calls statements|tables|cached FILE");
	if (sqlite3_open(argv[2], &db))
		fail(argv[2], sqlite3_errmsg(db));
	for (int i = 0;; i++) {
		habits[h].run(i);
		if (i == 5)
			ready();
		nap(150);
	}
}
