/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * probe_table.c - the table of client libraries.  Facts are from each library's own manual.
 *
 * The table names functions that hand out objects or take them back.  A function that only works on
 * an object is named where it joins a connection with its socket, or gives it an SQL text.  One
 * function may call another, so several rows may show one object.  The object counts once, for the
 * first function that returns it.
 */
#include "user/capture/clientlib/probe_table.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Short forms of the rows. */
#define CONNECTION(symbol_, handle_, ...)                                                 \
	{                                                                                 \
		.symbol = #symbol_, .role = PROBE_ACQUIRE, .resource = EV_RES_CONNECTION, \
		.handle = handle_, __VA_ARGS__                                            \
	}
#define ACQUIRE(symbol_, resource_, handle_, ...)                                 \
	{                                                                         \
		.symbol = #symbol_, .role = PROBE_ACQUIRE, .resource = resource_, \
		.handle = handle_, __VA_ARGS__                                    \
	}
#define RELEASE(symbol_, resource_, ...)                                          \
	{                                                                         \
		.symbol = #symbol_, .role = PROBE_RELEASE, .resource = resource_, \
		.handle = FROM_ARG1, __VA_ARGS__                                  \
	}
#define USE(symbol_, resource_, ...)                                                               \
	{                                                                                          \
		.symbol = #symbol_, .role = PROBE_USE, .resource = resource_, .handle = FROM_ARG1, \
		__VA_ARGS__                                                                        \
	}
#define SIZED_TEXT		  .text = FROM_ARG2, .text_length = FROM_ARG3
#define CALLED(object_, release_) .object = (object_), .release = (release_)

/* libpq (PostgreSQL manual, chapter "libpq").  All ways to a connection reach one of the Start
 * functions or PQsetdbLogin; every result is made by PQmakeEmptyPGresult, inside the library too.
 */
#define PGCONN	  CALLED("PGconn", "PQfinish"), .flags = PROBE_JOINS
#define PGMEMORY  CALLED("string of libpq", "PQfreemem")
#define PGOPTIONS CALLED("PQconninfoOption list", "PQconninfoFree")
static const struct probe_row libpq[] = {
	CONNECTION(PQconnectStart, FROM_RETURN, PGCONN),
	CONNECTION(PQconnectStartParams, FROM_RETURN, PGCONN),
	CONNECTION(PQsetdbLogin, FROM_RETURN, PGCONN),
	CONNECTION(PQconnectdb, FROM_RETURN, PGCONN),
	CONNECTION(PQconnectdbParams, FROM_RETURN, PGCONN),
	USE(PQconnectPoll, EV_RES_CONNECTION, .flags = PROBE_JOINS | PROBE_BORN_INSIDE),
	USE(PQreset, EV_RES_CONNECTION, .flags = PROBE_JOINS | PROBE_BORN_INSIDE),
	RELEASE(PQfinish, EV_RES_CONNECTION),
	ACQUIRE(PQmakeEmptyPGresult, EV_RES_RESULT, FROM_RETURN, .parent = FROM_ARG1,
		.flags = PROBE_BORN_INSIDE | PROBE_AFTER, CALLED("PGresult", "PQclear")),
	RELEASE(PQclear, EV_RES_RESULT, .flags = PROBE_BORN_INSIDE),
	ACQUIRE(PQnotifies, EV_RES_MEMORY, FROM_RETURN, .parent = FROM_ARG1,
		CALLED("PGnotify", "PQfreemem")),
	ACQUIRE(PQgetCopyData, EV_RES_MEMORY, FROM_OUT | FROM_ARG2, .parent = FROM_ARG1,
		.success = SUCCESS_POSITIVE, CALLED("row of COPY", "PQfreemem")),
	ACQUIRE(PQescapeLiteral, EV_RES_MEMORY, FROM_RETURN, PGMEMORY),
	ACQUIRE(PQescapeIdentifier, EV_RES_MEMORY, FROM_RETURN, PGMEMORY),
	ACQUIRE(PQescapeByteaConn, EV_RES_MEMORY, FROM_RETURN, PGMEMORY),
	ACQUIRE(PQescapeBytea, EV_RES_MEMORY, FROM_RETURN, PGMEMORY),
	ACQUIRE(PQunescapeBytea, EV_RES_MEMORY, FROM_RETURN, PGMEMORY),
	ACQUIRE(PQencryptPasswordConn, EV_RES_MEMORY, FROM_RETURN, PGMEMORY),
	RELEASE(PQfreemem, EV_RES_MEMORY),
	ACQUIRE(PQgetCancel, EV_RES_MEMORY, FROM_RETURN, .parent = FROM_ARG1,
		CALLED("PGcancel", "PQfreeCancel")),
	RELEASE(PQfreeCancel, EV_RES_MEMORY),
	ACQUIRE(PQconninfo, EV_RES_MEMORY, FROM_RETURN, .parent = FROM_ARG1, PGOPTIONS),
	ACQUIRE(PQconndefaults, EV_RES_MEMORY, FROM_RETURN, PGOPTIONS),
	ACQUIRE(PQconninfoParse, EV_RES_MEMORY, FROM_RETURN, PGOPTIONS),
	RELEASE(PQconninfoFree, EV_RES_MEMORY),
};

