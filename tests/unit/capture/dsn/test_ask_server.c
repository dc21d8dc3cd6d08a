/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What is made of the answers of both kinds of servers, and what is said when there is none.  The
 * client libraries are our own: they say what a test gives them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/capture/dsn/ask_server.h"
#include "user/system/host_library.h"

#define SECRET "hunter2"
#define URL_PQ "postgresql://app:" SECRET "@db.example/shop"
#define URL_MY "mysql://app:" SECRET "@db.example:3307/shop"
#define CELLS  11

static struct world {
	const char *installed, *lacks; /* a library; a function of it */
	bool is_static;
	/* of the server */
	const char *cells[3][CELLS];
	int rows, columns, all_rows; /* all_rows: the first row is given so often */
	int row;
	bool no_memory, never_answers, parses_not, bad, no_result;
	const char *error;
	unsigned int number;	       /* of an error of MySQL */
	unsigned int queries, allowed; /* sent; MySQL accepts from this one on */
	int polls, state, results, status;
	short events[8];
	/* what MySQL was asked with */
	char host[64], user[64], password[64], database[64], path[64];
	unsigned int port;
	int files; /* LOCAL INFILE; -1: not forbidden */
	unsigned int timeouts;
	/* what stays open */
	int connections, open_results, options;
	/* the answer */
	struct ask_row told[4];
	size_t tolds, takes;
	struct ask_end end;
} world;

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	(void)timeout;
	assert_int_equal(n, 1);
	assert_int_equal(fds->fd, 99);
	if (world.polls < 8)
		world.events[world.polls] = fds->events;
	world.polls++;
	return world.never_answers ? 0 : 1;
}

/* --- libpq ------------------------------------------------------------------------------------ */

static void *pq_start(const char *const *keywords, const char *const *values, int expand)
{
	assert_string_equal(keywords[0], "dbname");
	assert_string_equal(values[0], URL_PQ);
	assert_int_equal(expand, 1);
	world.connections += !world.no_memory;
	return world.no_memory ? NULL : &world;
}

/* Reads once, then the connection is made. */
static int pq_poll(void *connection)
{
	(void)connection;
	return ++world.state == 1 ? 1 : 3;
}

static int pq_status(const void *connection)
{
	(void)connection;
	return world.bad;
}

static int pq_socket(const void *connection)
{
	(void)connection;
	return 99;
}

static char *pq_port(const void *connection)
{
	static char port[] = "5433";

	(void)connection;
	return port;
}

static char *pq_error(const void *connection)
{
	(void)connection;
	return (char *)(uintptr_t)world.error;
}

static void pq_finish(void *connection)
{
	(void)connection;
	world.connections--;
}

static int pq_send(void *connection, const char *query)
{
	(void)connection;
	assert_non_null(strstr(query, "default_transaction_read_only = on"));
	assert_non_null(strstr(query, "statement_timeout"));
	world.queries++;
	return 1;
}

static int pq_consume(void *connection)
{
	(void)connection;
	return 1;
}

static int pq_is_busy(void *connection)
{
	(void)connection;
	return world.never_answers && world.queries;
}

/* Of each of the three statements, then none. */
static void *pq_result(void *connection)
{
	(void)connection;
	if (world.results == 3)
		return NULL;
	world.results++;
	world.open_results++;
	return &world;
}

static int pq_result_status(const void *result)
{
	(void)result;
	return world.status;
}

static int pq_rows(const void *result)
{
	(void)result;
	return world.all_rows ? world.all_rows : world.rows;
}

static int columns(const void *result)
{
	(void)result;
	return world.columns;
}

static char *pq_value(const void *result, int row, int column)
{
	(void)result;
	return (char *)(uintptr_t)world.cells[world.all_rows ? 0 : row][column];
}

static int pq_length(const void *result, int row, int column)
{
	return (int)strlen(pq_value(result, row, column));
}

static void free_result(void *result)
{
	world.open_results -= result != NULL;
}

