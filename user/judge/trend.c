/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * trend.c - see trend.h.
 */
#include "user/judge/trend.h"

#include <stdlib.h>

#define PAIRS_MOST (TREND_PARTS * (TREND_PARTS - 1) / 2)
#define SURE	   1.96 /* standard deviations: 19 times of 20 */

uint64_t trend_start(const struct trend *t, unsigned i)
{
	return t->from_ns + (t->to_ns - t->from_ns) / t->parts * i;
}

static void find_floors(struct trend *t, const struct history *h)
{
	for (unsigned i = 0; i < t->parts; i++)
		t->least[i] = history_least(h, trend_start(t, i), trend_start(t, i + 1));
	t->floor[t->parts - 1] = t->least[t->parts - 1];
	for (unsigned i = t->parts - 1; i-- > 0;)
		t->floor[i] = t->least[i] < t->floor[i + 1] ? t->least[i] : t->floor[i + 1];
	t->grown = t->floor[t->parts - 1] - t->floor[0];
}

/* A step smaller than a quarter of the mean step is no rise. */
static void find_rises(struct trend *t)
{
	double least = t->grown / (t->parts - 1) / 4, before = t->floor[0];
	unsigned last = 0, middle = (t->parts - 1) / 2;

	if (t->grown <= 0)
		return;
	for (unsigned i = 1; i < t->parts; i++) {
		double step = t->floor[i] - before;

		if (step < least)
			continue;
		t->rose[i] = true;
		if (t->rises++ && i - last - 1 > t->pause)
			t->pause = i - last - 1;
		if (step / t->grown > t->largest)
			t->largest = step / t->grown;
		before = t->floor[i];
		last = i;
	}
	t->since = t->parts - 1 - last;
	/* With an even number of parts, the middle lies between two. */
	t->late = (t->floor[t->parts - 1] - (t->floor[middle] + t->floor[t->parts / 2]) / 2) /
		  t->grown;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Newton's method; libm is not everywhere. */
double trend_square_root(double x)
{
	double r = x > 1 ? x : 1;

	for (int i = 0; i < 64; i++)
		r = (r + x / r) / 2;
	return x > 0 ? r : 0;
}

/* Sen's confidence interval: so many ranks to both sides of the median. */
static void find_slope(struct trend *t)
{
	double width = t->seconds / (t->parts - 1), slopes[PAIRS_MOST], n = t->parts, away;
	unsigned count = 0, low, high;

	for (unsigned i = 0; i < t->parts; i++)
		for (unsigned j = i + 1; j < t->parts; j++)
			slopes[count++] = (t->least[j] - t->least[i]) / ((j - i) * width);
	/* cppcheck-suppress uninitvar ; a trend has two parts at least, so one slope */
	qsort(slopes, count, sizeof(slopes[0]), by_value);
	away = SURE * trend_square_root(n * (n - 1) * (2 * n + 5) / 18);
	low = count > away ? (unsigned)((count - away) / 2) : 0;
	high = count - 1 - low;
	t->slope = (slopes[(count - 1) / 2] + slopes[count / 2]) / 2;
	t->slope_low = slopes[low];
	t->slope_high = slopes[high];
}

struct trend trend_of(const struct history *h, uint64_t from_ns, uint64_t to_ns, unsigned parts)
{
	struct trend t = {.from_ns = from_ns, .to_ns = to_ns};

	if (!h->width_ns || to_ns <= from_ns)
		return t;
	while (parts > 1 && (to_ns - from_ns) / parts < h->width_ns)
		parts /= 2;
	if (parts < 2)
		return t;
	t.parts = parts;
	t.seconds = (trend_start(&t, parts - 1) - from_ns) / 1e9;
	find_floors(&t, h);
	find_rises(&t);
	find_slope(&t);
	return t;
}
