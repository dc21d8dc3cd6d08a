/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * trends.h - the last looks at each row: how a count went, and how fast it rises.
 *
 * A row is known by a key.  Rows that a look does not name are forgotten at its end.
 */
#ifndef DBLEAK_TOP_TRENDS_H
#define DBLEAK_TOP_TRENDS_H

#include <stddef.h>
#include <stdint.h>

#include "user/base/table.h"

#define TREND_LOOKS 64
#define TREND_ROWS  8192 /* at once; more are shown without a trend */

/* Zeroed is empty. */
struct trends {
	struct table rows;	     /* key -> struct trend_row */
	double seconds[TREND_LOOKS]; /* of each look, since the watch began */
	uint64_t looks;		     /* so far */
};

void trends_free(struct trends *t);

/* A look: begin, the rows, end.  seconds: since the watch began. */
void trends_begin(struct trends *t, double seconds);
/* count: what is open now; total: opened so far, UNKNOWN64 not known.  A row met twice in a look
 * has the sums. */
void trends_add(struct trends *t, uint64_t key, uint64_t count, uint64_t total);
void trends_end(struct trends *t);

/* How many were opened a second, over the last looks; < 0: not known. */
double trends_rate(const struct trends *t, uint64_t key);
/* Writes the last counts, the latest last, at most `most`; returns how many there are. */
size_t trends_counts(const struct trends *t, uint64_t key, uint64_t *counts, size_t most);

#endif
