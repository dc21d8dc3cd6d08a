/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * ask_postgresql.c - asks PostgreSQL for pg_stat_activity, through libpq.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/dsn/ask_server.h"
#include "user/system/clock.h"
#include "user/system/host_library.h"

/* As libpq-fe.h has them since version 8. */
enum { CONNECTION_OK = 0, CONNECTION_BAD = 1 };
enum { POLLING_FAILED = 0, POLLING_READING = 1, POLLING_OK = 3 };
enum { TUPLES_OK = 2 };

static struct {
	void *(*connect_start)(const char *const *keywords, const char *const *values, int expand);
	int (*connect_poll)(void *connection);
	int (*status)(const void *connection);
	int (*socket)(const void *connection);
	char *(*port)(const void *connection);
	char *(*error)(const void *connection);
	void (*finish)(void *connection);
	int (*send)(void *connection, const char *query);
	int (*consume)(void *connection);
	int (*is_busy)(void *connection);
	void *(*result)(void *connection);
	int (*result_status)(const void *result);
	int (*rows)(const void *result);
	int (*columns)(const void *result);
	char *(*value)(const void *result, int row, int column);
	int (*length)(const void *result, int row, int column);
	void (*clear)(void *result);
	void *(*parse)(const char *conninfo, char **error);
	void (*parsed_free)(void *options);
	void (*memory_free)(void *text);
} pq;

static const struct {
	const char *name;
	void *function;
} functions[] = {
	{"PQconnectStartParams", &pq.connect_start},
	{"PQconnectPoll", &pq.connect_poll},
	{"PQstatus", &pq.status},
	{"PQsocket", &pq.socket},
	{"PQport", &pq.port},
	{"PQerrorMessage", &pq.error},
	{"PQfinish", &pq.finish},
	{"PQsendQuery", &pq.send},
	{"PQconsumeInput", &pq.consume},
	{"PQisBusy", &pq.is_busy},
	{"PQgetResult", &pq.result},
	{"PQresultStatus", &pq.result_status},
	{"PQntuples", &pq.rows},
	{"PQnfields", &pq.columns},
	{"PQgetvalue", &pq.value},
	{"PQgetlength", &pq.length},
	{"PQclear", &pq.clear},
	{"PQconninfoParse", &pq.parse},
	{"PQconninfoFree", &pq.parsed_free},
	{"PQfreemem", &pq.memory_free},
};

static const char *load(void)
{
	static const char *const names[] = {"libpq.so.5", NULL};
	void *library = ask_library(names);

	if (!library)
		return host_library_may_open() ? "libpq.so.5 is not installed" : ASK_STATIC;
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *found = host_library_find(library, functions[i].name);

		if (!found)
			return "libpq.so.5 is too old";
		memcpy(functions[i].function, &found, sizeof(found));
	}
	return NULL;
}

/* Our session changes nothing, and asks no longer than we wait. */
static const char query[] =
	"SET default_transaction_read_only = on; SET statement_timeout = 3000; "
	"SELECT pid, coalesce(host(client_addr), ''), coalesce(client_port, -1), coalesce(state, "
	"''), "
	"extract(epoch FROM clock_timestamp() - xact_start), "
	"extract(epoch FROM clock_timestamp() - state_change), "
	"coalesce(usename, ''), coalesce(datname, ''), coalesce(application_name, ''), "
	"coalesce(left(query, 500), ''), (backend_type = 'walsender')::int "
	"FROM pg_stat_activity "
	"WHERE (client_port IS NOT NULL OR query = '<insufficient privilege>') AND pid <> "
	"pg_backend_pid() "
	"ORDER BY state_change NULLS LAST LIMIT 4097";
#define COLUMNS 11

static bool wait_for(const void *connection, short events, uint64_t until_ms)
{
	struct pollfd fd = {.fd = pq.socket(connection), .events = events};
	uint64_t now = clock_monotonic_ms();

	return now < until_ms && poll(&fd, 1, (int)(until_ms - now)) > 0;
}

/* libpq's own words may hold parts of the URL.  Only the server's are passed on. */
static void refused(const void *connection, struct ask_end *end)
{
	static const struct {
		const char *part, *words;
	} known[] = {
		{"Connection refused", "nobody listens there"},
		{"No such file", "there is no such socket"},
		{"translate host name", "the host name has no address"},
		{"No route to host", "there is no way to it"},
		{"unreachable", "there is no way to it"},
		{"no password supplied", "the server asks for a password"},
		{"SSL", "the TLS handshake failed"},
	};
	const char *error = pq.error(connection), *fatal = error ? strstr(error, "FATAL:  ") : NULL;

	if (fatal) {
		ask_copy(end->words, sizeof(end->words), fatal + 8, strcspn(fatal + 8, "\n"));
		end->failed = 1;
		return;
	}
	for (size_t i = 0; error && i < sizeof(known) / sizeof(known[0]); i++) {
		if (!strstr(error, known[i].part))
			continue;
		ask_fail(end, known[i].words);
		return;
	}
	ask_fail(end, "no connection could be made");
}

