/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Two connections at a time by libmariadb's calls for programs that do not block, which run the
 * others on stacks of their own; meanwhile the program's own stack makes calls of SQLite.
 */
#include <mysql.h>
#include <poll.h>
#include <sqlite3.h>

#include "common.h"

#define CONNECTIONS 2
#define ROUNDS	    5

struct session {
	MYSQL *handle, *connected;
	MYSQL_RES *rows;
	int step, waits, failed, round;
	size_t bytes;
};

static void lite_calls(void)
{
	sqlite3 *db;
	sqlite3_stmt *statement;

	if (sqlite3_open(":memory:", &db) ||
	    sqlite3_prepare_v2(db, "select 1", -1, &statement, NULL) ||
	    sqlite3_step(statement) != SQLITE_ROW)
		fail("sqlite", sqlite3_errmsg(db));
	sqlite3_finalize(statement);
	sqlite3_close(db);
}

static void count_rows(struct session *s)
{
	MYSQL_ROW row;

	while ((row = mysql_fetch_row(s->rows)))
		s->bytes += strlen(row[0]);
	mysql_free_result(s->rows);
}

static int begin(struct session *s)
{
	static const char sql[] = "select repeat('x', 100) from items limit 500";

	switch (s->step) {
	case 0:
		s->handle = mysql_init(NULL);
		mysql_options(s->handle, MYSQL_OPT_NONBLOCK, 0);
		return mysql_real_connect_start(&s->connected, s->handle, getenv("DB_HOST"),
						getenv("DB_USER"), "", getenv("DB_NAME"),
						(unsigned)atoi(getenv("DB_PORT")), NULL, 0);
	case 1:
		return mysql_real_query_start(&s->failed, s->handle, sql, sizeof(sql) - 1);
	case 2:
		return mysql_store_result_start(&s->rows, s->handle);
	case 3:
		return mysql_list_fields_start(&s->rows, s->handle, "items", "");
	}
	mysql_free_result(s->rows);
	mysql_close(s->handle);
	return 0;
}

static int go_on(struct session *s, int ready)
{
	switch (s->step) {
	case 0:
		return mysql_real_connect_cont(&s->connected, s->handle, ready);
	case 1:
		return mysql_real_query_cont(&s->failed, s->handle, ready);
	case 2:
		return mysql_store_result_cont(&s->rows, s->handle, ready);
	default:
		return mysql_list_fields_cont(&s->rows, s->handle, ready);
	}
}

/* Until it waits for its server. */
static void next_step(struct session *s)
{
	while (!s->waits && s->round < ROUNDS) {
		if (s->step == 2)
			count_rows(s);
		s->step = (s->step + 1) % 5;
		s->round += s->step == 0;
		if (s->round < ROUNDS)
			s->waits = begin(s);
	}
}

static void wait_and_go_on(struct session *s)
{
	struct pollfd p = {.fd = mysql_get_socket(s->handle),
			   .events = (s->waits & MYSQL_WAIT_READ ? POLLIN : 0) |
				     (s->waits & MYSQL_WAIT_WRITE ? POLLOUT : 0)};

	if (poll(&p, 1, 1) < 1)
		return;
	s->waits = go_on(s, (p.revents & (POLLIN | POLLHUP) ? MYSQL_WAIT_READ : 0) |
				    (p.revents & POLLOUT ? MYSQL_WAIT_WRITE : 0));
	if (!s->waits)
		next_step(s);
}

int main(void)
{
	struct session sessions[CONNECTIONS] = {};
	int at_work = CONNECTIONS;

	for (int i = 0; i < CONNECTIONS; i++) {
		sessions[i].waits = begin(&sessions[i]);
		if (!sessions[i].waits)
			next_step(&sessions[i]);
		lite_calls();
	}
	while (at_work) {
		at_work = 0;
		for (int i = 0; i < CONNECTIONS; i++) {
			if (sessions[i].waits)
				wait_and_go_on(&sessions[i]);
			at_work += sessions[i].waits != 0;
			lite_calls();
		}
	}
	for (int i = 0; i < CONNECTIONS; i++)
		printf("%zu bytes\n", sessions[i].bytes);
	puts("ends well");
	return 0;
}