static void *pq_parse(const char *conninfo, char **error)
{
	(void)conninfo;
	*error = world.parses_not ? strdup("invalid: " SECRET) : NULL;
	world.options += !world.parses_not;
	return world.parses_not ? NULL : &world;
}

static void pq_parsed_free(void *options)
{
	(void)options;
	world.options--;
}

/* --- libmariadb ------------------------------------------------------------------------------- */

static void *my_init(void *mysql)
{
	assert_null(mysql);
	world.connections += !world.no_memory;
	return world.no_memory ? NULL : &world;
}

static int my_options(void *mysql, int option, const void *value)
{
	(void)mysql;
	if (option == 8)
		world.files = *(const int *)value;
	else
		world.timeouts += *(const unsigned int *)value == 2;
	return 0;
}

static void *my_connect(void *mysql, const char *host, const char *user, const char *password,
			const char *database, unsigned int port, const char *path,
			unsigned long flags)
{
	assert_int_equal(flags, 0);
	snprintf(world.host, sizeof(world.host), "%s", host ? host : "-");
	snprintf(world.user, sizeof(world.user), "%s", user);
	snprintf(world.password, sizeof(world.password), "%s", password ? password : "-");
	snprintf(world.database, sizeof(world.database), "%s", database ? database : "-");
	snprintf(world.path, sizeof(world.path), "%s", path ? path : "-");
	world.port = port;
	return world.bad ? NULL : mysql;
}

static int my_query(void *mysql, const char *query, unsigned long length)
{
	(void)mysql;
	assert_int_equal(length, strlen(query));
	return world.queries++ < world.allowed;
}

static void *my_result(void *mysql)
{
	(void)mysql;
	world.open_results += !world.no_result;
	return world.no_result ? NULL : &world;
}

static char **my_row(void *result)
{
	if (world.row >= pq_rows(result))
		return NULL;
	world.row++;
	return (char **)(uintptr_t)world.cells[world.all_rows ? 0 : world.row - 1];
}

static unsigned long *my_lengths(void *result)
{
	static unsigned long lengths[CELLS];
	const char *const *row = world.cells[world.all_rows ? 0 : world.row - 1];

	(void)result;
	for (size_t i = 0; i < CELLS; i++)
		lengths[i] = row[i] ? strlen(row[i]) : 0;
	return lengths;
}

static unsigned int my_number(void *mysql)
{
	(void)mysql;
	return world.number;
}

/* --- the loader ------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void *function;
} symbols[] = {
	{"PQconnectStartParams", pq_start},
	{"PQconnectPoll", pq_poll},
	{"PQstatus", pq_status},
	{"PQsocket", pq_socket},
	{"PQport", pq_port},
	{"PQerrorMessage", pq_error},
	{"PQfinish", pq_finish},
	{"PQsendQuery", pq_send},
	{"PQconsumeInput", pq_consume},
	{"PQisBusy", pq_is_busy},
	{"PQgetResult", pq_result},
	{"PQresultStatus", pq_result_status},
	{"PQntuples", pq_rows},
	{"PQnfields", columns},
	{"PQgetvalue", pq_value},
	{"PQgetlength", pq_length},
	{"PQclear", free_result},
	{"PQconninfoParse", pq_parse},
	{"PQconninfoFree", pq_parsed_free},
	{"PQfreemem", free},
	{"mysql_init", my_init},
	{"mysql_options", my_options},
	{"mysql_real_connect", my_connect},
	{"mysql_real_query", my_query},
	{"mysql_store_result", my_result},
	{"mysql_num_fields", columns},
	{"mysql_fetch_row", my_row},
	{"mysql_fetch_lengths", my_lengths},
	{"mysql_free_result", free_result},
	{"mysql_close", pq_finish},
	{"mysql_errno", my_number},
};

bool host_library_may_open(void)
{
	return !world.is_static;
}

void *host_library_open(const char *soname)
{
	return world.installed && !strcmp(world.installed, soname) ? &world : NULL;
}

void *host_library_find(void *library, const char *function)
{
	assert_ptr_equal(library, &world);
	for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++)
		if (!strcmp(symbols[i].name, function))
			return world.lacks && !strcmp(world.lacks, function) ? NULL
									     : symbols[i].function;
	fail();
	return NULL;
}

/* --- helpers ---------------------------------------------------------------------------------- */

