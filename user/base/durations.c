/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * durations.c - see durations.h.
 */
#include "user/base/durations.h"

const double duration_bounds[DURATION_BOUNDS] = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10};

static size_t duration_class(uint64_t ns)
{
	size_t i = 0;

	while (i < DURATION_BOUNDS && (double)ns > duration_bounds[i] * 1e9)
		i++;
	return i;
}

void durations_add(struct durations *d, uint64_t ns)
{
	d->count[duration_class(ns)]++;
	d->sum_ns += ns;
}

void durations_remove(struct durations *d, uint64_t ns)
{
	d->count[duration_class(ns)]--;
	d->sum_ns -= ns;
}

uint64_t durations_within(const struct durations *d, size_t bound)
{
	uint64_t count = 0;

	for (size_t i = 0; i <= bound && i <= DURATION_BOUNDS; i++)
		count += d->count[i];
	return count;
}
