// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
/*
 * The clients of the virtual machine test, on libpq.
 *   client leak CONNINFO     every 2 s one more connection, left in its transaction for good
 *   client healthy CONNINFO  three connections, reused, each transaction committed at once
 *   client keep CONNINFO     one connection at work, none of whose results is freed
 *   client grow CONNINFO     one connection at work, and a copy of each reply is kept
 *   client ping CONNINFO     exits 0 when the server answers
 * The first answer of the server is told as "ready" on standard output.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { POOL = 3, LEAK_EVERY_US = 2000000, USE_EVERY_US = 100000 };

static void die(PGconn *conn, const char *what)
{
	fprintf(stderr, "client: %s: %s", what, PQerrorMessage(conn));
	exit(1);
}

static PGconn *connect_to(const char *conninfo)
{
	PGconn *conn = PQconnectdb(conninfo);

	if (PQstatus(conn) != CONNECTION_OK)
		die(conn, "cannot connect");
	return conn;
}

static void query(PGconn *conn, const char *sql)
{
	PGresult *result = PQexec(conn, sql);
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		die(conn, sql);
	PQclear(result);
}

static void tell_ready(void)
{
	static int told;

	if (told++)
		return;
	puts("ready");
	fflush(stdout);
}

static int leak(const char *conninfo)
{
	do {
		PGconn *forgotten = connect_to(conninfo);

		query(forgotten, "BEGIN");
		query(forgotten, "SELECT count(*) FROM pg_class WHERE relname <> 'orders'");
		tell_ready();
	} while (!usleep(LEAK_EVERY_US));
	return 0;
}

static int healthy(const char *conninfo)
{
	PGconn *pool[POOL];
	int i;

	for (i = 0; i < POOL; i++)
		pool[i] = connect_to(conninfo);
	for (i = 0; !usleep(USE_EVERY_US); i = (i + 1) % POOL) {
		query(pool[i], "BEGIN");
		query(pool[i], "SELECT 1");
		query(pool[i], "COMMIT");
		tell_ready();
	}
	return 0;
}

static int keep(const char *conninfo)
{
	PGconn *conn = connect_to(conninfo);

	do {
		if (PQresultStatus(PQexec(conn, "SELECT 2")) != PGRES_TUPLES_OK)
			die(conn, "SELECT 2");
		tell_ready();
	} while (!usleep(USE_EVERY_US));
	return 0;
}

/* Known by its name to the check of what holds the memory. */
static __attribute__((noinline)) void keep_copy(const char *text)
{
	enum { COPIES = 75, COPY_BYTES = 400 };

	for (int i = 0; i < COPIES; i++) {
		char *copy = malloc(COPY_BYTES);

		if (copy)
			memset(copy, *text, COPY_BYTES);
	}
}

static int grow(const char *conninfo)
{
	PGconn *conn = connect_to(conninfo);

	do {
		query(conn, "SELECT 3");
		keep_copy("3");
		tell_ready();
	} while (!usleep(USE_EVERY_US));
	return 0;
}

static int ping(const char *conninfo)
{
	return PQping(conninfo) != PQPING_OK;
}

static const struct {
	const char *name;
	int (*run)(const char *conninfo);
} roles[] = {
	{"leak", leak}, {"healthy", healthy}, {"keep", keep}, {"grow", grow}, {"ping", ping},
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; argc == 3 && i < sizeof(roles) / sizeof(roles[0]); i++)
		if (!strcmp(argv[1], roles[i].name))
			return roles[i].run(argv[2]);
	fprintf(stderr, "usage: client leak|healthy|keep|grow|ping CONNINFO\n");
	return 2;
}
