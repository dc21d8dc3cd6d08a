/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_server_limit.c - which server is full first by its default, and when.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/support/sample_view.h"
#include "user/report/server_limit.h"

static struct finding_view leak(const char *server, enum ev_database database, uint64_t open,
				double per_minute)
{
	struct finding_view f = sample_finding();

	f.server = server;
	f.database = database;
	f.open = open;
	f.growth_per_minute = per_minute;
	return f;
}

static struct server_fill fill_of(struct finding_view *f, size_t n)
{
	struct process_view p = sample_process(7, VERDICT_LEAKING, NULL, f);
	const struct process_view *guilty = &p;

	p.finding_count = n;
	return server_fill_of(&guilty, 1);
}

static void the_server_that_is_full_first_counts(void **state)
{
	struct finding_view f[] = {leak("10.0.0.5:5432", EV_DB_POSTGRESQL, 40, 1),
				   leak("10.0.0.6:3306", EV_DB_MYSQL, 51, 100)};
	struct server_fill s = fill_of(f, 2);

	(void)state;
	assert_ptr_equal(s.first, &f[1]);
	assert_int_equal(s.most, 151);
	assert_true(fabs(s.seconds - 60) < 0.01);
}

static void databases_and_users_of_one_server_share_its_limit(void **state)
{
	struct finding_view f[] = {leak("10.0.0.5:5432", EV_DB_POSTGRESQL, 20, 30),
				   leak("10.0.0.5:5432", EV_DB_POSTGRESQL, 50, 30)};
	struct server_fill s = fill_of(f, 2);

	(void)state;
	assert_int_equal(s.open, 70);
	assert_true(fabs(s.seconds - 30) < 0.01);
}

static void a_limit_that_was_raised_is_not_known(void **state)
{
	struct finding_view f[] = {leak("10.0.0.5:5432", EV_DB_POSTGRESQL, 140, 10),
				   leak("10.0.0.7:5432", EV_DB_POSTGRESQL, 40, 10)};
	struct server_fill s = fill_of(f, 1);

	(void)state;
	assert_ptr_equal(s.first, &f[0]);
	assert_true(isnan(s.seconds));
	assert_ptr_equal(fill_of(f, 2).first, &f[1]);
}

static void statements_have_a_limit_of_their_own(void **state)
{
	struct finding_view f[] = {leak("10.0.0.6:3306", EV_DB_MYSQL, 50, 1),
				   leak("10.0.0.6:3306", EV_DB_MYSQL, 16282, 100),
				   leak("10.0.0.5:5432", EV_DB_POSTGRESQL, 9, 1000)};
	struct server_fill s;

	(void)state;
	f[1].resource = f[2].resource = RESOURCE_STATEMENT;
	f[1].cause = f[2].cause = CAUSE_UNCLOSED_STATEMENT;
	s = fill_of(f, 3);
	assert_ptr_equal(s.first, &f[1]);
	assert_int_equal(s.open, 16282);
	assert_true(fabs(s.seconds - 60) < 0.01);
}

static void what_takes_no_connection_of_a_server_fills_none(void **state)
{
	struct finding_view f[] = {leak(NULL, EV_DB_POSTGRESQL, 40, 10),
				   leak("10.0.0.5:5432", EV_DB_POSTGRESQL, 40, 0),
				   leak("10.0.0.5:6379", EV_DB_REDIS, 40, 10)};

	(void)state;
	assert_null(fill_of(f, 3).first);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_server_that_is_full_first_counts),
		cmocka_unit_test(databases_and_users_of_one_server_share_its_limit),
		cmocka_unit_test(a_limit_that_was_raised_is_not_known),
		cmocka_unit_test(statements_have_a_limit_of_their_own),
		cmocka_unit_test(what_takes_no_connection_of_a_server_fills_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
