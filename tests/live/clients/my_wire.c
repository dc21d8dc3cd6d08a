/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * my_wire multi | load | cursor | change | pending
 * The corners of MySQL's protocol, each in a loop on one connection.  All leave the session idle,
 * but `pending`, whose last multi-statement leaves a transaction open behind it.
 */
#include "my.h"

static MYSQL *connection;

static void multi(void)
{
	my_run(connection,
	       "begin; " ONE_ROW "1; " ONE_ROW "2; insert into notes values (1, '" SECRET
	       "'); select * from items limit 300; commit; " ONE_ROW "3");
}

static void load(void)
{
	char sql[200], path[] = "load-XXXXXX";
	FILE *file = fdopen(mkstemp(path), "w");

	for (int i = 0; i < 20000; i++)
		fprintf(file, "%d\t%s\n", i, SECRET);
	fclose(file);
	my_run(connection, "truncate loaded");
	snprintf(sql, sizeof(sql), "load data local infile '%s' into table loaded", path);
	my_run(connection, sql);
	unlink(path);
}

static void cursor(void)
{
	static const char sql[] = "select id from items where name <> '" SECRET "' and id <= 20000";
	MYSQL_STMT *statement = mysql_stmt_init(connection);
	unsigned long type = CURSOR_TYPE_READ_ONLY, rows = 500;

	mysql_stmt_attr_set(statement, STMT_ATTR_CURSOR_TYPE, &type);
	mysql_stmt_attr_set(statement, STMT_ATTR_PREFETCH_ROWS, &rows);
	if (mysql_stmt_prepare(statement, sql, sizeof(sql) - 1) || mysql_stmt_execute(statement))
		fail(sql, mysql_stmt_error(statement));
	while (mysql_stmt_fetch(statement) == 0)
		;
	mysql_stmt_close(statement);
}

/* What a pool does between two users of a connection. */
static void change(void)
{
	my_run(connection, "begin");
	my_run(connection, ONE_ROW "5");
	if (mysql_change_user(connection, "app", my_password(), "shop") ||
	    mysql_reset_connection(connection))
		fail("change", mysql_error(connection));
	my_run(connection, ONE_ROW "6");
}

static void pending(void)
{
	my_run(connection, /* LEAK: pending */
	       "begin; " ONE_ROW "1; insert into notes values (2, '" SECRET "'); " ONE_ROW "3");
	ready();
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {
		{"multi", multi},   {"load", load},	  {"cursor", cursor},
		{"change", change}, {"pending", pending}, {NULL, NULL},
	};

	connection = my_open(CLIENT_MULTI_STATEMENTS);
	for (int i = 0; run_mode(modes, argc, argv) == 0; i++, nap(500))
		if (i == 0)
			ready();
	return 2;
}
