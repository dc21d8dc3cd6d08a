/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * mysqlclient_habits once | leak | close | statements-leak | statements-close | sql-leak |
 *                    results-leak | results-free
 * Habits of libmysqlclient: one connection; or one a second, kept in a transaction or committed
 * and closed; on one connection, each 20 ms, statements kept or closed, those of SQL's PREPARE
 * kept, results kept or freed.
 */
#include "mysqlclient.h"

static void *connection;

static void *opened(void)
{
	const char *path = getenv("DB_SOCKET"), *port = getenv("DB_PORT");
	const char *password = getenv("DB_PASSWORD"), *base = getenv("DB_NAME");
	void *c = mysql_init(NULL);

	if (!mysql_real_connect(c, getenv("DB_HOST"), getenv("DB_USER"), password, /* LEAK: any */
				base, port ? (unsigned)atoi(port) : 0, path && *path ? path : NULL,
				0))
		fail("connect", mysql_error(c));
	return c;
}

static void *stored(void *c, const char *sql)
{
	void *result;

	if (mysql_query(c, sql)) /* LEAK: any */
		fail(sql, mysql_error(c));
	result = mysql_store_result(c); /* LEAK: results-leak */
	if (!result && *mysql_error(c))
		fail(sql, mysql_error(c));
	return result;
}

static void run(void *c, const char *sql)
{
	void *result = stored(c, sql);

	if (result)
		mysql_free_result(result);
}

static void *at_work(void)
{
	void *c = opened();

	run(c, "begin"); /* LEAK: leak */
	run(c, ONE_ROW "5");
	return c;
}

static void keep(int number)
{
	(void)number;
	at_work();
	nap(1000);
}

static void finish(int number)
{
	void *c = at_work();

	(void)number;
	run(c, "commit");
	mysql_close(c);
	nap(200);
}

static void once(int number)
{
	finish(number);
	exit(0);
}

static void *prepared(int number)
{
	void *statement = mysql_stmt_init(connection);
	char text[160];

	snprintf(text, sizeof(text), "select id from items where name <> '" SECRET "' and id = %d",
		 number + 1);
	if (mysql_stmt_prepare(statement, text, strlen(text)) || /* LEAK: statements-leak */
	    mysql_stmt_execute(statement) || mysql_stmt_store_result(statement))
		fail(text, mysql_error(connection));
	return statement;
}

static void statements_keep(int number)
{
	prepared(number);
}

static void statements_close(int number)
{
	mysql_stmt_close(prepared(number));
}

static void sql_keep(int number)
{
	char text[200];

	snprintf(text, sizeof(text),
		 "prepare p%d from 'select id from items where price <> %d and id = 5'", number,
		 number);
	run(connection, text); /* LEAK: sql-leak */
}

static void results_keep(int number)
{
	(void)number;
	stored(connection, ONE_ROW "5");
}

static void results_free(int number)
{
	(void)number;
	run(connection, ONE_ROW "5");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*step)(int number);
		int ready, own; /* after so many steps; each step has its own connection */
	} modes[] = {
		{"once", once, 1, 1},
		{"leak", keep, 2, 1},
		{"close", finish, 2, 1},
		{"statements-leak", statements_keep, 20, 0},
		{"statements-close", statements_close, 20, 0},
		{"sql-leak", sql_keep, 20, 0},
		{"results-leak", results_keep, 20, 0},
		{"results-free", results_free, 20, 0},
	};

	load_mysqlclient();
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(*modes); i++) {
		if (strcmp(argv[1], modes[i].name))
			continue;
		connection = modes[i].own ? NULL : opened();
		for (int number = 0;; number++, nap(20)) {
			modes[i].step(number);
			if (number == modes[i].ready)
				ready();
		}
	}
	return 2;
}
