/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * clocks.c - see clocks.h.
 */
#include "user/capture/watched/clocks.h"

#include "user/system/clock.h"

#define STEP_NS 1000000000

struct clocks clocks_read(void)
{
	return (struct clocks){.boot_ns = clock_boot_ns(),
			       .monotonic_ns = clock_monotonic_ns(),
			       .wall_ns = clock_wall_ns()};
}

bool clocks_differ(const struct clocks *before, const struct clocks *now, enum clocks_event event)
{
	int64_t passed = (int64_t)(now->boot_ns - before->boot_ns);
	int64_t other = (int64_t)(event == CLOCKS_SLEPT ? now->monotonic_ns - before->monotonic_ns
							: now->wall_ns - before->wall_ns);
	int64_t step = other - passed;

	/* Monotonic time never runs ahead. */
	return event == CLOCKS_SLEPT ? step <= -STEP_NS : step >= STEP_NS || step <= -STEP_NS;
}
