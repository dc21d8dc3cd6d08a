/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Objects of each library given back twice (rows.h), without a server.  Nothing is ever really
 * freed here, so that the second time does no harm.
 */
#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <mysql.h>
#include <sqlite3.h>

#include "rows.h"

/* In place of the C library's, for the libraries too. */
void free(void *memory)
{
	(void)memory;
}

static void libpq(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_EMPTY_QUERY);

		took("PGresult", 1), gave("PGresult", 1);
		PQclear(result);
		PQclear(result);
	}
}

static void libmariadb(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		MYSQL *c = mysql_init(NULL);
		MYSQL_STMT *statement = mysql_stmt_init(c);

		took("MYSQL_STMT", 1), gave("MYSQL_STMT", 1);
		mysql_stmt_close(statement);
		mysql_stmt_close(statement);
		took("MYSQL", 1), gave("MYSQL", 1);
		mysql_close(c);
		mysql_close(c);
	}
}

static void sqlite(void)
{
	sqlite3 *db;

	sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	if (sqlite3_open(":memory:", &db))
		fail("sqlite3_open", sqlite3_errmsg(db));
	took("sqlite3", 1);
	for (int i = 0; i < ROUNDS; i++) {
		sqlite3_stmt *st;

		if (sqlite3_prepare_v2(db, "select 1", -1, &st, NULL))
			fail("prepare", sqlite3_errmsg(db));
		took("sqlite3_stmt", 1), gave("sqlite3_stmt", 1);
		sqlite3_finalize(st);
		sqlite3_finalize(st);
	}
}

static void hiredis(void)
{
	int ends[2];
	redisContext *c;
	void *reply;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		fail("socketpair", "none");
	c = redisConnectFd(ends[0]);
	took("redisContext", 1);
	for (int i = 0; i < ROUNDS; i++) {
		if (write(ends[1], "+PONG\r\n", 7) != 7 || redisGetReply(c, &reply))
			fail("reply", c->errstr);
		took("redisReply", 1), gave("redisReply", 1);
		freeReplyObject(reply);
		freeReplyObject(reply);
	}
}

int main(int argc, char **argv)
{
	static const struct part parts[] = {
		{"libpq", libpq},
		{"libmariadb", libmariadb},
		{"sqlite", sqlite},
		{"hiredis", hiredis},
		{},
	};

	return run_parts(parts, argc, argv);
}
