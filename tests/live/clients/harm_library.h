/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * A round of calls of each client library, and a hook that is reached inside of them.
 *
 * The hook is called from a callback (SQLite), or where the library waits for its server: the
 * program's own recv, read and poll stand before the C library's, as those of a scheduler do.
 */
#ifndef CLIENTS_HARM_LIBRARY_H
#define CLIENTS_HARM_LIBRARY_H

#include <atomic>
#include <dlfcn.h>
#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <mysql.h>
#include <poll.h>
#include <sqlite3.h>
#include <string>
#include <sys/socket.h>
#include <sys/types.h>

/* What happens inside the calls; NULL nothing does. */
static void (*volatile hook)(void);
static bool waits_for_server;

/* A thread is connected, and begins the call that does not end for long. */
static std::atomic<bool> is_blocked;

static void inside(void)
{
	if (hook)
		hook();
}

/* SQLite reads random numbers with a lock of the whole program held. */
static void inside_io(void)
{
	if (waits_for_server)
		inside();
}

#define NEXT(name) reinterpret_cast<decltype(&name)>(dlsym(RTLD_NEXT, #name))

extern "C" ssize_t recv(int fd, void *bytes, size_t size, int flags)
{
	static const auto next = NEXT(recv);

	inside_io();
	return next(fd, bytes, size, flags);
}

extern "C" ssize_t read(int fd, void *bytes, size_t size)
{
	static const auto next = NEXT(read);

	inside_io();
	return next(fd, bytes, size);
}

extern "C" int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	static const auto next = NEXT(poll);

	inside_io();
	return next(fds, count, timeout);
}

/* A round of calls that always says the same; and one that does not end for long. */
struct library {
	const char *name, *file; /* of the library whose code is looked at */
	std::string (*round)(void);
	void (*block)(void);
};

/* --- SQLite ---------------------------------------------------------------------------------- */

static int authorize(void *, int, const char *, const char *, const char *, const char *)
{
	inside();
	return SQLITE_OK;
}

static int progress(void *)
{
	inside();
	return 0;
}

static int collate(void *, int a_size, const void *a, int b_size, const void *b)
{
	inside();
	return std::string(static_cast<const char *>(a), a_size)
		.compare(std::string(static_cast<const char *>(b), b_size));
}

static int trace(unsigned, void *, void *, void *)
{
	inside();
	return 0;
}

static sqlite3 *lite_open(void)
{
	sqlite3 *db = NULL;

	if (sqlite3_open_v2(":memory:", &db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL))
		return NULL;
	sqlite3_exec(db, "create table t (a text); insert into t values ('c'), ('a'), ('b')", NULL,
		     NULL, NULL);
	sqlite3_set_authorizer(db, authorize, NULL);
	sqlite3_progress_handler(db, 5, progress, NULL);
	sqlite3_create_collation(db, "own", SQLITE_UTF8, NULL, collate);
	sqlite3_trace_v2(db, SQLITE_TRACE_ROW, trace, NULL);
	return db;
}

