/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_history.c - the floor of a count over time, kept in little room.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "user/model/history.h"

#define SECOND 1000000000ULL
#define START  (1000 * SECOND)

static uint64_t at(double second)
{
	return START + (uint64_t)(second * 1e9);
}

static void a_steady_rise_is_seen_in_many_steps(void **state)
{
	static const double ends[] = {1, 10, 100, 5000};

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct history h = {};
		struct rise r;

		for (int n = 0; n <= 100; n++)
			history_add(&h, at(ends[i] * n / 100), n);
		r = history_rise(&h, at(ends[i]));
		assert_int_equal(r.base, 0);
		assert_true(r.held > 75 && r.held <= 100);
		assert_true(r.steps >= 8);
		assert_true(r.first_ns <= at(ends[i] * 0.1));
		assert_true(r.last_ns >= at(ends[i] * 0.6) && r.last_ns < at(ends[i]));
		assert_true(h.used <= HISTORY_MOST);
	}
}

static void a_saw_tooth_has_a_flat_floor(void **state)
{
	struct history h = {};
	struct rise r;

	(void)state;
	for (int i = 0; i < 600; i++)
		history_add(&h, at(i * 0.1), 3 + i % 40);
	r = history_rise(&h, at(60));
	assert_true(r.held - r.base < 3);
}

static void a_saw_tooth_on_rising_ground_rises(void **state)
{
	struct history h = {};
	struct rise r;

	(void)state;
	for (int i = 0; i < 600; i++)
		history_add(&h, at(i * 0.1), i / 10 + i % 40);
	r = history_rise(&h, at(60));
	assert_true(r.held - r.base > 30 && r.held - r.base < 62);
}

static void what_grew_and_is_flat_rose_long_ago(void **state)
{
	struct history h = {};
	struct rise r;

	(void)state;
	for (int n = 0; n <= 128; n++)
		history_add(&h, at(n * 0.05), n);
	r = history_rise(&h, at(30));
	assert_int_equal(r.held, 128);
	assert_true(r.last_ns < at(7.5));
	for (int i = 0; i < 240; i++) /* a few in flight change nothing */
		history_add(&h, at(6.5 + i * 0.1), 128 + i % 4);
	r = history_rise(&h, at(31));
	assert_true(r.held >= 128 && r.last_ns < at(7.5));
}

static void a_rise_is_told_as_of_any_time(void **state)
{
	struct history h = {};

	(void)state;
	for (int n = 0; n <= 100; n++)
		history_add(&h, at(n), n);
	assert_true(history_rise(&h, at(50)).held <= 50);
	assert_true(history_rise(&h, at(50)).held >= 35);
}

static void a_fall_at_the_end_hides_no_rise(void **state)
{
	struct history h = {};
	struct rise r;

	(void)state;
	for (int n = 0; n <= 100; n++)
		history_add(&h, at(n * 0.1), n);
	history_add(&h, at(10.1), 0);
	assert_int_equal(history_rise(&h, at(10.2)).held, 0);
	r = history_rise_before_fall(&h, at(10.2));
	assert_true(r.held > 75);
	assert_true(r.end_ns > at(9) && r.end_ns <= at(10.2));
	/* One long before the end is no shutdown. */
	assert_int_equal(history_rise_before_fall(&h, at(15)).held, 0);
}

static void times_out_of_order_and_large_counts_are_survived(void **state)
{
	struct history h = {};

	(void)state;
	assert_int_equal(history_rise(&h, at(1)).held, 0);
	history_add(&h, at(5), UINT64_MAX);
	history_add(&h, at(1), 7);
	history_add(&h, UINT64_MAX, 9);
	history_add(&h, 0, UINT64_MAX);
	assert_int_equal(h.latest, UINT32_MAX);
	assert_true(history_rise(&h, UINT64_MAX).held <= UINT32_MAX);
	history_rise_before_fall(&h, 0);
	assert_true(h.used <= HISTORY_MOST);
}

static void the_sum_of_two_rises_as_both_do(void **state)
{
	struct history a = {}, b = {}, one = {};
	struct rise r;

	(void)state;
	for (int i = 0; i < 100; i++) {
		history_add(i % 2 ? &a : &b, at(i * 0.7), i / 2 + 1);
		history_add(&one, at(i * 0.7), i + 1);
	}
	history_join(&a, &b);
	assert_int_equal(a.latest, 100);
	assert_true(a.used <= HISTORY_MOST);
	r = history_rise(&a, at(70));
	assert_true(r.held >= 80 && r.held <= history_rise(&one, at(70)).held);
	assert_true(r.steps >= 8);
	assert_true(r.first_ns < at(7) && r.last_ns > at(40));
}

static void the_sum_is_never_above_what_was_there(void **state)
{
	struct history saw = {}, late = {}, none = {};
	struct rise r;

	(void)state;
	for (int i = 0; i < 600; i++)
		history_add(&saw, at(i * 0.1), 3 + i % 40);
	history_add(&late, at(50), 0);
	history_add(&late, at(51), 5);
	history_join(&saw, &late);
	r = history_rise(&saw, at(60));
	assert_true(r.held <= 3 + 5);
	assert_true(r.base <= 3);
	history_join(&none, &late); /* with an empty one */
	assert_int_equal(none.latest, 5);
	late = none;
	history_join(&none, &(struct history){});
	assert_memory_equal(&none, &late, sizeof(none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sum_of_two_rises_as_both_do),
		cmocka_unit_test(the_sum_is_never_above_what_was_there),
		cmocka_unit_test(a_steady_rise_is_seen_in_many_steps),
		cmocka_unit_test(a_saw_tooth_has_a_flat_floor),
		cmocka_unit_test(a_saw_tooth_on_rising_ground_rises),
		cmocka_unit_test(what_grew_and_is_flat_rose_long_ago),
		cmocka_unit_test(a_rise_is_told_as_of_any_time),
		cmocka_unit_test(a_fall_at_the_end_hides_no_rise),
		cmocka_unit_test(times_out_of_order_and_large_counts_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
