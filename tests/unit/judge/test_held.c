/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What a program held beside continued use until it ended: the end releases it, and excuses it not.
 * And what its end may leave: a connection of a script, a pool at rest.
 */
#include "tests/unit/support/story.h"

#define APP 500

static const struct finding_view *expect(enum cause cause, enum verdict verdict_due)
{
	const struct finding_view *f = finding(verdict_of(APP), cause);

	assert_non_null(f);
	assert_int_equal(f->verdict, verdict_due);
	return f;
}

static void run_begins(void)
{
	story_begins_in(EV_MODE_RUN);
	process(APP);
}

/* Uses one connection each half second. */
static void goes_on(uint32_t id, double from, double to)
{
	for (double t = from; t < to; t += 0.5) {
		at(t);
		begins(id);
		at(t + 0.01);
		commits(id);
	}
}

/* The process ends.  politely: each connection is closed as if by its program, just before. */
static void ends_at(double second, bool politely)
{
	at(second - 0.1);
	for (uint32_t id = 0; politely && id < STORY_CONNECTIONS; id++)
		if (reported(id)->id && !(reported(id)->flags & EV_CONN_CLOSED))
			closes(id);
	at(second);
	exits(APP);
	at(second + 0.1);
}

static void a_transaction_held_beside_others_is_stuck_although_the_end_ended_it(void **state)
{
	(void)state;
	for (int politely = 0; politely < 2; politely++) {
		const struct finding_view *f;

		run_begins();
		at(1);
		opens(0, APP, APP);
		begins(0);
		at(1.1);
		opens(1, APP, APP);
		goes_on(1, 2, 16);
		ends_at(16, politely);
		f = expect(CAUSE_OPEN_TRANSACTION, VERDICT_STUCK);
		assert_int_equal(f->kind, KIND_ONE_TIME);
		assert_int_equal(f->open, 1);
		assert_true(has_evidence(f, "others-used-meanwhile"));
		assert_true(has_evidence(f, "ended-only-at-exit"));
		story_ends();
	}
	story_begins();
}

static void
three_slots_lost_inside_transactions_are_found_though_none_was_opened_later(void **state)
{
	(void)state;
	run_begins();
	at(0.1);
	for (int i = 0; i < 6; i++)
		opens(i, APP, APP);
	at(0.2);
	for (int i = 0; i < 3; i++)
		begins(i);
	for (int i = 3; i < 6; i++)
		goes_on(i, 1 + i * 0.1, 15);
	ends_at(15.5, true);
	assert_int_equal(expect(CAUSE_OPEN_TRANSACTION, VERDICT_STUCK)->open, 3);
}

/* It computes for long on what it has read, then closes or lets its end close. */
static void a_script_that_says_goodbye_after_long_work_is_silent(void **state)
{
	(void)state;
	run_begins();
	at(0.1);
	opens(0, APP, APP);
	begins(0);
	ends_at(40, true);
	expect_silence(APP);
}

static void a_transaction_never_closed_at_all_is_stuck_even_alone(void **state)
{
	(void)state;
	run_begins();
	at(0.1);
	opens(0, APP, APP);
	begins(0);
	ends_at(40, false);
	expect(CAUSE_OPEN_TRANSACTION, VERDICT_STUCK);
}

static void a_query_cut_short_by_the_end_is_silent(void **state)
{
	(void)state;
	run_begins();
	at(0.1);
	opens(0, APP, APP);
	begins(0);
	asks(0);
	opens(1, APP, APP);
	goes_on(1, 1, 30);
	ends_at(30, false);
	expect_silence(APP);
}

/* Another connection was used at the start, and once at the very end. */
static void a_last_word_on_another_is_no_continued_use(void **state)
{
	(void)state;
	run_begins();
	at(0.1);
	opens(0, APP, APP);
	opens(1, APP, APP);
	begins(0);
	goes_on(1, 0.2, 3);
	at(30);
	uses(1);
	ends_at(30.1, true);
	expect_silence(APP);
}

/* Each is used for some statements outside of any transaction, then lost; one goes on. */
static void loses_slots(int lost, int requests)
{
	run_begins();
	for (int i = 0; i <= lost; i++) {
		at(0.4 * i);
		opens(i, APP, APP);
		for (int n = 0; n < requests; n++) {
			at(0.4 * i + 0.01 * n);
			uses(i);
		}
	}
	for (double t = 3; t < 15; t += 0.5) {
		at(t);
		uses(lost);
	}
	ends_at(15, true);
}

static void slots_lost_outside_of_transactions_are_found_after_their_work(void **state)
{
	const struct finding_view *f;

	(void)state;
	loses_slots(3, 12);
	f = expect(CAUSE_UNCLOSED_CONNECTION, VERDICT_LEAKING);
	assert_int_equal(f->open, 3);
	assert_int_equal(f->confidence, CONFIDENCE_LIKELY);
}

static void a_pool_that_fills_and_then_uses_one_is_silent(void **state)
{
	(void)state;
	loses_slots(7, 3);
	expect_silence(APP);
}

/* Engines of tests: dropped, collected six at a time, the last ones by the end.  collect: how the
 * end of one is told. */
