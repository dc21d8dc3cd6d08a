/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pq_statements leak | deallocate | lru | reuse | sql-leak | sql-close | unnamed
 * Prepared statements on one connection of libpq, 50 a second: named and kept, deallocated, in a
 * cache of 100 that drops the oldest, a fixed set of 20, by SQL's PREPARE, or unnamed.
 */
#include "pq.h"

static PGconn *connection;

static void text_of(char *text, size_t size, int number)
{
	snprintf(text, size,
		 "select id from items where name <> '" SECRET "' and id = $1 and price <> %d",
		 number);
}

static void prepare(int number, const char *name)
{
	const char *values[] = {"5"};
	char text[160];

	text_of(text, sizeof(text), number);
	PQclear(PQprepare(connection, name, text, 1, NULL)); /* LEAK: leak */
	PQclear(PQexecPrepared(connection, name, 1, values, NULL, NULL, 0));
}

static void run_sql(const char *format, int number)
{
	char text[200];

	snprintf(text, sizeof(text), format, number, number);
	pq_run(connection, text); /* LEAK: sql-leak */
}

static void keep(int number)
{
	char name[16];

	snprintf(name, sizeof(name), "q%d", number);
	prepare(number, name);
}

static void deallocate(int number)
{
	keep(number);
	run_sql("deallocate q%d", number);
}

static void lru(int number)
{
	keep(number);
	if (number >= 100)
		run_sql("deallocate q%d", number - 100);
}

static void reuse(int number)
{
	const char *values[] = {"5"};
	char name[16];

	if (number < 20) {
		keep(number);
		return;
	}
	snprintf(name, sizeof(name), "q%d", number % 20);
	PQclear(PQexecPrepared(connection, name, 1, values, NULL, NULL, 0));
}

static void sql_keep(int number)
{
	run_sql("prepare p%d as select id from items where name <> '" SECRET "' and id = %d",
		number);
	run_sql("execute p%d", number);
}

static void sql_close(int number)
{
	sql_keep(number);
	run_sql(number % 10 ? "deallocate prepare p%d" : "deallocate all", number);
}

static void unnamed(int number)
{
	prepare(number, "");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*step)(int number);
	} modes[] = {
		{"leak", keep},	      {"deallocate", deallocate}, {"lru", lru},
		{"reuse", reuse},     {"sql-leak", sql_keep},	  {"sql-close", sql_close},
		{"unnamed", unnamed},
	};

	connection = pq_open();
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(*modes); i++)
		for (int number = 0; !strcmp(argv[1], modes[i].name); number++, nap(20)) {
			modes[i].step(number);
			if (number == 20)
				ready();
		}
	return 2;
}
