/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/* Whatever libmariadb hands out: kept, given back, or lost where something goes wrong (rows.h). */
#include "my.h"
#include "rows.h"

#include <setjmp.h>

#define CONN	  "MYSQL"
#define RESULT	  "MYSQL_RES"
#define STATEMENT "MYSQL_STMT"

static MYSQL *enter(MYSQL *c, const char *database)
{
	const char *path = getenv("DB_SOCKET"), *port = getenv("DB_PORT");

	return mysql_real_connect(c, getenv("DB_HOST"), getenv("DB_USER"), "", database,
				  port ? (unsigned)atoi(port) : 0, path && *path ? path : NULL, 0);
}

static void finish(int i, MYSQL *c)
{
	took(CONN, 1);
	if (keeps(i) && !wrong(i))
		tell_link(c, mysql_get_socket(c));
	if (keeps(i))
		return;
	mysql_close(c);
	gave(CONN, 1);
}

static void connect_(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		MYSQL *c = mysql_init(NULL);

		if ((enter(c, wrong(i) ? "nosuch" : "shop") == NULL) != wrong(i))
			fail("connect", mysql_error(c));
		finish(i, c);
	}
}

/* The caller's own memory; one that is only begun owns something, too, but not the socket that
 * happens to be descriptor 0. */
static void init(void)
{
	static MYSQL own[ROUNDS];
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || dup2(ends[0], 0))
		fail("socketpair", "not to be had");
	for (int i = 0; i < ROUNDS; i++) {
		MYSQL *c = mysql_init(i % 3 ? &own[i] : NULL);

		took(CONN, 1);
		if (how == LEAK)
			tell_link(c, -1);
		if (keeps(i))
			continue;
		mysql_close(c);
		gave(CONN, 1);
	}
}

/* The same memory once more after each close. */
static void again(void)
{
	static MYSQL own;

	for (int i = 0; i < ROUNDS; i++) {
		if (!enter(mysql_init(&own), "shop"))
			fail("connect", mysql_error(&own));
		took(CONN, 1);
		if (how == LEAK && i == ROUNDS - 1)
			return;
		mysql_close(&own);
		gave(CONN, 1);
	}
}

static void nothing(void)
{
	mysql_close(NULL);
	mysql_free_result(NULL);
}

static MYSQL *one(void)
{
	MYSQL *c = my_open(0);

	took(CONN, 1);
	return c;
}

static void free_(int i, MYSQL_RES *result)
{
	if (!result)
		return;
	took(RESULT, 1);
	if (keeps(i))
		return;
	mysql_free_result(result);
	gave(RESULT, 1);
}

static void query(MYSQL *c, int i, const char *sql)
{
	if ((mysql_query(c, wrong(i) ? "select nosuch from items" : sql) != 0) != wrong(i))
		fail(sql, mysql_error(c));
}

static void store(void)
{
	MYSQL *c = one();

	tell_link(c, mysql_get_socket(c));
	for (int i = 0; i < ROUNDS; i++) {
		query(c, i, ONE_ROW "5");
		free_(i, mysql_store_result(c));
	}
}

/* On two paths of three the result of a good query is lost. */
static void store_lost(void)
{
	MYSQL *c = one();

	for (int i = 0; i < ROUNDS; i++) {
		if (mysql_query(c, ONE_ROW "5"))
			fail("query", mysql_error(c));
		free_(i, mysql_store_result(c));
	}
}

static void use(void)
{
	MYSQL *c = one();

	for (int i = 0; i < ROUNDS; i++) {
		MYSQL_RES *result;

		if (mysql_query(c, "select id, name from items limit 1000"))
			fail("query", mysql_error(c));
		result = mysql_use_result(c);
		while (mysql_fetch_row(result))
			;
		free_(i, result);
	}
}

/* What is not read is passed over when it is freed. */
static void use_unread(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		MYSQL *c = one();

		if (mysql_query(c, "select id, name from items limit 1000"))
			fail("query", mysql_error(c));
		free_(i, mysql_use_result(c));
		if (keeps(i))
			continue;
		mysql_close(c);
		gave(CONN, 1);
	}
}

