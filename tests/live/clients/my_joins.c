/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Connections of libmariadb and their sockets, at work in turns: PROGRAM PART, see the table below.
 * Each prints `link PID HANDLE COOKIE` (rows.h).
 */
#include "my.h"
#include "rows.h"

#define SOME 4

static MYSQL *open_one(void)
{
	MYSQL *c = my_open(0);

	tell_link(c, mysql_get_socket(c));
	return c;
}

static void turns(void)
{
	MYSQL *c[SOME];

	for (int i = 0; i < SOME; i++)
		c[i] = open_one();
	ready();
	for (int i = 0;; i = (i + 1) % SOME, nap(50))
		my_run(c[i], ONE_ROW "5");
}

/* All ask before any result is stored. */
static void interleaved(void)
{
	MYSQL *c[SOME];

	for (int i = 0; i < SOME; i++)
		c[i] = open_one();
	ready();
	for (;; nap(100)) {
		for (int i = 0; i < SOME; i++)
			mysql_query(c[i], ONE_ROW "5");
		for (int i = 0; i < SOME; i++)
			mysql_free_result(mysql_store_result(c[i]));
	}
}

static void *own_turns(void *unused)
{
	MYSQL *c = open_one();

	(void)unused;
	for (;; nap(50))
		my_run(c, ONE_ROW "5");
	return NULL;
}

static void threads(void)
{
	pthread_t thread;

	mysql_library_init(0, NULL, NULL);
	for (int i = 0; i < SOME; i++)
		if (pthread_create(&thread, NULL, own_turns, NULL))
			fail("thread", "cannot be started");
	nap(1000);
	ready();
	pthread_join(thread, NULL);
}

/* Read row by row, and by prepared statements. */
static void use(void)
{
	MYSQL *c[SOME];

	for (int i = 0; i < SOME; i++)
		c[i] = open_one();
	ready();
	for (int i = 0;; i = (i + 1) % SOME, nap(50)) {
		MYSQL_RES *result;

		mysql_query(c[i], "select id, name from items limit 100");
		result = mysql_use_result(c[i]);
		while (mysql_fetch_row(result))
			;
		mysql_free_result(result);
	}
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {
		{"turns", turns},
		{"interleaved", interleaved},
		{"threads", threads},
		{"use", use},
		{},
	};

	return run_mode(modes, argc, argv);
}
