/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_trend.c - floors that rise, and those that only seem to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "user/judge/trend.h"

static uint64_t at(double second)
{
	return 1000000000000ULL + (uint64_t)(second * 1e9);
}

/* Once a second, what value() says of it. */
static struct trend trend_over(double seconds, double (*value)(double second), unsigned parts)
{
	struct history h = {};

	for (int i = 0; i <= seconds; i++)
		history_add(&h, at(i), (uint64_t)value(i));
	return trend_of(&h, at(0), at(seconds), parts);
}

static double line(double second)
{
	return 1000 + 50 * second;
}

static void a_line_rises_evenly(void **state)
{
	struct trend t = trend_over(80, line, 16);

	(void)state;
	assert_int_equal(t.parts, 16);
	assert_int_equal(t.rises, 15);
	assert_int_equal(t.since, 0);
	assert_true(t.grown > 3500 && t.grown < 3900);
	assert_true(t.slope > 48 && t.slope < 52);
	assert_true(t.slope_low > 40 && t.slope_high < 60);
	assert_true(t.late > 0.45 && t.late < 0.55);
	assert_true(t.largest < 0.1);
}

static double saw_tooth(double second)
{
	return 1000 + 300 * ((int)second % 4);
}

static void a_saw_tooth_does_not(void **state)
{
	struct trend t = trend_over(80, saw_tooth, 16);

	(void)state;
	assert_int_equal(t.rises, 0);
	assert_true(t.grown < 1);
	assert_true(t.slope_low <= 0);
}

static double rising_saw_tooth(double second)
{
	return saw_tooth(second) + 25 * second;
}

static void a_saw_tooth_on_rising_ground_does(void **state)
{
	struct trend t = trend_over(80, rising_saw_tooth, 16);

	(void)state;
	assert_true(t.rises >= 13);
	assert_true(t.slope_low > 20 && t.slope_high < 30);
}

static double jump(double second)
{
	return second < 33 ? 1000 : 9000;
}

static void a_jump_is_one_rise(void **state)
{
	struct trend t = trend_over(80, jump, 16);

	(void)state;
	assert_int_equal(t.rises, 1);
	assert_true(t.largest > 0.99);
	assert_true(t.since >= 8);
	assert_true(t.late < 0.1);
}

static double two_rises(double second)
{
	return second < 10 ? 1000 + 100 * second : second < 60 ? 2000 : 2000 + 100 * (second - 60);
}

static void a_pause_is_as_long_as_it_was(void **state)
{
	struct trend t = trend_over(80, two_rises, 16);

	(void)state;
	assert_true(t.pause >= 8 && t.pause <= 11);
	assert_int_equal(t.since, 0);
}

static void too_little_is_nothing(void **state)
{
	struct history h = {};

	(void)state;
	assert_int_equal(trend_of(&h, at(0), at(9), 8).parts, 0);
	history_add(&h, at(0), 5);
	assert_int_equal(trend_of(&h, at(0), at(0), 8).parts, 0);
	assert_true(trend_of(&h, at(0), at(0.1), 16).parts <= 2);
	assert_true(trend_of(&h, at(0), at(9), 8).grown < 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_rises_evenly),
		cmocka_unit_test(a_saw_tooth_does_not),
		cmocka_unit_test(a_saw_tooth_on_rising_ground_does),
		cmocka_unit_test(a_jump_is_one_rise),
		cmocka_unit_test(a_pause_is_as_long_as_it_was),
		cmocka_unit_test(too_little_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