static bool take_row(struct ask_sink *sink, struct ask_row *row)
{
	(void)sink;
	if (world.tolds < 4)
		world.told[world.tolds] = *row;
	return ++world.tolds != world.takes;
}

static void ask(const struct ask_engine *engine, const char *url)
{
	struct ask_sink sink = {.row = take_row, .wire = -1};

	world.tolds = 0;
	memset(&world.end, 0, sizeof(world.end));
	engine->ask(url, &sink, &world.end);
	assert_null(strstr(world.end.words, SECRET));
	assert_int_equal(world.connections, 0);
	assert_int_equal(world.open_results, 0);
	assert_int_equal(world.options, 0);
}

static void assert_failed(const char *words)
{
	assert_int_equal(world.end.failed, 1);
	assert_string_equal(world.end.words, words);
	assert_int_equal(world.tolds, 0);
}

static int postgresql(void **state)
{
	static const char *const cells[CELLS] = {"4711", "10.1.2.3", "5555", "idle in transaction",
						 "12.5", "3.25",     "app",  "shop",
						 "api",	 "select 1", "0"};

	(void)state;
	memset(&world, 0, sizeof(world));
	world.installed = "libpq.so.5";
	world.columns = 11;
	world.status = 2;
	world.rows = 1;
	memcpy(world.cells[0], cells, sizeof(cells));
	assert_null(ask_postgresql.load());
	return 0;
}

static int mysql(void **state)
{
	static const char *const cells[CELLS] = {"8",	 "10.1.2.3:5555", "Sleep", "7",	      "app",
						 "shop", "3307",	  "90",	   "select 1"};

	(void)state;
	memset(&world, 0, sizeof(world));
	world.installed = "libmariadb.so.3";
	world.columns = 9;
	world.rows = 1;
	world.files = -1;
	memcpy(world.cells[0], cells, sizeof(cells));
	assert_null(ask_mysql.load());
	return 0;
}

static void assert_client(const struct ask_row *row)
{
	static const uint8_t client[16] = {
		[10] = 0xff, [11] = 0xff, [12] = 10, [13] = 1, [14] = 2, [15] = 3};

	assert_memory_equal(row->client, client, 16);
	assert_int_equal(row->client_port, 5555);
}

/* --- loading ---------------------------------------------------------------------------------- */

static void a_missing_library_is_named(void **state)
{
	(void)state;
	world.installed = NULL;
	assert_string_equal(ask_postgresql.load(), "libpq.so.5 is not installed");
	assert_non_null(strstr(ask_mysql.load(), "neither libmariadb.so.3"));
	world.is_static = true;
	assert_string_equal(ask_postgresql.load(), ASK_STATIC);
	assert_string_equal(ask_mysql.load(), ASK_STATIC);
	world.installed = "libmysqlclient.so.21"; /* the last that is tried */
	assert_null(ask_mysql.load());
	world.lacks = "mysql_errno";
	assert_string_equal(ask_mysql.load(), "the client library lacks a function");
	world.installed = "libpq.so.5";
	world.lacks = "PQconninfoParse";
	assert_string_equal(ask_postgresql.load(), "libpq.so.5 is too old");
}

/* --- PostgreSQL ------------------------------------------------------------------------------- */

