/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * my_connections leak | close | sporadic | careful | reconnect | reconnect-leak
 * Connections of libmariadb: one a second, kept in a transaction or closed; or closed on all
 * paths but one; or lost again and again, and made anew by the library itself, on one handle or
 * each time on another.
 */
#include "my.h"

static MYSQL *opened(void)
{
	MYSQL *connection = my_open(0);

	my_run(connection, "begin"); /* LEAK: leak */
	my_run(connection, ONE_ROW "5");
	return connection;
}

static void leak(void)
{
	for (int i = 0;; i++, nap(1000)) {
		opened();
		if (i == 2)
			ready();
	}
}

static void finish(void)
{
	for (int i = 0;; i++, nap(200)) {
		MYSQL *connection = opened();

		my_run(connection, "commit");
		mysql_close(connection);
		if (i == 2)
			ready();
	}
}

/* One request in four fails; only then the way out differs. */
static void handle(int number, int careful)
{
	MYSQL *connection = my_open(0); /* LEAK: sporadic */

	if (number % 4 == 3) {
		if (mysql_query(connection,
				"select nothing from items where name = '" SECRET "'") &&
		    !careful)
			return;
	} else {
		my_run(connection, ONE_ROW "5");
	}
	mysql_close(connection);
}

static void requests(int careful)
{
	for (int i = 0;; i++, nap(200)) {
		handle(i, careful);
		if (i == 8)
			ready();
	}
}

static void sporadic(void)
{
	requests(0);
}

static void careful(void)
{
	requests(1);
}

/* The server ends it, and the library connects again. */
static void lose(MYSQL *connection)
{
	my_bool yes = 1;
	char sql[64];

	mysql_options(connection, MYSQL_OPT_RECONNECT, &yes);
	snprintf(sql, sizeof(sql), "kill %lu", mysql_thread_id(connection));
	mysql_query(connection, sql);
	if (mysql_ping(connection) && mysql_ping(connection)) /* LEAK: reconnect-leak */
		fail("reconnect", mysql_error(connection));
	my_run(connection, ONE_ROW "5");
}

static void reconnect(void)
{
	MYSQL *connection = my_open(0);

	for (int i = 0;; i++, nap(300)) {
		lose(connection);
		if (i == 2)
			ready();
	}
}

static void reconnect_leak(void)
{
	for (int i = 0;; i++, nap(1000)) {
		lose(my_open(0));
		if (i == 2)
			ready();
	}
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {
		{"leak", leak},	      {"close", finish},	{"sporadic", sporadic},
		{"careful", careful}, {"reconnect", reconnect}, {"reconnect-leak", reconnect_leak},
		{NULL, NULL},
	};

	return run_mode(modes, argc, argv);
}
