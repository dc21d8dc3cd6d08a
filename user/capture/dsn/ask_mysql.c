/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * ask_mysql.c - asks MySQL or MariaDB for its process list and open transactions, through
 * libmariadb or libmysqlclient.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "user/capture/dsn/ask_server.h"
#include "user/capture/dsn/dsn.h"
#include "user/system/host_library.h"

/* Numbers that both libraries have in common. */
enum {
	OPTION_CONNECT_TIMEOUT = 0,
	OPTION_LOCAL_INFILE = 8,
	OPTION_READ_TIMEOUT = 11,
	OPTION_WRITE_TIMEOUT = 12
};

static struct {
	void *(*init)(void *mysql);
	int (*options)(void *mysql, int option, const void *value);
	void *(*connect)(void *mysql, const char *host, const char *user, const char *password,
			 const char *database, unsigned int port, const char *path,
			 unsigned long flags);
	int (*query)(void *mysql, const char *query, unsigned long length);
	void *(*result)(void *mysql);
	unsigned int (*columns)(void *result);
	char **(*row)(void *result);
	unsigned long *(*lengths)(void *result);
	void (*free)(void *result);
	void (*close)(void *mysql);
	unsigned int (*number)(void *mysql);
} my;

static const struct {
	const char *name;
	void *function;
} functions[] = {
	{"mysql_init", &my.init},
	{"mysql_options", &my.options},
	{"mysql_real_connect", &my.connect},
	{"mysql_real_query", &my.query},
	{"mysql_store_result", &my.result},
	{"mysql_num_fields", &my.columns},
	{"mysql_fetch_row", &my.row},
	{"mysql_fetch_lengths", &my.lengths},
	{"mysql_free_result", &my.free},
	{"mysql_close", &my.close},
	{"mysql_errno", &my.number},
};

static const char *load(void)
{
	static const char *const names[] = {"libmariadb.so.3", "libmysqlclient.so.24",
					    "libmysqlclient.so.21", NULL};
	void *library = ask_library(names);

	if (!library)
		return host_library_may_open()
			       ? "neither libmariadb.so.3 nor libmysqlclient.so is installed"
			       : ASK_STATIC;
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *found = host_library_find(library, functions[i].name);

		if (!found)
			return "the client library lacks a function";
		memcpy(functions[i].function, &found, sizeof(found));
	}
	return NULL;
}

/* From most to least: the last SQL needs performance_schema, transactions need PROCESS. */
#define SESSIONS    "SELECT p.ID, p.HOST, p.COMMAND, p.TIME, p.USER, COALESCE(p.DB, ''), @@port, "
#define TRANSACTION "TIMESTAMPDIFF(SECOND, t.trx_started, NOW()), "
#define FROM_LIST   "FROM information_schema.PROCESSLIST p "
#define JOIN_TRANSACTION                                                          \
	"LEFT JOIN (SELECT trx_mysql_thread_id, MIN(trx_started) AS trx_started " \
	"FROM information_schema.INNODB_TRX GROUP BY trx_mysql_thread_id) t "     \
	"ON t.trx_mysql_thread_id = p.ID "
#define JOIN_TEXT                                                                                \
	"LEFT JOIN (SELECT h.PROCESSLIST_ID, MAX(e.SQL_TEXT) AS SQL_TEXT "                       \
	"FROM performance_schema.threads h JOIN performance_schema.events_statements_current e " \
	"ON e.THREAD_ID = h.THREAD_ID WHERE h.PROCESSLIST_ID IS NOT NULL "                       \
	"GROUP BY h.PROCESSLIST_ID) s ON s.PROCESSLIST_ID = p.ID "
#define ENDING	"WHERE p.ID <> CONNECTION_ID() ORDER BY p.TIME DESC LIMIT 4097"
#define COLUMNS 9

static const char *const queries[] = {
	SESSIONS TRANSACTION
	"LEFT(COALESCE(p.INFO, s.SQL_TEXT, ''), 500) " FROM_LIST JOIN_TRANSACTION JOIN_TEXT ENDING,
	SESSIONS TRANSACTION "LEFT(COALESCE(p.INFO, ''), 500) " FROM_LIST JOIN_TRANSACTION ENDING,
	SESSIONS "NULL, LEFT(COALESCE(p.INFO, ''), 500) " FROM_LIST ENDING,
};
#define QUERIES (sizeof(queries) / sizeof(queries[0]))

