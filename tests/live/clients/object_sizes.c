/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What objects of client libraries take of memory: object_sizes pq|my|lite|redis|none keeps one or
 * more of each kind, says `object ADDRESS BYTES NAME` of it, by what malloc has given meanwhile,
 * and waits.
 */
#include <hiredis/hiredis.h>
#include <malloc.h>
#include <sqlite3.h>

#include "my.h"
#include "pq.h"

#define UNTIL_PROBED_MS 2000 /* a new process is looked at when it has begun */

static size_t before;

static size_t given(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void begin(void)
{
	before = given();
}

static void object(const void *address, size_t bytes, const char *name)
{
	printf("object %llu %zu %s\n", (unsigned long long)(uintptr_t)address, bytes, name);
}

/* A block with its head. */
static void block(const void *address, const char *name)
{
	object(address, malloc_usable_size((void *)address) + 8, name);
}

/* All that was given since begin() is the object's. */
static void took(const void *address, const char *name)
{
	object(address, given() - before, name);
}

static void pq_result(PGconn *c, const char *sql)
{
	PGresult *result = PQexec(c, sql);

	if (PQresultStatus(result) == PGRES_TUPLES_OK ||
	    PQresultStatus(result) == PGRES_FATAL_ERROR)
		object(result, PQresultMemorySize(result), "PGresult");
}

static void pq_pieces(PGconn *c)
{
	char *text = PQescapeLiteral(c, "a text of forty letters, more or less, as", 41),
	     *row = NULL;
	PGnotify *notify;

	block(text, "string of libpq");
	pq_run(c, "listen news");
	pq_run(c, "notify news, 'a payload of some length for a test of its size'");
	while (!(notify = PQnotifies(c)))
		PQconsumeInput(c);
	block(notify, "PGnotify");
	PQclear(PQexec(c, "copy (select repeat('x', 5000)) to stdout"));
	if (PQgetCopyData(c, &row, 0) <= 0)
		fail("copy", PQerrorMessage(c));
	block(row, "row of COPY");
	while (PQgetCopyData(c, &text, 0) > 0)
		PQfreemem(text);
	PQclear(PQgetResult(c));
}

static void pq(void)
{
	PGconn *c = pq_open(), *other;
	void *options, *cancel;

	begin();
	other = pq_open();
	took(other, "PGconn");
	pq_result(c, "select repeat('x', 1000) from generate_series(1, 1000)");
	pq_result(c, "select 1, 'two', 3.0");
	pq_result(c, "select nothing from nowhere");
	pq_result(c, "select * from generate_series(1, 100000)");
	pq_pieces(c);
	cancel = PQgetCancel(c);
	block(cancel, "PGcancel");
	begin();
	options = PQconninfo(c);
	took(options, "PQconninfoOption list");
}

static void my_result(MYSQL *c, const char *sql)
{
	MYSQL_RES *result;

	my_run(c, sql); /* so that what the connection itself needs is there */
	if (mysql_query(c, sql))
		fail(sql, mysql_error(c));
	begin();
	result = mysql_store_result(c);
	/* The fields were the connection's until now. */
	object(result, given() - before,
	       mysql_num_rows(result) > 100 ? "MYSQL_RES" : "small MYSQL_RES");
}

static void my_statement(MYSQL *c, const char *sql)
{
	MYSQL_STMT *st;

	begin();
	st = mysql_stmt_init(c);
	if (mysql_stmt_prepare(st, sql, strlen(sql)) || mysql_stmt_execute(st) ||
	    mysql_stmt_store_result(st))
		fail(sql, mysql_stmt_error(st));
	took(st, "MYSQL_STMT");
}

static void my(void)
{
	MYSQL *c;

	mysql_close(my_open(0)); /* so that what the library itself needs is there */
	begin();
	c = my_open(0);
	took(c, "MYSQL");
	my_result(c, "select repeat('x', 1000) from seq_1_to_1000");
	my_result(c, "select 1, 'two', 3.0");
	my_result(c, "select seq from seq_1_to_100000");
	my_statement(c, "select repeat('x', 1000) from seq_1_to_1000");
	my_statement(c, "select seq from seq_1_to_50000");
}

static void lite_filled(const char *path, const char *rows)
{
	char sql[256];
	sqlite3 *c;

	begin();
	if (sqlite3_open(path, &c))
		fail(path, "cannot be opened");
	snprintf(sql, sizeof(sql),
		 "create table kept as with recursive n(i) as (select 1 union all "
		 "select i + 1 from n where i < %s) select i, randomblob(1000) from n",
		 rows);
	if (sqlite3_exec(c, sql, NULL, NULL, NULL) ||
	    sqlite3_exec(c, "select sum(i) from kept", NULL, NULL, NULL))
		fail(sql, sqlite3_errmsg(c));
	took(c, "sqlite3");
}

static void lite(void)
{
	lite_filled(":memory:", "5000");
	lite_filled(":memory:", "300");
	unlink("sizes.db"); /* of an earlier run */
	lite_filled("sizes.db", "1000");
}

static void redis_reply(redisContext *c, const char *command)
{
	redisReply *reply;

	begin();
	reply = redisCommand(c, command);
	if (!reply)
		fail(command, c->errstr);
	took(reply, "redisReply");
}

static void redis(void)
{
	redisContext *c = redisConnect(getenv("DB_HOST"), atoi(getenv("DB_PORT")));

	if (!c || c->err)
		fail("connect", "no server");
	freeReplyObject(redisCommand(c, "config get *"));
	redis_reply(c, "config get *");
	redis_reply(c, "config get *");
	redis_reply(c, "config get m*");
}

static void none(void)
{
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {{"pq", pq},	      {"my", my},     {"lite", lite},
					    {"redis", redis}, {"none", none}, {}};
	int status;

	nap(UNTIL_PROBED_MS);
	status = run_mode(modes, argc, argv);
	if (status)
		return status;
	ready();
	for (;;)
		pause();
}
