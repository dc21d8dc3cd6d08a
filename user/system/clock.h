/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * clock.h - what time it is.  Nothing else in user/ reads a clock.
 *
 * Records carry the boot time, as the kernel half does, since a connection ages also while the host
 * sleeps.  A limit on a wait counts monotonic time, which stands still meanwhile.
 */
#ifndef DBLEAK_SYSTEM_CLOCK_H
#define DBLEAK_SYSTEM_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds; 0: no such clock, as the processor time of a process that is gone. */
static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t))
		return 0;
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static inline uint64_t clock_monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static inline uint64_t clock_monotonic_ms(void)
{
	return clock_monotonic_ns() / 1000000;
}

static inline uint64_t clock_boot_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

/* Since 1970; it may be set back and forth. */
static inline uint64_t clock_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

/* Processor time of all threads of a process, ended ones too; 0: not known. */
static inline uint64_t clock_process_ns(pid_t pid)
{
	clockid_t clock;

	return clock_getcpuclockid(pid, &clock) ? 0 : clock_ns(clock);
}

#endif