static void several(void)
{
	MYSQL *c = my_open(CLIENT_MULTI_STATEMENTS);

	took(CONN, 1);
	for (int i = 0; i < ROUNDS; i++) {
		if (mysql_query(c, "select 1; do 1; select 2"))
			fail("query", mysql_error(c));
		do
			free_(i, mysql_store_result(c));
		while (mysql_next_result(c) == 0);
	}
}

static void lists(void)
{
	MYSQL *c = one();

	for (int i = 0; i < ROUNDS; i++) {
		free_(i, mysql_list_dbs(c, NULL));
		free_(i, mysql_list_tables(c, NULL));
		free_(i, mysql_list_processes(c));
		free_(i, mysql_list_fields(c, wrong(i) ? "nosuch" : "items", NULL));
	}
}

static void close_(int i, MYSQL_STMT *statement)
{
	took(STATEMENT, 1);
	if (keeps(i))
		return;
	mysql_stmt_close(statement);
	gave(STATEMENT, 1);
}

static void statements(void)
{
	MYSQL *c = one();

	for (int i = 0; i < ROUNDS; i++) {
		MYSQL_STMT *s = mysql_stmt_init(c);
		const char *sql = wrong(i) ? "select nosuch from items" : ONE_ROW "5";

		if (!mysql_stmt_prepare(s, sql, strlen(sql))) {
			MYSQL_RES *metadata = mysql_stmt_result_metadata(s);

			if (mysql_stmt_execute(s) || mysql_stmt_store_result(s))
				fail("statement", mysql_stmt_error(s));
			free_(i, metadata);
		}
		close_(i, s);
	}
}

/* The connection first, then what was made by it. */
static void wrong_order(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		MYSQL *c = one();
		MYSQL_STMT *s = mysql_stmt_init(c);
		MYSQL_RES *result;

		mysql_query(c, "select 1");
		result = mysql_store_result(c);
		if (how != LEAK) {
			mysql_close(c);
			gave(CONN, 1);
		}
		free_(i, result);
		close_(i, s);
	}
}

static jmp_buf back;

static void jump(void)
{
	longjmp(back, 1);
}

static int file_init(void **p, const char *name, void *data)
{
	(void)name, (void)data, *p = NULL;
	jump();
	return 0;
}

static int file_read(void *p, char *to, unsigned n)
{
	(void)p, (void)to, (void)n;
	return 0;
}

static void file_end(void *p)
{
	(void)p;
}

static int file_error(void *p, char *to, unsigned n)
{
	(void)p, (void)to, (void)n;
	return 0;
}

/* Out of a query's callback, with results of other calls in between. */
static void jump_from_query(void)
{
	for (volatile int i = 0; i < ROUNDS; i++) {
		MYSQL *volatile c = my_open(0);

		took(CONN, 1);
		mysql_query(c, "select 1");
		free_(i, mysql_store_result(c));
		mysql_set_local_infile_handler(c, file_init, file_read, file_end, file_error, NULL);
		if (!setjmp(back)) {
			mysql_query(c, "load data local infile 'x' into table loaded");
			fail("longjmp", mysql_error(c));
		}
		if (keeps(i))
			continue;
		mysql_close(c);
		gave(CONN, 1);
	}
}

static void *close_it(void *c)
{
	mysql_close(c);
	gave(CONN, 1);
	return NULL;
}

static void *free_it(void *result)
{
	mysql_free_result(result);
	gave(RESULT, 1);
	return NULL;
}

static void *open_and_close(void *unused)
{
	(void)unused;
	for (int i = 0; i < ROUNDS; i++) {
		MYSQL *c = my_open(0);

		took(CONN, 1);
		mysql_query(c, "select 1");
		took(RESULT, 1);
		free_it(mysql_store_result(c));
		close_it(c);
	}
	return NULL;
}

static void threads(void)
{
	pthread_t beside[4];

	for (int i = 0; i < ROUNDS; i++) {
		MYSQL *c = one();
		MYSQL_RES *result;

		mysql_query(c, "select 1");
		result = mysql_store_result(c);
		took(RESULT, 1);
		if (keeps(i))
			continue;
		on_thread(free_it, result);
		on_thread(close_it, c);
	}
	for (int i = 0; i < 4; i++)
		if (pthread_create(&beside[i], NULL, open_and_close, NULL))
			fail("thread", "cannot be started");
	for (int i = 0; i < 4; i++)
		pthread_join(beside[i], NULL);
}