/* libmariadb and libmysqlclient (both manuals, "C API Function Reference").  row_count is the first
 * field of MYSQL_RES in both.  libmariadb's calls for programs that do not block (manual,
 * "Non-Blocking API Reference") free results and statements by the ordinary calls.  It also calls
 * mysql_close itself when it connects anew, and the handle lives on. */
#define MYSQL_RES_ CALLED("MYSQL_RES", "mysql_free_result"), .rows_after = 1
static const struct probe_row mysql[] = {
	CONNECTION(mysql_init, FROM_RETURN, CALLED("MYSQL", "mysql_close")),
	USE(mysql_real_connect, EV_RES_CONNECTION, .flags = PROBE_JOINS),
	RELEASE(mysql_close, EV_RES_CONNECTION),
	RELEASE(mysql_close_start, EV_RES_CONNECTION),
	ACQUIRE(mysql_store_result, EV_RES_RESULT, FROM_RETURN, .parent = FROM_ARG1,
		.flags = PROBE_JOINS, MYSQL_RES_),
	ACQUIRE(mysql_use_result, EV_RES_RESULT, FROM_RETURN, .parent = FROM_ARG1,
		.flags = PROBE_UNREAD | PROBE_JOINS, CALLED("MYSQL_RES", "mysql_free_result")),
	ACQUIRE(mysql_list_fields, EV_RES_RESULT, FROM_RETURN, .parent = FROM_ARG1,
		.flags = PROBE_JOINS, MYSQL_RES_),
	ACQUIRE(mysql_list_dbs, EV_RES_RESULT, FROM_RETURN, .parent = FROM_ARG1, MYSQL_RES_),
	ACQUIRE(mysql_list_tables, EV_RES_RESULT, FROM_RETURN, .parent = FROM_ARG1, MYSQL_RES_),
	ACQUIRE(mysql_list_processes, EV_RES_RESULT, FROM_RETURN, .parent = FROM_ARG1, MYSQL_RES_),
	ACQUIRE(mysql_stmt_result_metadata, EV_RES_RESULT, FROM_RETURN,
		CALLED("MYSQL_RES", "mysql_free_result")),
	RELEASE(mysql_free_result, EV_RES_RESULT, .flags = PROBE_BORN_INSIDE),
	ACQUIRE(mysql_stmt_init, EV_RES_STATEMENT, FROM_RETURN, .parent = FROM_ARG1,
		CALLED("MYSQL_STMT", "mysql_stmt_close")),
	USE(mysql_stmt_prepare, EV_RES_STATEMENT, SIZED_TEXT),
	RELEASE(mysql_stmt_close, EV_RES_STATEMENT, .flags = PROBE_BORN_INSIDE),
};

/* SQLite (sqlite.org/c3ref).  A failed open may still hand out a handle that must be closed.  A
 * failed close has closed nothing.  sqlite3_close_v2 lets the handle live until its statements end.
 */