/* The library's own words may hold parts of the URL, so only its number is told. */
static void refused(unsigned int number, struct ask_end *end)
{
	static const struct {
		unsigned int number;
		const char *words;
	} known[] = {
		{1040, "the server has too many connections"},
		{1044, "the server denies access to that database"},
		{1045, "the server denies access to that user"},
		{1049, "the server has no such database"},
		{1203, "that user has too many connections"},
		{2002, "nobody listens there"},
		{2003, "nobody listens there"},
		{2005, "the host name has no address"},
		{2013, "the server did not answer within 3 s"},
		{2026, "the TLS handshake failed"},
	};

	end->failed = 1;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].number != number)
			continue;
		ask_fail(end, known[i].words);
		return;
	}
	snprintf(end->words, sizeof(end->words), "error %u", number);
}

/* The library does not tell its socket: it is the one beside our own. */
static void note_server(struct ask_end *end, int wire)
{
	struct sockaddr_storage address;

	for (int fd = 0; fd < 64; fd++) {
		socklen_t size = sizeof(address);

		if (fd == wire || getpeername(fd, (struct sockaddr *)&address, &size))
			continue;
		ask_note_server(end, fd);
		return;
	}
}

/* "127.0.0.1:5555", "::1:5555" or "[::1]:5555"; "localhost" alone: no TCP. */
static void read_host(const char *host, struct ask_row *row)
{
	const char *colon = strrchr(host, ':');
	char text[64];
	unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;

	if (!port || port > UINT16_MAX)
		return;
	host += *host == '[';
	ask_copy(text, sizeof(text), host, (size_t)(colon - host));
	text[strcspn(text, "]")] = '\0';
	if (ask_address(text, row->client))
		row->client_port = (uint16_t)port;
}

static bool tell(char **values, const unsigned long *lengths, struct ask_sink *sink)
{
	struct ask_row row = {.session = strtoull(values[0] ? values[0] : "0", NULL, 10)};
	const char *command = values[2] ? values[2] : "";
	bool asleep = !strcmp(command, "Sleep");

	if (values[1])
		read_host(values[1], &row);
	row.state_seconds = values[3] ? strtod(values[3], NULL) : -1;
	row.transaction_seconds = values[7] ? strtod(values[7], NULL) : -1;
	row.busy = !asleep;
	row.replication = !strncmp(command, "Binlog Dump", 11);
	/* One that shows none may have a transaction that has touched no table yet. */
	row.status = asleep && values[7] ? EV_STATUS_TRANSACTION : EV_STATUS_UNKNOWN;
	ask_copy(row.user, sizeof(row.user), values[4] ? values[4] : "", lengths[4]);
	ask_copy(row.name, sizeof(row.name), values[5] ? values[5] : "", lengths[5]);
	ask_copy(row.text, sizeof(row.text), values[8] ? values[8] : "", lengths[8]);
	return sink->row(sink, &row);
}

static void answer(void *mysql, struct ask_sink *sink, struct ask_end *end)
{
	void *result = NULL;
	uint32_t told = 0;
	size_t at;
	char **row;

	for (at = 0; at < QUERIES && !result; at++)
		if (!my.query(mysql, queries[at], strlen(queries[at])))
			result = my.result(mysql);
	end->hidden = at == QUERIES;
	if (!result || my.columns(result) != COLUMNS) {
		ask_fail(end, "the server does not show its process list");
		if (result)
			my.free(result);
		return;
	}
	while ((row = my.row(result)) && told++ < ASK_ROWS_MOST) {
		if (!end->port && row[6])
			end->port = (uint16_t)strtoul(row[6], NULL, 10);
		if (!tell(row, my.lengths(result), sink))
			break;
	}
	end->more = told > ASK_ROWS_MOST;
	my.free(result);
}

static void ask(const char *url, struct ask_sink *sink, struct ask_end *end)
{
	const unsigned int seconds = 2, none = 0;
	struct dsn_parts p;
	void *mysql;

	if (!dsn_split(url, &p)) {
		ask_fail(end, "the URL cannot be parsed");
		return;
	}
	mysql = my.init(NULL);
	if (!mysql) {
		ask_fail(end, "there is no memory");
		return;
	}
	my.options(mysql, OPTION_CONNECT_TIMEOUT, &seconds);
	my.options(mysql, OPTION_READ_TIMEOUT, &seconds);
	my.options(mysql, OPTION_WRITE_TIMEOUT, &seconds);
	my.options(mysql, OPTION_LOCAL_INFILE, &none); /* the server may ask for our files */
	if (my.connect(mysql, *p.host ? p.host : NULL, p.user,
		       *p.password ? p.password : getenv("MYSQL_PWD"),
		       *p.database ? p.database : NULL, p.port, *p.path ? p.path : NULL, 0)) {
		note_server(end, sink->wire);
		answer(mysql, sink, end);
	} else {
		refused(my.number(mysql), end);
	}
	explicit_bzero(&p, sizeof(p));
	my.close(mysql);
}

const struct ask_engine ask_mysql = {load, ask};
