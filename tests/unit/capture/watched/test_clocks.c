/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_clocks.c - a clock that is set and a host that sleeps are seen, and told apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "user/capture/watched/clocks.h"

#define SECOND 1000000000ULL
#define YEAR   (365 * 24 * 3600 * SECOND)

static const struct clocks start = {
	.boot_ns = 500 * SECOND, .monotonic_ns = 400 * SECOND, .wall_ns = 50 * YEAR};

/* So much later by each clock. */
static void expect(uint64_t boot, uint64_t monotonic, uint64_t wall, bool slept, bool set)
{
	struct clocks now = {start.boot_ns + boot, start.monotonic_ns + monotonic,
			     start.wall_ns + wall};

	assert_int_equal(clocks_differ(&start, &now, CLOCKS_SLEPT), slept);
	assert_int_equal(clocks_differ(&start, &now, CLOCKS_SET), set);
}

static void clocks_in_step_are_silent(void **state)
{
	(void)state;
	expect(0, 0, 0, false, false);
	expect(10 * SECOND, 10 * SECOND, 10 * SECOND, false, false);
	expect(YEAR, YEAR, YEAR, false, false);
	/* Read one after the other, and slewed. */
	expect(10 * SECOND, 10 * SECOND + 1000, 10 * SECOND + SECOND / 2, false, false);
	expect(10 * SECOND, 10 * SECOND, 10 * SECOND - SECOND / 2, false, false);
}

static void a_clock_that_is_set_is_seen_forth_and_back(void **state)
{
	(void)state;
	expect(10 * SECOND, 10 * SECOND, 11 * SECOND, false, true);
	expect(10 * SECOND, 10 * SECOND, YEAR, false, true);
	expect(10 * SECOND, 10 * SECOND, 9 * SECOND, false, true);
	expect(10 * SECOND, 10 * SECOND, -49 * YEAR, false, true);
}

static void a_host_that_slept_is_seen(void **state)
{
	(void)state;
	expect(10 * SECOND, 9 * SECOND, 10 * SECOND, true, false);
	expect(3610 * SECOND, 10 * SECOND, 3610 * SECOND, true, false);
}

static void a_host_that_slept_with_a_clock_that_stood_still_is_both(void **state)
{
	(void)state;
	expect(3610 * SECOND, 10 * SECOND, 10 * SECOND, true, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clocks_in_step_are_silent),
		cmocka_unit_test(a_clock_that_is_set_is_seen_forth_and_back),
		cmocka_unit_test(a_host_that_slept_is_seen),
		cmocka_unit_test(a_host_that_slept_with_a_clock_that_stood_still_is_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