static void makes_engines_told_by(int collections, int after, void (*collect)(uint32_t id))
{
	int next = 0;

	run_begins();
	for (int sweep = 0; sweep <= collections; sweep++) {
		int first = next, count = sweep < collections ? 6 : after;

		for (int i = 0; i < count; i++) {
			at(sweep * 6 + i);
			opens(next, APP, APP);
			begins(next);
			at(sweep * 6 + i + 0.1);
			ends(next, false);
			next++;
		}
		at(sweep * 6 + 5.9);
		for (int i = first; i < next && sweep < collections; i++)
			collect(i);
	}
	ends_at((collections + 1) * 6 + after, true);
}

static void makes_engines(int collections, int after)
{
	makes_engines_told_by(collections, after, closes);
}

static void what_a_collector_would_have_closed_is_possible_at_most(void **state)
{
	const struct finding_view *f;

	(void)state;
	makes_engines(5, 6);
	f = expect(CAUSE_UNCLOSED_CONNECTION, VERDICT_LEAKING);
	assert_int_equal(f->confidence, CONFIDENCE_POSSIBLE);
	assert_true(has_evidence(f, "others-closed-by-collector"));
	assert_non_null(strstr(f->advice, "garbage collection"));
	story_ends();
	/* All were collected but the last, which nothing has passed over. */
	makes_engines(5, 1);
	f = expect(CAUSE_UNCLOSED_CONNECTION, VERDICT_LEAKING);
	assert_int_equal(f->confidence, CONFIDENCE_POSSIBLE);
	assert_true(has_evidence(f, "closed-by-collector"));
}

static void was_closed_unseen(uint32_t id)
{
	closes_as(id, EV_CONN_MISSED);
}

/* A client closes at once what its server has reset; sweeps tell of it, several at a time. */
static void closings_that_only_a_sweep_told_are_no_collectors(void **state)
{
	(void)state;
	makes_engines_told_by(5, 1, was_closed_unseen);
	expect_silence(APP);
	story_ends();
	makes_engines_told_by(5, 1, is_gone);
	expect_silence(APP);
}

static void what_no_collector_has_come_to_is_likely_at_most(void **state)
{
	const struct finding_view *f;

	(void)state;
	makes_engines(0, 12);
	f = expect(CAUSE_UNCLOSED_CONNECTION, VERDICT_LEAKING);
	assert_int_equal(f->confidence, CONFIDENCE_LIKELY);
	assert_false(has_evidence(f, "others-closed-by-collector"));
}

/* A reader stops after its first row; a writer lets the log grow.  finished_at: when the statement
 * is read to its end; 0: never. */
static void reads_beside_a_writer(double finished_at)
{
	story.database = EV_DB_SQLITE;
	process(APP);
	for (int i = 0; i < 2; i++)
		opens_file(i, APP, APP, "/srv/app.db");
	at(1);
	uses(0);
	reads_file(0, 1, 1, 100000);
	for (int i = 1; i <= 24; i++) {
		at(1 + i * 0.5);
		uses(1);
		if (!finished_at || 1 + i * 0.5 < finished_at)
			reads_file(0, 1, 1, 100000 + i * 1650000);
		else if (reported(0)->used_ns < STORY_START + (uint64_t)(finished_at * 1e9)) {
			uses(0);
			reads_file(0, 0, -1, 0);
		}
	}
}

static void a_reader_that_only_the_end_ended_let_the_log_grow(void **state)
{
	(void)state;
	for (int politely = 0; politely < 2; politely++) {
		const struct finding_view *f;

		story_begins_in(EV_MODE_RUN);
		reads_beside_a_writer(0);
		at(13.4);
		if (politely) {
			reads_file(0, 0, -1, 0);
			uses(0);
		}
		ends_at(13.6, politely);
		f = expect(CAUSE_WAL_GROWTH, VERDICT_LEAKING);
		assert_int_equal(f->kind, KIND_ONE_TIME);
		assert_true(f->oldest_seconds > 12 && f->oldest_seconds < 13);
		assert_string_equal(f->sql, "SELECT * FROM items");
		story_ends();
	}
	story_begins();
}

static void a_reader_that_ended_before_is_silent_at_the_end(void **state)
{
	(void)state;
	story_begins_in(EV_MODE_RUN);
	reads_beside_a_writer(2.5);
	ends_at(13.6, true);
	expect_silence(APP);
}

#define TEST(name) cmocka_unit_test_teardown(name, story_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_transaction_held_beside_others_is_stuck_although_the_end_ended_it),
		TEST(three_slots_lost_inside_transactions_are_found_though_none_was_opened_later),
		TEST(a_script_that_says_goodbye_after_long_work_is_silent),
		TEST(a_transaction_never_closed_at_all_is_stuck_even_alone),
		TEST(a_query_cut_short_by_the_end_is_silent),
		TEST(a_last_word_on_another_is_no_continued_use),
		TEST(slots_lost_outside_of_transactions_are_found_after_their_work),
		TEST(a_pool_that_fills_and_then_uses_one_is_silent),
		TEST(what_a_collector_would_have_closed_is_possible_at_most),
		TEST(closings_that_only_a_sweep_told_are_no_collectors),
		TEST(what_no_collector_has_come_to_is_likely_at_most),
		TEST(a_reader_that_only_the_end_ended_let_the_log_grow),
		TEST(a_reader_that_ended_before_is_silent_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