static void a_session_of_postgresql_is_told_whole(void **state)
{
	const struct ask_row *row = &world.told[0];

	(void)state;
	ask(&ask_postgresql, URL_PQ);
	assert_int_equal(world.end.failed, 0);
	assert_int_equal(world.end.port, 5433); /* where the socket tells none */
	assert_int_equal(world.tolds, 1);
	assert_int_equal(row->session, 4711);
	assert_client(row);
	assert_int_equal(row->status, EV_STATUS_TRANSACTION);
	assert_false(row->busy || row->replication);
	assert_true(row->transaction_seconds == 12.5 && row->state_seconds == 3.25);
	assert_string_equal(row->user, "app");
	assert_string_equal(row->name, "shop");
	assert_string_equal(row->application, "api");
	assert_string_equal(row->text, "select 1");
	assert_int_equal(world.events[0], POLLOUT); /* as a connection begins */
	assert_int_equal(world.events[1], POLLIN);
}

static void states_of_postgresql_are_ours(void **state)
{
	static const struct {
		const char *said;
		enum ev_status status;
		bool busy;
	} states[] = {
		{"idle", EV_STATUS_IDLE, false},
		{"idle in transaction", EV_STATUS_TRANSACTION, false},
		{"idle in transaction (aborted)", EV_STATUS_FAILED, false},
		{"active", EV_STATUS_UNKNOWN, true},
		{"fastpath function call", EV_STATUS_UNKNOWN, true},
		{"", EV_STATUS_UNKNOWN, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
		world.cells[0][3] = states[i].said;
		world.results = world.state = 0;
		ask(&ask_postgresql, URL_PQ);
		assert_int_equal(world.told[0].status, states[i].status);
		assert_int_equal(world.told[0].busy, states[i].busy);
	}
}

static void what_postgresql_leaves_out_is_not_known(void **state)
{
	(void)state;
	world.cells[0][1] = "";
	world.cells[0][2] = "-1"; /* a Unix socket */
	world.cells[0][4] = "";
	world.cells[0][10] = "1";
	ask(&ask_postgresql, URL_PQ);
	assert_int_equal(world.told[0].client_port, 0);
	assert_true(world.told[0].transaction_seconds < 0);
	assert_true(world.told[0].replication);
	world.results = world.state = 0;
	world.cells[0][2] = "70000"; /* no port */
	world.cells[0][1] = "10.1.2.3";
	ask(&ask_postgresql, URL_PQ);
	assert_int_equal(world.told[0].client_port, 0);
}

static void sessions_that_may_not_be_seen_are_told_as_hidden(void **state)
{
	(void)state;
	memcpy(world.cells[1], world.cells[0], sizeof(world.cells[0]));
	world.cells[0][9] = "<insufficient privilege>";
	world.rows = 2;
	ask(&ask_postgresql, URL_PQ);
	assert_int_equal(world.tolds, 1);
	assert_true(world.end.hidden);
}

static void more_sessions_than_are_told_are_known_to_be_more(void **state)
{
	(void)state;
	world.all_rows = ASK_ROWS_MOST;
	ask(&ask_postgresql, URL_PQ);
	assert_int_equal(world.tolds, ASK_ROWS_MOST);
	assert_false(world.end.more);
	world.results = world.state = 0;
	world.all_rows++;
	ask(&ask_postgresql, URL_PQ);
	assert_int_equal(world.tolds, ASK_ROWS_MOST);
	assert_true(world.end.more);
	world.results = world.state = 0;
	world.takes = 3; /* nobody listens any more */
	ask(&ask_postgresql, URL_PQ);
	assert_int_equal(world.tolds, 3);
}

/* libpq quotes the URL in its own words. */
static void only_the_words_of_the_server_are_passed_on(void **state)
{
	static const char *const errors[][2] = {
		{"connection to " SECRET " failed: Connection refused", "nobody listens there"},
		{"could not translate host name \"" SECRET "\"", "the host name has no address"},
		{"fe_sendauth: no password supplied", "the server asks for a password"},
		{"SSL error: " SECRET, "the TLS handshake failed"},
		{"what " SECRET " says", "no connection could be made"},
		{"connection to " SECRET " failed: FATAL:  too many clients\n" SECRET,
		 "too many clients"},
	};

	(void)state;
	world.bad = true;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		world.error = errors[i][0];
		ask(&ask_postgresql, URL_PQ);
		assert_failed(errors[i][1]);
	}
	world.error = NULL;
	ask(&ask_postgresql, URL_PQ);
	assert_failed("no connection could be made");
}

