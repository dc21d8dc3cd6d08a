/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * budget.h - counts down the limits of one look at a foreign file or process: bytes, processor
 * time, elapsed time.  Their numbers stand where the look is, as in elf_state.h and guard.h.
 *
 * The author of a foreign file or process chose its sizes, so a look asks before each step.  A look
 * that has spent its budget ends there, and its caller reports the rest as not seen.
 */
#ifndef DBLEAK_CAPTURE_BUDGET_H
#define DBLEAK_CAPTURE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "user/system/clock.h"

#define BUDGET_MS_NS	  1000000ULL
#define BUDGET_STEP_BYTES 16384 /* read the clocks after this many bytes ... */
#define BUDGET_STEPS	  256	/* ... or this many smaller steps: a clock costs a system call */

struct budget {
	uint64_t bytes;		      /* left */
	uint64_t cpu_end_ns, end_ns;  /* ends on the thread's CPU clock and on CLOCK_MONOTONIC */
	uint32_t unread_bytes, steps; /* since the clocks were read */
	bool spent;
};

/* Starts the budget: now, for the calling thread. */
static inline void budget_begin(struct budget *b, uint64_t bytes, uint64_t cpu_ms, uint64_t ms)
{
	*b = (struct budget){
		.bytes = bytes,
		.cpu_end_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) + cpu_ms * BUDGET_MS_NS,
		.end_ns = clock_ns(CLOCK_MONOTONIC) + ms * BUDGET_MS_NS,
	};
}

/* Restarts the elapsed time: waiting for an answer from the caller of the look does not count. */
static inline void budget_resume(struct budget *b, uint64_t ms)
{
	b->end_ns = clock_ns(CLOCK_MONOTONIC) + ms * BUDGET_MS_NS;
}

/* Call before each step that reads bytes or takes time (bytes 0).  False: skip the step. */
static inline bool budget_take(struct budget *b, uint64_t bytes)
{
	if (b->spent || bytes > b->bytes) {
		b->spent = true;
		return false;
	}
	b->bytes -= bytes;
	b->unread_bytes += (uint32_t)(bytes < BUDGET_STEP_BYTES ? bytes : BUDGET_STEP_BYTES);
	if (++b->steps < BUDGET_STEPS && b->unread_bytes < BUDGET_STEP_BYTES)
		return true;
	b->unread_bytes = b->steps = 0;
	b->spent = clock_ns(CLOCK_THREAD_CPUTIME_ID) > b->cpu_end_ns ||
		   clock_ns(CLOCK_MONOTONIC) > b->end_ns;
	return !b->spent;
}

#endif
