/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * durations.h - how long things took, counted in classes: the histogram that OpenTelemetry advises
 * for the times of a pool.
 */
#ifndef DBLEAK_BASE_DURATIONS_H
#define DBLEAK_BASE_DURATIONS_H

#include <stddef.h>
#include <stdint.h>

#define DURATION_BOUNDS 9

/* The bounds of the classes in seconds, the smallest first; the last class has none. */
extern const double duration_bounds[DURATION_BOUNDS];

/* All 0: nothing was counted. */
struct durations {
	uint64_t count[DURATION_BOUNDS + 1]; /* in each class */
	uint64_t sum_ns;
};

/* Counts one thing that took so many nanoseconds, and takes it away again. */
void durations_add(struct durations *d, uint64_t ns);
void durations_remove(struct durations *d, uint64_t ns);
/* The number of things that took at most duration_bounds[bound]; DURATION_BOUNDS: all. */
uint64_t durations_within(const struct durations *d, size_t bound);

#endif