static void *connect_to(const char *url, uint64_t until_ms, struct ask_end *end)
{
	const char *keywords[] = {"dbname", "application_name", "client_encoding", NULL};
	const char *values[] = {url, "dbleak", "UTF8", NULL};
	void *connection;
	int state = 2; /* as if PQconnectPoll had asked to write */

	connection = pq.connect_start(keywords, values, 1);
	if (!connection) {
		ask_fail(end, "there is no memory");
		return NULL;
	}
	while (pq.status(connection) != CONNECTION_BAD && state != POLLING_OK &&
	       state != POLLING_FAILED) {
		if (!wait_for(connection, state == POLLING_READING ? POLLIN : POLLOUT, until_ms)) {
			ask_fail(end, "the server did not answer within 3 s");
			pq.finish(connection);
			return NULL;
		}
		state = pq.connect_poll(connection);
	}
	if (pq.status(connection) == CONNECTION_OK)
		return connection;
	refused(connection, end);
	pq.finish(connection);
	return NULL;
}

/* The last result of the query; NULL: none in time. */
static void *run(void *connection, uint64_t until_ms)
{
	void *last = NULL, *result;

	if (!pq.send(connection, query))
		return NULL;
	for (;;) {
		while (pq.is_busy(connection)) {
			if (!wait_for(connection, POLLIN, until_ms) || !pq.consume(connection)) {
				pq.clear(last);
				return NULL;
			}
		}
		result = pq.result(connection);
		if (!result)
			return last;
		pq.clear(last);
		last = result;
	}
}

static double seconds_of(const char *text)
{
	return *text ? strtod(text, NULL) : -1;
}

static void read_state(const char *state, struct ask_row *row)
{
	if (!strcmp(state, "idle"))
		row->status = EV_STATUS_IDLE;
	else if (!strcmp(state, "idle in transaction"))
		row->status = EV_STATUS_TRANSACTION;
	else if (!strcmp(state, "idle in transaction (aborted)"))
		row->status = EV_STATUS_FAILED;
	row->busy = !strcmp(state, "active") || !strcmp(state, "fastpath function call");
}

static bool tell(const void *result, int i, struct ask_sink *sink, struct ask_end *end)
{
	struct ask_row row = {.session = strtoull(pq.value(result, i, 0), NULL, 10)};
	const char *sql = pq.value(result, i, 9);
	long port = strtol(pq.value(result, i, 2), NULL, 10);

	if (!strcmp(sql, "<insufficient privilege>")) {
		end->hidden = 1;
		return true;
	}
	if (port > 0 && port <= UINT16_MAX && ask_address(pq.value(result, i, 1), row.client))
		row.client_port = (uint16_t)port;
	read_state(pq.value(result, i, 3), &row);
	row.transaction_seconds = seconds_of(pq.value(result, i, 4));
	row.state_seconds = seconds_of(pq.value(result, i, 5));
	ask_copy(row.user, sizeof(row.user), pq.value(result, i, 6), pq.length(result, i, 6));
	ask_copy(row.name, sizeof(row.name), pq.value(result, i, 7), pq.length(result, i, 7));
	ask_copy(row.application, sizeof(row.application), pq.value(result, i, 8),
		 pq.length(result, i, 8));
	row.replication = *pq.value(result, i, 10) == '1';
	ask_copy(row.text, sizeof(row.text), sql, pq.length(result, i, 9));
	return sink->row(sink, &row);
}

static void answer(void *connection, uint64_t until_ms, struct ask_sink *sink, struct ask_end *end)
{
	void *result = run(connection, until_ms);
	int rows;

	ask_note_server(end, pq.socket(connection));
	if (!end->port)
		end->port = (uint16_t)strtoul(pq.port(connection), NULL, 10);
	if (!result) {
		ask_fail(end, "the server did not answer within 3 s");
		return;
	}
	if (pq.result_status(result) != TUPLES_OK || pq.columns(result) != COLUMNS) {
		ask_fail(end, "the server does not show pg_stat_activity");
		pq.clear(result);
		return;
	}
	rows = pq.rows(result);
	end->more = rows > ASK_ROWS_MOST;
	for (int i = 0; i < rows && i < ASK_ROWS_MOST; i++)
		if (!tell(result, i, sink, end))
			break;
	pq.clear(result);
}

static void ask(const char *url, struct ask_sink *sink, struct ask_end *end)
{
	uint64_t until_ms = clock_monotonic_ms() + ASK_MS - 100;
	char *error = NULL;
	void *options = pq.parse(url, &error), *connection;

	if (!options) { /* the error may quote a password */
		pq.memory_free(error);
		ask_fail(end, "the URL cannot be parsed");
		return;
	}
	pq.parsed_free(options);
	connection = connect_to(url, until_ms, end);
	if (!connection)
		return;
	answer(connection, until_ms, sink, end);
	pq.finish(connection);
}

const struct ask_engine ask_postgresql = {load, ask};
