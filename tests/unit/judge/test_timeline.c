/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_timeline.c - the lives of connections as a page draws them: their times, places and bounds.
 */
#include "tests/unit/support/memory_story.h"
#include "user/judge/timeline.h"

#define APP  500
#define NEAR 0.01 /* seconds */

static struct timeline *timeline_now(void)
{
	struct timeline *t;

	view_close(story.view);
	story.view = judge_view(story.model, NULL);
	assert_non_null(story.view);
	t = timeline_open(story.model, story.view, NULL);
	assert_non_null(t);
	return t;
}

static void a_life_has_its_times(void **state)
{
	struct timeline *t;

	(void)state;
	story_begins();
	process(APP);
	at(1);
	opens(0, APP, 7);
	at(2);
	begins(0);
	opens(1, APP, 8);
	at(3);
	uses(1);
	at(4);
	closes(1);
	stood(2, APP, 30);
	opens(3, APP, 9);
	at(5);
	asks(3);
	at(10);
	t = timeline_now();
	assert_int_equal(t->count, 1);
	assert_int_equal(t->all[0].life_count, 4);

	const struct life_view *l = t->all[0].lives;

	assert_int_equal(l[0].flags, LIFE_OPEN | LIFE_EARLIER);
	assert_float_equal(l[0].used, 0, NEAR); /* before the window */
	assert_float_equal(l[1].born, 1, NEAR);
	assert_float_equal(l[1].used, 2, NEAR);
	assert_float_equal(l[1].transaction, 2, NEAR);
	assert_true(l[1].closed < 0);
	assert_int_equal(l[1].flags, LIFE_OPEN);
	assert_int_equal(l[1].tid, 7);
	assert_float_equal(l[2].closed, 4, NEAR);
	assert_int_equal(l[2].flags, 0);
	assert_true(l[2].transaction < 0);
	assert_float_equal(l[3].waiting, 5, NEAR);
	assert_int_equal(l[3].endpoint, l[1].endpoint);
	assert_true(t->all[0].ended < 0);
	timeline_close(t);
	story_ends();
}

static void a_life_has_its_place_and_sql(void **state)
{
	const struct life_view *l;
	struct timeline *t;
	uint64_t stack;

	(void)state;
	story_begins();
	process(APP);
	stack = through_sqlalchemy(APP, "/srv/shop/app/report.py", 42, "monthly");
	for (uint32_t id = 0; id < 2; id++) {
		at(1 + id);
		opens(id, APP, 7);
		shows_of(EV_AT_OPENED, id, 0, stack);
		says(id, "SELECT 1");
	}
	t = timeline_now();
	l = t->all[0].lives;
	assert_non_null(l[0].opened_at);
	assert_ptr_equal(l[0].opened_at, l[1].opened_at);
	assert_int_equal(t->stack_count, 1);
	assert_string_equal(l[0].opened_at->site->function, "monthly");
	assert_int_equal(l[0].opened_at->site->line, 42);
	assert_null(l[0].begun_at);
	assert_int_equal(l[0].sql_length, strlen("SELECT 1"));
	timeline_close(t);
	story_ends();
}

static void what_its_end_closed_says_so(void **state)
{
	struct timeline *t;

	(void)state;
	story_begins();
	process(APP);
	at(1);
	opens(0, APP, 7);
	uses(0);
	at(6);
	exits(APP);
	at(8);
	t = timeline_now();
	assert_int_equal(t->all[0].lives[0].flags, LIFE_EXIT);
	assert_float_equal(t->all[0].ended, 6, NEAR);
	assert_float_equal(t->all[0].lives[0].closed, 6, NEAR);
	timeline_close(t);
	story_ends();
}

static void a_transaction_whose_begin_was_not_seen_is_there(void **state)
{
	struct timeline *t;

	(void)state;
	story_begins();
	process(APP);
	at(1);
	opens(0, APP, 7);
	at(3);
	begins(0);
	reported(0)->transaction_ns = 0;
	tell(0);
	at(9);
	t = timeline_now();
	assert_int_equal(t->all[0].lives[0].flags, LIFE_OPEN | LIFE_BEGUN);
	assert_float_equal(t->all[0].lives[0].transaction, 3, NEAR);
	timeline_close(t);
	story_ends();
}

/* An orderly end closes what was held; a query's own connection is not held by that. */
static void an_orderly_end_closes_what_was_held(void **state)
{
	struct timeline *t;

	(void)state;
	story_begins();
	process(APP);
	at(1);
	opens(0, APP, 7);
	uses(0);
	at(2);
	opens(1, APP, 7);
	at(6);
	uses(1);
	story.now += 1000000;
	closes(1);
	at(6.1);
	closes(0);
	at(6.2);
	exits(APP);
	at(8);
	t = timeline_now();
	assert_int_equal(t->all[0].lives[0].flags, LIFE_EXIT);
	assert_int_equal(t->all[0].lives[1].flags, 0);
	timeline_close(t);
	story_ends();
}

static void memory_goes_with_it(void **state)
{
	struct timeline *t;

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, 7);
	for (int s = 1; s < 20; s++) {
		at(s);
		has(APP, 10 * s);
	}
	t = timeline_now();
	assert_in_range(t->all[0].memory_count, 2, 64);
	assert_true(t->all[0].memory_width > 0);
	assert_true(t->all[0].memory[t->all[0].memory_count - 1] > t->all[0].memory[0]);
	timeline_close(t);
	story_ends();
}

/* Open ones say most; of the closed ones the longest lives are kept, and all are counted. */
static void no_more_lives_than_fit_are_kept(void **state)
{
	uint64_t open = 0, left = 0, kept = 0;
	struct timeline *t;

	(void)state;
	story_begins();
	for (uint32_t p = 0; p < 4; p++) {
		process(APP + p);
		for (uint32_t n = 0; n < 4096; n++) {
			struct ev_connection *c = reported(0);

			at(1 + n * 0.1);
			opens(0, APP + p, 7);
			c->id = 10000 + p * 4096 + n;
			tell(0);
			identify(0, "shop", "app");
			uses(0);
			if (n % 64 == 0) {
				open++;
				continue;
			}
			story.now += n % 2 ? 50000000 : 10000000;
			closes(0);
		}
	}
	open += 1; /* the one that each is told from */
	t = timeline_now();
	for (size_t i = 0; i < t->count; i++)
		for (size_t k = 0; k < t->all[i].life_count; k++)
			kept += (t->all[i].lives[k].flags & LIFE_OPEN) != 0;
	assert_int_equal(kept, open);
	kept = 0;
	for (size_t i = 0; i < t->count; i++) {
		kept += t->all[i].life_count;
		left += t->all[i].left_out;
	}
	assert_int_equal(kept, TIMELINE_MOST);
	assert_int_equal(left, t->left_out);
	assert_int_equal(kept + left, 4 * 4096 + 1);
	timeline_close(t);
	story_ends();
}

static void nothing_is_nothing(void **state)
{
	struct timeline *t;

	(void)state;
	story_begins();
	t = timeline_now();
	assert_int_equal(t->count, 0);
	timeline_close(t);
	timeline_close(NULL);
	story_ends();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_life_has_its_times),
		cmocka_unit_test(a_life_has_its_place_and_sql),
		cmocka_unit_test(what_its_end_closed_says_so),
		cmocka_unit_test(a_transaction_whose_begin_was_not_seen_is_there),
		cmocka_unit_test(an_orderly_end_closes_what_was_held),
		cmocka_unit_test(memory_goes_with_it),
		cmocka_unit_test(no_more_lives_than_fit_are_kept),
		cmocka_unit_test(nothing_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