#define SQLITE	    CALLED("sqlite3", "sqlite3_close")
#define SQLITE_STMT CALLED("sqlite3_stmt", "sqlite3_finalize"), .parent = FROM_ARG1
static const struct probe_row sqlite[] = {
	CONNECTION(sqlite3_open, FROM_OUT | FROM_ARG2, .text = FROM_ARG1, SQLITE),
	CONNECTION(sqlite3_open_v2, FROM_OUT | FROM_ARG2, .text = FROM_ARG1, SQLITE),
	CONNECTION(sqlite3_open16, FROM_OUT | FROM_ARG2, .text = FROM_ARG1,
		   .flags = PROBE_WIDE_TEXT, SQLITE),
	RELEASE(sqlite3_close, EV_RES_CONNECTION, .success = SUCCESS_ZERO),
	RELEASE(sqlite3_close_v2, EV_RES_CONNECTION, .flags = PROBE_ZOMBIE),
	ACQUIRE(sqlite3_prepare, EV_RES_STATEMENT, FROM_OUT | FROM_ARG4, SIZED_TEXT,
		.success = SUCCESS_ZERO, SQLITE_STMT),
	ACQUIRE(sqlite3_prepare_v2, EV_RES_STATEMENT, FROM_OUT | FROM_ARG4, SIZED_TEXT,
		.success = SUCCESS_ZERO, SQLITE_STMT),
	ACQUIRE(sqlite3_prepare_v3, EV_RES_STATEMENT, FROM_OUT | FROM_ARG5, SIZED_TEXT,
		.success = SUCCESS_ZERO, SQLITE_STMT),
	ACQUIRE(sqlite3_prepare16, EV_RES_STATEMENT, FROM_OUT | FROM_ARG4, SIZED_TEXT,
		.success = SUCCESS_ZERO, .flags = PROBE_WIDE_TEXT, SQLITE_STMT),
	ACQUIRE(sqlite3_prepare16_v2, EV_RES_STATEMENT, FROM_OUT | FROM_ARG4, SIZED_TEXT,
		.success = SUCCESS_ZERO, .flags = PROBE_WIDE_TEXT, SQLITE_STMT),
	ACQUIRE(sqlite3_prepare16_v3, EV_RES_STATEMENT, FROM_OUT | FROM_ARG5, SIZED_TEXT,
		.success = SUCCESS_ZERO, .flags = PROBE_WIDE_TEXT, SQLITE_STMT),
	RELEASE(sqlite3_finalize, EV_RES_STATEMENT, .rows_after = ROWS_COUNTED),
	{.symbol = "sqlite3_reset",
	 .role = PROBE_REWIND,
	 .resource = EV_RES_STATEMENT,
	 .handle = FROM_ARG1,
	 .flags = PROBE_BORN_INSIDE,
	 .rows_after = ROWS_COUNTED},
	{.symbol = "sqlite3_exec", .role = PROBE_INSIDE}, /* of a static copy */
	USE(sqlite3_exec, EV_RES_CONNECTION, .text = FROM_ARG2),
	ACQUIRE(sqlite3_get_table, EV_RES_RESULT, FROM_OUT | FROM_ARG3, .parent = FROM_ARG1,
		.success = SUCCESS_ZERO, .text = FROM_ARG2,
		CALLED("table of SQLite", "sqlite3_free_table")),
	RELEASE(sqlite3_free_table, EV_RES_RESULT),
	ACQUIRE(sqlite3_backup_init, EV_RES_CURSOR, FROM_RETURN, .parent = FROM_ARG1,
		CALLED("sqlite3_backup", "sqlite3_backup_finish")),
	RELEASE(sqlite3_backup_finish, EV_RES_CURSOR),
	ACQUIRE(sqlite3_blob_open, EV_RES_CURSOR, FROM_OUT | FROM_ARG7, .parent = FROM_ARG1,
		.success = SUCCESS_ZERO, CALLED("sqlite3_blob", "sqlite3_blob_close")),
	RELEASE(sqlite3_blob_close, EV_RES_CURSOR),
};

/* hiredis (its README). */
#define REDIS	    CALLED("redisContext", "redisFree")
#define REDIS_REPLY CALLED("redisReply", "freeReplyObject"), .parent = FROM_ARG1
static const struct probe_row hiredis[] = {
	CONNECTION(redisConnect, FROM_RETURN, REDIS),
	CONNECTION(redisConnectWithTimeout, FROM_RETURN, REDIS),
	CONNECTION(redisConnectNonBlock, FROM_RETURN, REDIS),
	CONNECTION(redisConnectBindNonBlock, FROM_RETURN, REDIS),
	CONNECTION(redisConnectBindNonBlockWithReuse, FROM_RETURN, REDIS),
	CONNECTION(redisConnectUnix, FROM_RETURN, REDIS),
	CONNECTION(redisConnectUnixWithTimeout, FROM_RETURN, REDIS),
	CONNECTION(redisConnectUnixNonBlock, FROM_RETURN, REDIS),
	CONNECTION(redisConnectWithOptions, FROM_RETURN, REDIS),
	CONNECTION(redisConnectFd, FROM_RETURN, REDIS),
	RELEASE(redisFree, EV_RES_CONNECTION),
	RELEASE(redisFreeKeepFd, EV_RES_CONNECTION),
	ACQUIRE(redisCommand, EV_RES_RESULT, FROM_RETURN, REDIS_REPLY),
	ACQUIRE(redisvCommand, EV_RES_RESULT, FROM_RETURN, REDIS_REPLY),
	ACQUIRE(redisCommandArgv, EV_RES_RESULT, FROM_RETURN, REDIS_REPLY),
	ACQUIRE(redisGetReply, EV_RES_RESULT, FROM_OUT | FROM_ARG2, .success = SUCCESS_ZERO,
		REDIS_REPLY),
	ACQUIRE(redisGetReplyFromReader, EV_RES_RESULT, FROM_OUT | FROM_ARG2,
		.success = SUCCESS_ZERO, REDIS_REPLY),
	RELEASE(freeReplyObject, EV_RES_RESULT),
};