static void postgresql_that_gives_no_answer_has_a_reason(void **state)
{
	(void)state;
	world.parses_not = true;
	ask(&ask_postgresql, URL_PQ);
	assert_failed("the URL cannot be parsed");
	world.parses_not = false;
	world.no_memory = true;
	ask(&ask_postgresql, URL_PQ);
	assert_failed("there is no memory");
	world.no_memory = false;
	world.never_answers = true; /* the connection */
	ask(&ask_postgresql, URL_PQ);
	assert_failed("the server did not answer within 3 s");
	world.never_answers = false;
	world.results = world.state = 0;
	world.status = 7;
	ask(&ask_postgresql, URL_PQ);
	assert_failed("the server does not show pg_stat_activity");
	world.status = 2;
	world.results = world.state = 0;
	world.columns = 10;
	ask(&ask_postgresql, URL_PQ);
	assert_failed("the server does not show pg_stat_activity");
}

/* --- MySQL ------------------------------------------------------------------------------------ */

static void a_session_of_mysql_is_told_whole(void **state)
{
	const struct ask_row *row = &world.told[0];

	(void)state;
	ask(&ask_mysql, URL_MY);
	assert_int_equal(world.end.failed, 0);
	assert_int_equal(world.end.port, 3307);
	assert_int_equal(row->session, 8);
	assert_client(row);
	assert_int_equal(row->status, EV_STATUS_TRANSACTION);
	assert_true(row->transaction_seconds == 90 && row->state_seconds == 7);
	assert_false(row->busy || row->replication);
	assert_string_equal(row->user, "app");
	assert_string_equal(row->name, "shop");
	assert_string_equal(row->text, "select 1");
	assert_string_equal(world.host, "db.example");
	assert_string_equal(world.password, SECRET);
	assert_string_equal(world.database, "shop");
	assert_string_equal(world.path, "-");
	assert_int_equal(world.port, 3307);
	assert_int_equal(world.files, 0); /* the server gets none of ours */
	assert_int_equal(world.timeouts, 3);
}

static void what_mysql_leaves_out_is_not_known(void **state)
{
	(void)state;
	memset(world.cells[0], 0, sizeof(world.cells[0]));
	ask(&ask_mysql, URL_MY);
	assert_int_equal(world.tolds, 1);
	assert_int_equal(world.told[0].session, 0);
	assert_int_equal(world.told[0].status, EV_STATUS_UNKNOWN);
	assert_true(world.told[0].busy); /* it does not sleep */
	assert_true(world.told[0].transaction_seconds < 0 && world.told[0].state_seconds < 0);
	assert_string_equal(world.told[0].user, "");
}