static std::string lite_round(void)
{
	std::string said = "sqlite";
	sqlite3 *db = lite_open();
	sqlite3_stmt *statement = NULL;
	char **table = NULL;
	int rows = 0, columns = 0;

	sqlite3_prepare_v2(db, "select a from t order by a collate own", -1, &statement, NULL);
	while (sqlite3_step(statement) == SQLITE_ROW)
		said += std::string(" ") +
			reinterpret_cast<const char *>(sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	sqlite3_get_table(db, "select max(a collate own) from t", &table, &rows, &columns, NULL);
	said += rows == 1 ? std::string(" ") + table[1] : " none";
	sqlite3_free_table(table);
	return said + (sqlite3_close(db) ? " open" : " closed");
}

static void lite_block(void)
{
	sqlite3 *db = lite_open();
	char **table;
	int rows, columns;

	is_blocked = true;
	sqlite3_get_table(db,
			  "with recursive n(i) as (select 1 union all select i + 1 from n) "
			  "select count(*) from n",
			  &table, &rows, &columns, NULL);
}

/* --- libpq, in the clear and with OpenSSL below ------------------------------------------------
 */

static void notice(void *, const PGresult *)
{
	inside();
}

static std::string pq_round(void)
{
	PGconn *c = PQconnectdb("");
	std::string said = PQsslInUse(c) ? "libpq tls" : "libpq";
	PGresult *r;
	char *row;

	PQsetNoticeReceiver(c, notice, NULL);
	r = PQexec(c, "do $$ begin raise notice 'hear'; end $$");
	said += std::string(" ") + PQresStatus(PQresultStatus(r));
	PQclear(r);
	r = PQexec(c, "copy (select repeat('x', 100) from generate_series(1, 500)) to stdout");
	PQclear(r);
	size_t bytes = 0;
	while (PQgetCopyData(c, &row, 0) > 0) {
		bytes += strlen(row);
		PQfreemem(row);
	}
	while ((r = PQgetResult(c)))
		PQclear(r);
	said += " " + std::to_string(bytes) + (PQstatus(c) == CONNECTION_OK ? " well" : " broken");
	PQfinish(c);
	return said;
}

static void pq_block(void)
{
	PGconn *c = PQconnectdb("");
	char *row;

	is_blocked = true;
	PQclear(PQexec(c, "copy (select pg_sleep(30)) to stdout"));
	PQgetCopyData(c, &row, 0);
}

/* --- libmariadb --------------------------------------------------------------------------------
 */

static MYSQL *my_open(void)
{
	const char *port = getenv("DB_PORT");
	MYSQL *c = mysql_init(NULL);

	if (!mysql_real_connect(c, getenv("DB_HOST"), getenv("DB_USER"), "", getenv("DB_NAME"),
				port ? atoi(port) : 0, NULL, 0)) {
		fprintf(stderr, "%s\n", mysql_error(c));
		exit(3);
	}
	return c;
}

static const char my_rows[] = "select repeat('x', 100) from items limit 500";

static std::string my_tell(MYSQL_RES *r)
{
	size_t bytes = 0;

	while (MYSQL_ROW row = mysql_fetch_row(r))
		bytes += strlen(row[0]);
	mysql_free_result(r);
	return " " + std::to_string(bytes);
}

static std::string my_round(void)
{
	std::string said = "libmariadb";
	MYSQL *c = my_open();
	MYSQL_STMT *s;

	mysql_query(c, my_rows);
	said += my_tell(mysql_store_result(c));
	mysql_query(c, my_rows);
	said += my_tell(mysql_use_result(c));
	s = mysql_stmt_init(c);
	said += mysql_stmt_prepare(s, "select ?", 8) ? " failed" : " prepared";
	mysql_stmt_close(s);
	mysql_close(c);
	return said;
}

static void my_block(void)
{
	MYSQL *c = my_open();

	is_blocked = true;
	mysql_real_query(c, "select sleep(30)", 16);
}

/* --- hiredis -----------------------------------------------------------------------------------
 */

static redisContext *redis_open(void)
{
	redisContext *c = redisConnect(getenv("DB_HOST"), atoi(getenv("DB_PORT")));

	if (!c || c->err) {
		fprintf(stderr, "%s\n", c ? c->errstr : "no memory");
		exit(3);
	}
	return c;
}

static std::string redis_tell(void *reply)
{
	redisReply *r = static_cast<redisReply *>(reply);
	std::string said = r ? " " + std::to_string(r->type) : " none";

	if (r)
		freeReplyObject(r);
	return said;
}

static std::string redis_round(void)
{
	std::string said = "hiredis";
	redisContext *c = redis_open();

	said += redis_tell(redisCommand(c, "SET %s %s", "harm", "x"));
	said += redis_tell(redisCommand(c, "GET harm"));
	said += redis_tell(redisCommand(c, "ECHO %s", std::string(5000, 'x').c_str()));
	redisFree(c);
	return said;
}

static void redis_block(void)
{
	redisContext *c = redis_open();

	is_blocked = true;
	redisCommand(c, "BLPOP nothing 0");
}

static const struct library libraries[] = {
	{"sqlite", "libsqlite3.so", lite_round, lite_block},
	{"libpq", "libpq.so", pq_round, pq_block},
	{"openssl", "libssl.so", pq_round, pq_block}, /* its server speaks TLS only */
	{"libmariadb", "libmariadb.so", my_round, my_block},
	{"hiredis", "libhiredis.so", redis_round, redis_block},
};

#endif
