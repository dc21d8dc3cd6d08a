/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * objects WHAT leak|half|well [MILLISECONDS]: at a steady pace one call site gets an object from a
 * client library and keeps it, keeps it on one path of two, or gives it back.
 */
#include <hiredis/hiredis.h>

#include "my.h"
#include "pq.h"

static PGconn *pq;
static MYSQL *my;
static redisContext *redis;

static void pq_start(void)
{
	pq = pq_open();
}

static void my_start(void)
{
	my = my_open(0);
}

static void redis_start(void)
{
	redis = redisConnect(getenv("DB_HOST"), atoi(getenv("DB_PORT")));
	if (!redis || redis->err)
		fail("connect", redis ? redis->errstr : "no memory");
}

static void result(int keep)
{
	PGresult *r = PQexec(pq, ONE_ROW "5"); /* LEAK: result-half */

	if (!keep)
		PQclear(r);
}

static void escape(int keep)
{
	char *text = PQescapeLiteral(pq, "it's", 4); /* LEAK: escape-leak */

	if (!keep)
		PQfreemem(text);
}

static void stored(int keep)
{
	MYSQL_RES *r;

	if (mysql_query(my, ONE_ROW "5"))
		fail("query", mysql_error(my));
	r = mysql_store_result(my); /* LEAK: stored-leak */
	if (!keep)
		mysql_free_result(r);
}

static void statement(int keep)
{
	MYSQL_STMT *s = mysql_stmt_init(my);

	if (mysql_stmt_prepare(s, ONE_ROW "?", strlen(ONE_ROW "?"))) /* LEAK: statement-leak */
		fail("prepare", mysql_stmt_error(s));
	if (!keep)
		mysql_stmt_close(s);
}

static void handle(int keep)
{
	MYSQL *c = mysql_init(NULL);

	if (!keep)
		mysql_close(c);
}

static void reply(int keep)
{
	void *r = redisCommand(redis, "SET key %s", SECRET); /* LEAK: reply-leak reply-half */

	if (!keep)
		freeReplyObject(r);
}

static void context(int keep)
{
	int port = atoi(getenv("DB_PORT"));
	redisContext *c = redisConnect(getenv("DB_HOST"), port); /* LEAK: context-leak */

	if (!keep)
		redisFree(c);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*start)(void);
		void (*step)(int keep);
	} whats[] = {
		{"result", pq_start, result},	   {"escape", pq_start, escape},
		{"stored", my_start, stored},	   {"statement", my_start, statement},
		{"handle", my_start, handle},	   {"reply", redis_start, reply},
		{"context", redis_start, context},
	};
	unsigned pace = argc > 3 ? atoi(argv[3]) : 10;

	for (size_t i = 0; argc > 2 && i < sizeof(whats) / sizeof(*whats); i++) {
		if (strcmp(argv[1], whats[i].name))
			continue;
		whats[i].start();
		for (int number = 0;; number++, nap(pace)) {
			whats[i].step(!strcmp(argv[2], "leak") ||
				      (!strcmp(argv[2], "half") && number % 2));
			if (number == 10)
				ready();
		}
	}
	return 2;
}