/* OpenSSL (SSL_read(3), SSL_write(3), SSL_free(3)).  Its rows hand out no objects: they show the
 * plaintext of a connection. */
#define TLS(symbol_, role_, ...)                                                    \
	{                                                                           \
		.symbol = #symbol_, .role = role_, .handle = FROM_ARG1, __VA_ARGS__ \
	}
static const struct probe_row openssl[] = {
	TLS(SSL_read, PROBE_TLS_READ, .text = FROM_ARG2, .success = SUCCESS_POSITIVE),
	TLS(SSL_write, PROBE_TLS_WRITE, .text = FROM_ARG2, .success = SUCCESS_POSITIVE),
	TLS(SSL_read_ex, PROBE_TLS_READ, .text = FROM_ARG2, .parent = FROM_ARG4,
	    .success = SUCCESS_COUNTED),
	TLS(SSL_write_ex, PROBE_TLS_WRITE, .text = FROM_ARG2, .parent = FROM_ARG4,
	    .success = SUCCESS_COUNTED),
	TLS(SSL_write_ex2, PROBE_TLS_WRITE, .text = FROM_ARG2, .parent = FROM_ARG5,
	    .success = SUCCESS_COUNTED),
	TLS(SSL_free, PROBE_TLS_END),
};

#define ANCHORS(...)              \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}

const struct probe_library probe_libraries[] = {
	{"libpq", EV_LIBRARY_LIBPQ, EV_DB_POSTGRESQL, ANCHORS("PQfinish", "PQclear"), libpq,
	 COUNT(libpq), 0, NULL},
	{"libmysqlclient", EV_LIBRARY_MYSQL, EV_DB_MYSQL, ANCHORS("mysql_init", "mysql_close"),
	 mysql, COUNT(mysql), COUNT(libpq), NULL},
	{"SQLite", EV_LIBRARY_SQLITE, EV_DB_SQLITE, ANCHORS("sqlite3_open_v2", "sqlite3_finalize"),
	 sqlite, COUNT(sqlite), COUNT(libpq) + COUNT(mysql), "sqlite3"},
	{"hiredis", EV_LIBRARY_HIREDIS, EV_DB_REDIS, ANCHORS("redisFree", "freeReplyObject"),
	 hiredis, COUNT(hiredis), COUNT(libpq) + COUNT(mysql) + COUNT(sqlite), NULL},
	{"OpenSSL", EV_LIBRARY_OPENSSL, EV_DB_UNKNOWN, ANCHORS("SSL_read", "SSL_write"), openssl,
	 COUNT(openssl), COUNT(libpq) + COUNT(mysql) + COUNT(sqlite) + COUNT(hiredis), NULL},
};

const size_t probe_library_count = COUNT(probe_libraries);
_Static_assert(COUNT(probe_libraries) <= PROBE_LIBRARIES_MOST, "as the header says");

const struct probe_row *probe_row_of(uint16_t number, const struct probe_library **library)
{
	for (size_t i = 0; i < probe_library_count; i++) {
		const struct probe_library *l = &probe_libraries[i];

		if (number < l->first || number >= l->first + l->count)
			continue;
		if (library)
			*library = l;
		return &l->rows[number - l->first];
	}
	return NULL;
}

int probe_row_returns(const struct probe_row *row)
{
	return row->role == PROBE_ACQUIRE || row->role == PROBE_INSIDE ||
	       row->success != SUCCESS_ANY || row->flags & PROBE_JOINS;
}