static void hosts_of_mysql_are_read_in_each_form(void **state)
{
	static const struct {
		const char *said;
		uint16_t port;
		uint8_t last;
	} hosts[] = {
		{"127.0.0.1:5555", 5555, 1}, {"[::2]:5555", 5555, 2}, {"::3:5555", 5555, 3},
		{"localhost", 0, 0},	     {"10.0.0.1:0", 0, 0},    {"10.0.0.1:70000", 0, 0},
		{"db.example:5555", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
		world.cells[0][1] = hosts[i].said;
		world.row = 0;
		ask(&ask_mysql, URL_MY);
		assert_int_equal(world.told[0].client_port, hosts[i].port);
		if (hosts[i].port)
			assert_int_equal(world.told[0].client[15], hosts[i].last);
	}
}

static void a_replica_is_no_client(void **state)
{
	(void)state;
	world.cells[0][2] = "Binlog Dump GTID";
	ask(&ask_mysql, URL_MY);
	assert_true(world.told[0].replication && world.told[0].busy);
	assert_int_equal(world.told[0].status, EV_STATUS_UNKNOWN);
}

/* Each query asks for less than the one before. */
static void mysql_is_asked_for_what_it_allows(void **state)
{
	(void)state;
	ask(&ask_mysql, URL_MY);
	assert_int_equal(world.queries, 1);
	assert_false(world.end.hidden);
	world.queries = 0, world.row = 0, world.allowed = 1;
	ask(&ask_mysql, URL_MY);
	assert_int_equal(world.queries, 2);
	assert_false(world.end.hidden);
	world.queries = 0, world.row = 0, world.allowed = 2;
	ask(&ask_mysql, URL_MY);
	assert_int_equal(world.queries, 3);
	assert_true(world.end.hidden); /* not even transactions */
	assert_int_equal(world.tolds, 1);
	world.queries = 0, world.row = 0, world.allowed = 3;
	ask(&ask_mysql, URL_MY);
	assert_failed("the server does not show its process list");
	world.allowed = 0, world.columns = 8;
	ask(&ask_mysql, URL_MY);
	assert_failed("the server does not show its process list");
}

static void more_sessions_of_mysql_are_known_to_be_more(void **state)
{
	(void)state;
	world.all_rows = ASK_ROWS_MOST;
	ask(&ask_mysql, URL_MY);
	assert_int_equal(world.tolds, ASK_ROWS_MOST);
	assert_false(world.end.more);
	world.row = 0, world.all_rows++;
	ask(&ask_mysql, URL_MY);
	assert_int_equal(world.tolds, ASK_ROWS_MOST);
	assert_true(world.end.more);
	world.row = 0, world.takes = 2; /* nobody listens any more */
	ask(&ask_mysql, URL_MY);
	assert_int_equal(world.tolds, 2);
}

static void a_password_may_stand_in_the_environment(void **state)
{
	(void)state;
	assert_int_equal(setenv("MYSQL_PWD", "other", 1), 0);
	ask(&ask_mysql, "mysql://app@localhost?socket=/run/mysqld.sock");
	assert_string_equal(world.password, "other");
	assert_string_equal(world.database, "-");
	assert_string_equal(world.path, "/run/mysqld.sock");
	unsetenv("MYSQL_PWD");
}

static void mysql_that_cannot_be_reached_has_a_reason(void **state)
{
	static const struct {
		unsigned int number;
		const char *words;
	} errors[] = {
		{1040, "the server has too many connections"},
		{1045, "the server denies access to that user"},
		{2003, "nobody listens there"},
		{2026, "the TLS handshake failed"},
		{1234, "error 1234"},
	};

	(void)state;
	world.bad = true;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		world.number = errors[i].number;
		ask(&ask_mysql, URL_MY);
		assert_failed(errors[i].words);
	}
	ask(&ask_mysql, "mysql:/" SECRET);
	assert_failed("the URL cannot be parsed");
	world.no_memory = true;
	ask(&ask_mysql, URL_MY);
	assert_failed("there is no memory");
}

#define PQ(name) cmocka_unit_test_setup(name, postgresql)
#define MY(name) cmocka_unit_test_setup(name, mysql)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PQ(a_missing_library_is_named),
		PQ(a_session_of_postgresql_is_told_whole),
		PQ(states_of_postgresql_are_ours),
		PQ(what_postgresql_leaves_out_is_not_known),
		PQ(sessions_that_may_not_be_seen_are_told_as_hidden),
		PQ(more_sessions_than_are_told_are_known_to_be_more),
		PQ(only_the_words_of_the_server_are_passed_on),
		PQ(postgresql_that_gives_no_answer_has_a_reason),
		MY(a_session_of_mysql_is_told_whole),
		MY(what_mysql_leaves_out_is_not_known),
		MY(hosts_of_mysql_are_read_in_each_form),
		MY(a_replica_is_no_client),
		MY(mysql_is_asked_for_what_it_allows),
		MY(more_sessions_of_mysql_are_known_to_be_more),
		MY(a_password_may_stand_in_the_environment),
		MY(mysql_that_cannot_be_reached_has_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
