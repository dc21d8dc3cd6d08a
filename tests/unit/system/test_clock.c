/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_clock.c - the clocks go on, in their units, and agree with the system.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/system/clock.h"

#define SECOND_NS 1000000000ULL

static void time_passes_alike_on_all_clocks(void **state)
{
	uint64_t monotonic = clock_monotonic_ns(), ms = clock_monotonic_ms(),
		 boot = clock_boot_ns();

	(void)state;
	usleep(20000);
	assert_in_range(clock_monotonic_ns() - monotonic, SECOND_NS / 50, 10 * SECOND_NS);
	assert_in_range(clock_monotonic_ms() - ms, 19, 10000);
	assert_in_range(clock_boot_ns() - boot, SECOND_NS / 50, 10 * SECOND_NS);
}

static void the_wall_clock_counts_from_1970(void **state)
{
	(void)state;
	assert_in_range(clock_wall_ns() / SECOND_NS, time(NULL) - 1, time(NULL) + 1);
}

static void a_process_that_is_gone_has_no_clock(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	assert_int_equal(clock_process_ns(pid), 0);
	assert_true(clock_process_ns(getpid()) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_passes_alike_on_all_clocks),
		cmocka_unit_test(the_wall_clock_counts_from_1970),
		cmocka_unit_test(a_process_that_is_gone_has_no_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
