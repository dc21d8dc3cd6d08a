/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * my_statements leak | close | lru | reuse | sql-leak | sql-close | cursor-leak |
 *               cursor-close
 * Prepared statements on one connection of libmariadb, 50 a second: mysql_stmt_init without
 * close, with close, in a cache of 100, one for all; or by SQL's PREPARE; or with the rows left at
 * the server behind a cursor: for each execution, for one, or read to the end.
 */
#include "my.h"

#define KEPT 100

static MYSQL *connection;
static MYSQL_STMT *cache[KEPT];

static MYSQL_STMT *prepared(int number)
{
	MYSQL_STMT *statement = mysql_stmt_init(connection);
	char text[160];

	snprintf(text, sizeof(text), "select id from items where name <> '" SECRET "' and id = %d",
		 number + 1);
	if (mysql_stmt_prepare(statement, text, strlen(text)) || /* LEAK: leak */
	    mysql_stmt_execute(statement) || mysql_stmt_store_result(statement))
		fail(text, mysql_stmt_error(statement));
	mysql_stmt_free_result(statement);
	return statement;
}

/* The server keeps the rows; one is fetched. */
static MYSQL_STMT *cursor(int number)
{
	unsigned long type = CURSOR_TYPE_READ_ONLY, rows = 1;
	MYSQL_STMT *statement = mysql_stmt_init(connection);
	char text[160];

	snprintf(text, sizeof(text), "select id from items where name <> '" SECRET "' and id <= %d",
		 number % 50 + 5);
	mysql_stmt_attr_set(statement, STMT_ATTR_CURSOR_TYPE, &type);
	mysql_stmt_attr_set(statement, STMT_ATTR_PREFETCH_ROWS, &rows);
	if (mysql_stmt_prepare(statement, text, strlen(text)) || /* LEAK: cursor-leak */
	    mysql_stmt_execute(statement) || mysql_stmt_fetch(statement))
		fail(text, mysql_stmt_error(statement));
	return statement;
}

static void cursor_keep(int number)
{
	cursor(number);
}

static void cursor_open(int number)
{
	if (number == 0)
		cursor(number);
}

static void cursor_close(int number)
{
	MYSQL_STMT *statement = cursor(number);

	while (!mysql_stmt_fetch(statement))
		;
	mysql_stmt_close(statement);
}

static void run_sql(const char *format, int number)
{
	char text[200];

	snprintf(text, sizeof(text), format, number, number);
	my_run(connection, text); /* LEAK: sql-leak */
}

static void keep(int number)
{
	prepared(number);
}

static void finish(int number)
{
	mysql_stmt_close(prepared(number));
}

static void lru(int number)
{
	if (cache[number % KEPT])
		mysql_stmt_close(cache[number % KEPT]);
	cache[number % KEPT] = prepared(number);
}

static void reuse(int number)
{
	if (number == 0)
		cache[0] = prepared(0);
	if (mysql_stmt_execute(cache[0]) || mysql_stmt_store_result(cache[0]))
		fail("execute", mysql_stmt_error(cache[0]));
	mysql_stmt_free_result(cache[0]);
}

static void sql_keep(int number)
{
	run_sql("prepare p%d from 'select id from items where price <> %d and id = 5'", number);
	run_sql("execute p%d", number);
}

static void sql_close(int number)
{
	sql_keep(number);
	run_sql("deallocate prepare p%d", number);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*step)(int number);
	} modes[] = {
		{"leak", keep},
		{"close", finish},
		{"lru", lru},
		{"reuse", reuse},
		{"sql-leak", sql_keep},
		{"sql-close", sql_close},
		{"cursor-leak", cursor_keep},
		{"cursor-open", cursor_open},
		{"cursor-close", cursor_close},
	};

	connection = my_open(0);
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(*modes); i++)
		for (int number = 0; !strcmp(argv[1], modes[i].name); number++, nap(20)) {
			modes[i].step(number);
			if (number == 20)
				ready();
		}
	return 2;
}
