/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Texts of statements on their way to the sink: without their literals, and as long as they are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/kernel/kernel.h"
#include "user/capture/watched/statement.h"

#define ID 7

static union {
	struct ev_head head;
	struct ev_sql sql;
	struct ev_statement statement;
	struct ev_result result;
	struct ev_statement_closed closed;
} heard;

static unsigned int heard_count;
static uint64_t forgotten, forgotten_before; /* the last connection whose statements were let go */
static struct tracked connection;

int kernel_statements_forget(struct kernel *k, uint64_t id, uint64_t before_ns)
{
	(void)k;
	forgotten = id;
	forgotten_before = before_ns;
	return 0;
}

static int hear(void *context, const struct ev_head *record)
{
	(void)context;
	assert_true(record->size <= sizeof(heard));
	memset(&heard, 0, sizeof(heard));
	memcpy(&heard, record, record->size);
	heard_count++;
	return 0;
}

static struct capture start(enum ev_database database)
{
	struct capture c = {.options = {.sink = hear}};

	connection = (struct tracked){.last = {.id = ID, .database = database}};
	assert_int_equal(table_put(&c.connections, (struct table_key){ID, 0}, &connection), 0);
	heard_count = 0;
	forgotten = forgotten_before = 0;
	return c;
}

static struct ev_statement statement_of(const char *text)
{
	struct ev_statement ev = {.head = {.kind = EV_STATEMENT, .size = sizeof(ev)}, .id = ID};

	ev.length = (uint32_t)strlen(text);
	memcpy(ev.text, text, ev.length);
	return ev;
}

static void prepared(struct capture *c, const char *text, const char *expected)
{
	struct ev_statement ev = statement_of(text);

	statement_prepared(c, &ev.head);
	assert_string_equal(heard.statement.text, expected);
	assert_int_equal(heard.statement.length, strlen(expected));
	assert_int_equal(heard.head.size % 8, 0);
	assert_true(heard.head.size >= offsetof(struct ev_statement, text) + strlen(expected));
	assert_true(heard.head.size < offsetof(struct ev_statement, text) + strlen(expected) + 8);
}

static void literals_stay_here(void **state)
{
	struct capture c = start(EV_DB_POSTGRESQL);
	struct ev_sql ev = {.head = {.kind = EV_SQL, .size = sizeof(ev)}, .id = ID, .cut = 1};
	static const char text[] = "select * from t where name = 'geheim' and id = 4711";

	(void)state;
	ev.length = sizeof(text) - 1;
	memcpy(ev.text, text, sizeof(text));
	statement_sql(&c, &ev.head);
	assert_null(memmem(&heard, sizeof(heard), "geheim", 6));
	assert_null(memmem(&heard, sizeof(heard), "4711", 4));
	assert_string_equal(heard.sql.text, "select * from t where name = ? and id = ?");
	assert_int_equal(heard.sql.length, strlen(heard.sql.text));
	assert_int_equal(heard.sql.cut, 1);
	c.options.show_literals = true;
	statement_sql(&c, &ev.head);
	assert_string_equal(heard.sql.text, text);
	table_free(&c.connections);
}

/* The kernel half copies a fixed number of bytes, and learns only here that the text ended. */
static void a_text_that_ends_by_itself_is_not_cut(void **state)
{
	struct capture c = start(EV_DB_POSTGRESQL);
	struct ev_sql ev = {.head = {.kind = EV_SQL, .size = sizeof(ev)},
			    .id = ID,
			    .cut = 1,
			    .length = 64,
			    .text = "commit"};

	(void)state;
	statement_sql(&c, &ev.head);
	assert_int_equal(heard.sql.cut, 0);
	assert_int_equal(heard.sql.length, 6);
	table_free(&c.connections);
}

static void a_length_beyond_the_record_is_not_believed(void **state)
{
	struct capture c = start(EV_DB_POSTGRESQL);
	struct ev_sql ev = {
		.head = {.kind = EV_SQL, .size = sizeof(ev)}, .id = ID, .length = UINT32_MAX};

	(void)state;
	memset(ev.text, 'x', sizeof(ev.text));
	statement_sql(&c, &ev.head);
	assert_true(heard.sql.length <= sizeof(heard.sql.text));
	assert_true(heard.head.size <= sizeof(heard.sql));
	table_free(&c.connections);
}

