/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_reading.c - replies whose bytes wait in the client's socket, and nobody reads them.
 */
#include "tests/unit/support/story.h"

#define APP 4711

static const struct finding_view *found(void)
{
	const struct process_view *p = verdict_of(APP);

	return p ? finding(p, CAUSE_UNCLOSED_CURSOR) : NULL;
}

/* A reply came last before the watch, and at the second sweep its bytes still waited. */
static void stands_unread(double used)
{
	story_begins();
	process(APP);
	stood(0, APP, used);
	at(2);
	flags(0, EV_CONN_UNREAD);
}

static void a_newer_one_comes_and_goes(double second)
{
	at(second);
	opens(20, APP, APP);
	uses(20);
	at(second + 0.2);
	closes(20);
}

static void a_reply_that_is_given_up_is_found(void **state)
{
	const struct finding_view *f;

	(void)state;
	stands_unread(30);
	a_newer_one_comes_and_goes(3);
	at(8);
	f = found();
	assert_non_null(f);
	assert_int_equal(f->verdict, VERDICT_STUCK);
	assert_int_equal(f->open, 1);
	assert_true(f->oldest_seconds > 37 && f->oldest_seconds < 39);
	assert_non_null(f->advice);
}

static void a_reply_that_is_read_slowly_is_well(void **state)
{
	(void)state;
	stands_unread(30);
	a_newer_one_comes_and_goes(3);
	at(4);
	reported(0)->flags &= ~(uint32_t)EV_CONN_UNREAD;
	tell(0);
	at(5);
	flags(0, EV_CONN_UNREAD);
	at(8);
	assert_null(found());
}

static void a_reply_that_still_comes_is_well(void **state)
{
	(void)state;
	stands_unread(1);
	a_newer_one_comes_and_goes(3);
	at(8);
	assert_null(found());
}

/* Its reader may work on what it has read. */
static void a_process_that_opens_nothing_else_is_well(void **state)
{
	(void)state;
	stands_unread(30);
	at(8);
	assert_null(found());
}

static void a_wait_of_a_moment_is_well(void **state)
{
	(void)state;
	stands_unread(30);
	a_newer_one_comes_and_goes(3);
	at(6);
	assert_null(found());
}

#define TEST(name) cmocka_unit_test_teardown(name, story_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_reply_that_is_given_up_is_found),
		TEST(a_reply_that_is_read_slowly_is_well),
		TEST(a_reply_that_still_comes_is_well),
		TEST(a_process_that_opens_nothing_else_is_well),
		TEST(a_wait_of_a_moment_is_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
