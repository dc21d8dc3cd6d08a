/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pq_connections leak | close | sporadic | careful | exec [N]
 * Connections of libpq: one a second, kept in a transaction or closed; closed on all paths but
 * one; or opened once before each exec of the program itself and inherited by the next.
 */
#include <fcntl.h>

#include "pq.h"

static char *self;

static PGconn *opened(void)
{
	PGconn *connection = pq_open();

	pq_run(connection, "begin"); /* LEAK: leak */
	pq_run(connection, ONE_ROW "5");
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
		PGconn *connection = opened();

		pq_run(connection, "commit");
		PQfinish(connection);
		if (i == 2)
			ready();
	}
}

/* One request in four fails; only then the way out differs. */
static void handle(int number, int careful)
{
	PGconn *connection = pq_open(); /* LEAK: sporadic */

	if (number % 4 == 3) {
		PQclear(PQexec(connection, "select nothing from items where name = '" SECRET "'"));
		if (!careful)
			return;
	} else {
		pq_run(connection, ONE_ROW "5");
	}
	PQfinish(connection);
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

static void exec_again(void)
{
	const char *before = getenv("EXEC_COUNT");
	int count = before ? atoi(before) + 1 : 1;
	PGconn *connection = pq_open(); /* LEAK: exec */
	char text[16];

	pq_run(connection, ONE_ROW "5");
	fcntl(PQsocket(connection), F_SETFD, 0);
	if (count == 3)
		ready();
	nap(1000);
	snprintf(text, sizeof(text), "%d", count);
	setenv("EXEC_COUNT", text, 1);
	execl(self, self, "exec", NULL);
	fail("exec", self);
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {
		{"leak", leak},	      {"close", finish},    {"sporadic", sporadic},
		{"careful", careful}, {"exec", exec_again}, {NULL, NULL},
	};

	self = argv[0];
	return run_mode(modes, argc, argv);
}
