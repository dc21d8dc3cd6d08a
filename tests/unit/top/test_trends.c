/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_trends.c - the last looks at a row, and how many were opened a second.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bpf/event.h"
#include "user/top/trends.h"

static void look(struct trends *t, double seconds, uint64_t key, uint64_t count, uint64_t total)
{
	trends_begin(t, seconds);
	trends_add(t, key, count, total);
	trends_end(t);
}

static void a_rate_needs_two_looks_and_forgets_old_ones(void **state)
{
	struct trends t = {};

	(void)state;
	assert_true(trends_rate(&t, 1) < 0);
	look(&t, 1, 1, 5, 5);
	assert_true(trends_rate(&t, 1) < 0);
	look(&t, 3, 1, 9, 9);
	assert_float_equal(trends_rate(&t, 1), 2, 0.001);
	for (int i = 0; i < 20; i++)
		look(&t, 4 + i, 1, 9, 9);
	assert_float_equal(trends_rate(&t, 1), 0, 0.001);
	trends_free(&t);
}

static void a_row_that_appears_has_opened_all_since_the_look_before(void **state)
{
	struct trends t = {};

	(void)state;
	look(&t, 1, 1, 0, 0);
	look(&t, 2, 1, 0, 0);
	trends_begin(&t, 4);
	trends_add(&t, 1, 0, 0);
	trends_add(&t, 2, 6, 6);
	trends_end(&t);
	assert_float_equal(trends_rate(&t, 2), 3, 0.001);
	trends_free(&t);
}

static void what_is_not_known_has_no_rate(void **state)
{
	struct trends t = {};

	(void)state;
	look(&t, 1, 1, 0, UNKNOWN64);
	look(&t, 2, 1, 0, 7);
	assert_true(trends_rate(&t, 1) < 0);
	look(&t, 2, 1, 0, 7); /* no time passed */
	look(&t, 1, 1, 0, 3); /* nor can it go back */
	assert_true(trends_rate(&t, 1) < 0);
	trends_free(&t);
}

static void counts_come_with_the_latest_last_and_sums_of_one_look(void **state)
{
	uint64_t counts[TREND_LOOKS];
	struct trends t = {};

	(void)state;
	for (uint64_t i = 1; i <= TREND_LOOKS + 6; i++) {
		trends_begin(&t, (double)i);
		trends_add(&t, 1, i, i);
		trends_add(&t, 1, 1000, 0);
		trends_end(&t);
	}
	assert_int_equal(trends_counts(&t, 1, counts, 3), 3);
	assert_int_equal(counts[2], 1000 + TREND_LOOKS + 6);
	assert_int_equal(counts[0], 1000 + TREND_LOOKS + 4);
	assert_int_equal(trends_counts(&t, 1, counts, TREND_LOOKS), TREND_LOOKS);
	assert_int_equal(counts[0], 1000 + 7);
	assert_int_equal(trends_counts(&t, 2, counts, 3), 0);
	trends_free(&t);
}

static void rows_that_are_not_met_are_forgotten_and_too_many_have_no_trend(void **state)
{
	uint64_t counts[TREND_LOOKS];
	struct trends t = {};

	(void)state;
	trends_begin(&t, 1);
	for (uint64_t key = 1; key <= TREND_ROWS + 10; key++)
		trends_add(&t, key, key, key);
	trends_end(&t);
	assert_int_equal(t.rows.count, TREND_ROWS);
	assert_int_equal(trends_counts(&t, TREND_ROWS + 5, counts, 1), 0);
	look(&t, 2, TREND_ROWS + 5, 4, 4);
	assert_int_equal(t.rows.count, 0);
	look(&t, 3, TREND_ROWS + 5, 4, 4);
	assert_int_equal(t.rows.count, 1);
	trends_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_needs_two_looks_and_forgets_old_ones),
		cmocka_unit_test(a_row_that_appears_has_opened_all_since_the_look_before),
		cmocka_unit_test(what_is_not_known_has_no_rate),
		cmocka_unit_test(counts_come_with_the_latest_last_and_sums_of_one_look),
		cmocka_unit_test(rows_that_are_not_met_are_forgotten_and_too_many_have_no_trend),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