static void forked(void)
{
	MYSQL *c = one();

	for (int i = 0; i < ROUNDS; i++) {
		MYSQL_RES *result;

		mysql_query(c, "select 1");
		result = mysql_store_result(c);
		fflush(stdout);
		if (fork() == 0) {
			mysql_free_result(result);
			_exit(0);
		}
		wait(NULL);
		free_(i, result);
	}
}

/* What was there before exec went with its memory, and nobody gave it back. */
static void executed(void)
{
	int again = was_executed();
	MYSQL *c = one();

	for (int i = 0; i < ROUNDS; i++) {
		MYSQL_RES *result;

		mysql_query(c, "select 1");
		result = mysql_store_result(c);
		if (again)
			free_(i, result);
		else
			took(RESULT, 1);
	}
	nap(1500); /* for the tracer to tell of what is open */
	if (!again)
		exec_part("executed");
}

static int exec_at_once(void **p, const char *name, void *data)
{
	(void)name, (void)data, *p = NULL;
	exec_part("executed-inside");
	return 1;
}

/* Another program begins before mysql_query has returned. */
static void executed_inside(void)
{
	int again = was_executed();
	MYSQL *c = one();

	mysql_query(c, "select 1");
	free_(0, mysql_store_result(c));
	if (again)
		return;
	nap(1500); /* for the tracer to tell of what is open */
	mysql_set_local_infile_handler(c, exec_at_once, file_read, file_end, file_error, NULL);
	mysql_query(c, "load data local infile 'x' into table loaded");
}

/* Closed by the calls for programs that do not block: one function of the library calls another. */
static void without_blocking(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		MYSQL *c = one();
		MYSQL_STMT *s = mysql_stmt_init(c);
		MYSQL_RES *result;
		my_bool ret;

		mysql_options(c, MYSQL_OPT_NONBLOCK, 0);
		mysql_query(c, "select 1");
		result = mysql_store_result(c);
		took(RESULT, 1), took(STATEMENT, 1);
		if (keeps(i))
			continue;
		for (int wait = mysql_free_result_start(result); wait;)
			wait = mysql_free_result_cont(result, wait);
		for (int wait = mysql_stmt_close_start(&ret, s); wait;)
			wait = mysql_stmt_close_cont(&ret, s, wait);
		for (int wait = mysql_close_start(c); wait;)
			wait = mysql_close_cont(c, wait);
		gave(RESULT, 1), gave(STATEMENT, 1), gave(CONN, 1);
	}
}

/* The library makes a connection of its own to replace the lost one. */
static void reconnect(void)
{
	my_bool yes = 1;

	for (int i = 0; i < ROUNDS; i++) {
		MYSQL *c = my_open(0);
		char sql[64];

		mysql_options(c, MYSQL_OPT_RECONNECT, &yes);
		snprintf(sql, sizeof(sql), "kill %lu", mysql_thread_id(c));
		mysql_query(c, sql);
		if (mysql_ping(c) && mysql_ping(c))
			fail("reconnect", mysql_error(c));
		took(CONN, 1);
		if (keeps(i))
			continue;
		mysql_close(c);
		gave(CONN, 1);
	}
}

int main(int argc, char **argv)
{
	static const struct part parts[] = {
		{"connect", connect_},
		{"init", init},
		{"again", again},
		{"nothing", nothing},
		{"store", store},
		{"store-lost", store_lost},
		{"use", use},
		{"use-unread", use_unread},
		{"several", several},
		{"lists", lists},
		{"statements", statements},
		{"wrong-order", wrong_order},
		{"jump-from-query", jump_from_query},
		{"threads", threads},
		{"forked", forked},
		{"executed", executed},
		{"executed-inside", executed_inside},
		{"without-blocking", without_blocking},
		{"reconnect", reconnect},
		{},
	};

	return run_parts(parts, argc, argv);
}
