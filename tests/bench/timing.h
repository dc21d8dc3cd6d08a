/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * timing.h - processor time of what is measured several times.
 */
#ifndef TIMING_H
#define TIMING_H

#include <stdlib.h>
#include <time.h>

#define TIMES 15

/* Milliseconds of processor time that the program has used so far. */
static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of TIMES times, which it sorts. */
static double median(double *times)
{
	qsort(times, TIMES, sizeof(*times), ascending);
	return times[TIMES / 2];
}

#endif
