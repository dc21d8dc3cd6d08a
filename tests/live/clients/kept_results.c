/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Results and notifications of some size, kept or freed: kept_results pq|my|notify leak|well.
 * It says `held BYTES OBJECTS` after each, as it measures itself.
 */
#include <malloc.h>

#include "my.h"
#include "pq.h"

static int leaks;
static unsigned long long held, objects;

static void say(size_t bytes)
{
	if (leaks) {
		held += bytes;
		objects++;
	}
	printf("held %llu %llu\n", held, objects);
	fflush(stdout);
	nap(200);
}

static size_t given(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void pq(void)
{
	static const char sql[] =
		"select name || repeat('x', 990) from items, generate_series(1, 1) "
		"where name <> '" SECRET "' limit 1000";
	PGconn *c = pq_open();

	ready();
	for (;;) {
		PGresult *result = PQexec(c, sql); /* LEAK: pq-leak */

		if (PQresultStatus(result) != PGRES_TUPLES_OK)
			fail(sql, PQerrorMessage(c));
		say(PQresultMemorySize(result));
		if (!leaks)
			PQclear(result);
	}
}

static void my(void)
{
	static const char sql[] = "select repeat('x', 1000), '" SECRET "' from seq_1_to_500";
	MYSQL *c = my_open(0);

	my_run(c, sql);
	ready();
	for (;;) {
		size_t before = given();
		MYSQL_RES *result;

		if (mysql_query(c, sql))
			fail(sql, mysql_error(c));
		result = mysql_store_result(c); /* LEAK: my-leak */
		say(given() - before);
		if (!leaks)
			mysql_free_result(result);
	}
}

static void notify(void)
{
	PGconn *c = pq_open();

	pq_run(c, "listen news");
	ready();
	for (;;) {
		PGnotify *n;

		pq_run(c, "select pg_notify('news', repeat('x', 7000))");
		while (!(n = PQnotifies(c))) /* LEAK: notify-leak */
			PQconsumeInput(c);
		say(malloc_usable_size(n) + 8);
		if (!leaks)
			PQfreemem(n);
	}
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {{"pq", pq}, {"my", my}, {"notify", notify}, {}};

	leaks = argc > 2 && !strcmp(argv[2], "leak");
	return run_mode(modes, argc, argv);
}
