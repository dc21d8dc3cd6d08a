/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/* What libmysqlclient hands out, in known numbers (rows.h). */
#include "mysqlclient.h"
#include "rows.h"

/* As the user that the server knows by its process. */
static void *one(void)
{
	void *c = mysql_init(NULL);

	if (!mysql_real_connect(c, "localhost", "root", "", "shop", 0, getenv("DB_SOCKET"), 0))
		fail("connect", mysql_error(c));
	took("MYSQL", 1);
	return c;
}

static void *queried(void *c, void *(*get)(void *))
{
	void *result;

	if (mysql_query(c, "select id, name from items limit 20"))
		fail("query", mysql_error(c));
	result = get(c);
	took("MYSQL_RES", 1);
	return result;
}

static void free_(int i, void *result)
{
	if (keeps(i))
		return;
	mysql_free_result(result);
	gave("MYSQL_RES", 1);
}

static void store(void)
{
	void *c = one();

	for (int i = 0; i < ROUNDS; i++)
		free_(i, queried(c, mysql_store_result));
}

static void use(void)
{
	void *c = one(), *result;

	for (int i = 0; i < ROUNDS; i++) {
		result = queried(c, mysql_use_result);
		while (mysql_fetch_row(result))
			;
		free_(i, result);
	}
}

static void statements(void)
{
	void *c = one();

	for (int i = 0; i < ROUNDS; i++) {
		void *s = mysql_stmt_init(c);

		took("MYSQL_STMT", 1);
		if ((mysql_stmt_prepare(s, wrong(i) ? "selec" : "select 1", wrong(i) ? 5 : 8) !=
		     0) != wrong(i))
			fail("prepare", mysql_error(c));
		if (keeps(i))
			continue;
		mysql_stmt_close(s);
		gave("MYSQL_STMT", 1);
	}
}

static void connect_(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		void *c = one();

		if (keeps(i))
			continue;
		mysql_close(c);
		gave("MYSQL", 1);
	}
}

int main(int argc, char **argv)
{
	static const struct part parts[] = {
		{"store", store},      {"use", use}, {"statements", statements},
		{"connect", connect_}, {},
	};

	if (argc < 4)
		load_mysqlclient();
	return run_parts(parts, argc, argv);
}
