/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * trend.h - how the floor of something large moved over a span of time: by how much, in how many
 * separate rises, how fast, and how sure that is.
 *
 * Knows nothing of memory and decides nothing.  The span is cut into a few equal parts.  Only the
 * least value of each part counts, so what comes and goes within a part is not seen.
 */
#ifndef DBLEAK_MODEL_TREND_H
#define DBLEAK_MODEL_TREND_H

#include <stdbool.h>
#include <stdint.h>

#include "user/model/history.h"

#define TREND_PARTS 16

struct trend {
	uint64_t from_ns, to_ns;
	unsigned parts;		   /* 0: nothing can be told */
	double least[TREND_PARTS]; /* in each part */
	double floor[TREND_PARTS]; /* the level not fallen below from that part on */
	double grown;		   /* the last floor above the first; 0 if it did not grow */
	double seconds;		   /* between the beginnings of the first part and the last */
	unsigned rises;		   /* parts whose floor is above that of the one before */
	bool rose[TREND_PARTS];
	double largest; /* of the rises, as a share of grown */
	double late;	/* share of grown that came in the second half */
	unsigned since; /* parts after the last rise */
	unsigned pause; /* parts in the longest pause between two rises */
	/* per second: the median of all slopes between two parts (Theil and Sen), and the bounds
	 * of the true slope, 19 times of 20 */
	double slope, slope_low, slope_high;
};

/* Cuts the span into so many parts, at most TREND_PARTS; no part is shorter than an interval of
 * the history. */
struct trend trend_of(const struct history *h, uint64_t from_ns, uint64_t to_ns, unsigned parts);

/* The time at which part i begins. */
uint64_t trend_start(const struct trend *t, unsigned i);

double trend_square_root(double x);

#endif
