/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * clocks.h - whether the clocks of the host kept step with each other since the watch began.
 *
 * Records carry the boot time, --duration counts monotonic time, and the time of day is that of the
 * boot time since the one look at it when the watch began.  So a clock that is set, or a host that
 * sleeps, falsifies no duration; what is said of them has to tell it.
 */
#ifndef DBLEAK_CAPTURE_CLOCKS_H
#define DBLEAK_CAPTURE_CLOCKS_H

#include <stdbool.h>
#include <stdint.h>

/* All at one moment, in nanoseconds. */
struct clocks {
	uint64_t boot_ns, monotonic_ns, wall_ns;
};

enum clocks_event {
	CLOCKS_SLEPT, /* the host was suspended: the boot time went on, monotonic time did not */
	CLOCKS_SET,   /* the time of day was set, forth or back */
	CLOCKS_EVENTS
};

struct clocks clocks_read(void);
/* Has that happened between the two?  Less than a second is the work of those who keep clocks
 * right. */
bool clocks_differ(const struct clocks *before, const struct clocks *now, enum clocks_event event);

#endif