static void a_prepared_statement_is_its_text_whatever_its_name(void **state)
{
	struct capture c = start(EV_DB_POSTGRESQL);

	(void)state;
	prepared(&c, "PREPARE p1 AS select 1 from a", "select ? from a");
	prepared(&c, "prepare p2 (int, text) as select 2 from a", "select ? from a");
	prepared(&c, "select 3 from a as b", "select ? from a as b");
	prepared(&c, "prepare without", "prepare without");
	assert_int_equal(heard_count, 4);
	table_free(&c.connections);
}

static void mysql_s_literal_is_the_statement(void **state)
{
	struct capture c = start(EV_DB_MYSQL);

	(void)state;
	prepared(&c, "PREPARE s FROM 'select * from t where id = 5'",
		 "select * from t where id = ?");
	table_free(&c.connections);
}

static void statements_of_a_connection_that_is_gone_are_let_go(void **state)
{
	struct capture c = start(EV_DB_POSTGRESQL);
	struct ev_statement ev = statement_of("select 1");

	(void)state;
	ev.id = 8;
	statement_prepared(&c, &ev.head);
	assert_int_equal(heard_count, 0);
	assert_int_equal(forgotten, 8);
	assert_true(forgotten_before == UINT64_MAX);
	table_free(&c.connections);
}

static void a_result_s_text_has_no_literals_either(void **state)
{
	struct capture c = start(EV_DB_MYSQL);
	struct ev_result ev = {.head = {.kind = EV_RESULT, .size = sizeof(ev)}, .id = ID};

	(void)state;
	strcpy(ev.text, "select \"geheim\" from t");
	ev.length = (uint32_t)strlen(ev.text);
	statement_result(&c, &ev.head);
	assert_string_equal(heard.result.text, "select ? from t");
	assert_int_equal(heard.result.length, strlen(heard.result.text));
	table_free(&c.connections);
}

static void all_statements_closed_at_once_leave_the_ledger(void **state)
{
	struct capture c = start(EV_DB_POSTGRESQL);
	struct ev_statement_closed ev = {
		.head = {.kind = EV_STATEMENT_CLOSED, .size = sizeof(ev), .ns = 99},
		.id = ID,
		.statement = 5};

	(void)state;
	statement_closed(&c, &ev.head);
	assert_int_equal(forgotten, 0); /* one alone: the kernel half knows */
	ev.statement = 0;
	statement_closed(&c, &ev.head);
	assert_int_equal(forgotten, ID);
	assert_int_equal(forgotten_before, 99);
	assert_int_equal(heard_count, 2);
	table_free(&c.connections);
}

static int refuse(void *context, const struct ev_head *record)
{
	(void)record;
	++*(unsigned int *)context;
	return -ENOSPC;
}

static void a_sink_that_failed_is_asked_no_more(void **state)
{
	struct capture c = start(EV_DB_POSTGRESQL);
	struct ev_statement_closed ev = {.head = {.size = sizeof(ev)}, .id = ID, .statement = 5};
	unsigned int asked = 0;

	(void)state;
	c.options.sink = refuse;
	c.options.context = &asked;
	statement_closed(&c, &ev.head);
	statement_closed(&c, &ev.head);
	assert_int_equal(asked, 1);
	assert_int_equal(c.err, -ENOSPC);
	table_free(&c.connections);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals_stay_here),
		cmocka_unit_test(a_text_that_ends_by_itself_is_not_cut),
		cmocka_unit_test(a_length_beyond_the_record_is_not_believed),
		cmocka_unit_test(a_prepared_statement_is_its_text_whatever_its_name),
		cmocka_unit_test(mysql_s_literal_is_the_statement),
		cmocka_unit_test(statements_of_a_connection_that_is_gone_are_let_go),
		cmocka_unit_test(a_result_s_text_has_no_literals_either),
		cmocka_unit_test(all_statements_closed_at_once_leave_the_ledger),
		cmocka_unit_test(a_sink_that_failed_is_asked_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
