/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rank.c - see rank.h.
 */
#include "user/report/rank.h"

#include <math.h>
#include <stdlib.h>

#include "user/report/server_limit.h"

bool rank_is_guilty(const struct process_view *p)
{
	return p->verdict >= VERDICT_BIG;
}

const struct finding_view *rank_nearest(const struct process_view *p)
{
	const struct finding_view *nearest = NULL;

	for (size_t i = 0; i < p->finding_count; i++) {
		const struct finding_view *f = &p->findings[i];

		if (!f->exhausts_limit || !isfinite(f->exhausts_seconds) ||
		    f->exhausts_seconds < 0 || p->exited)
			continue;
		if (!nearest || f->exhausts_seconds < nearest->exhausts_seconds)
			nearest = f;
	}
	return nearest;
}

/* Objects a minute; of memory, megabytes a minute. */
static double fastest(const struct process_view *p)
{
	double most = 0;

	for (size_t i = 0; i < p->finding_count; i++) {
		const struct finding_view *f = &p->findings[i];
		double rate = f->growth_per_minute;

		if (f->memory.tier != EV_TIER_OFF && f->memory.per_minute / 1e6 > rate)
			rate = f->memory.per_minute / 1e6;
		if (isfinite(rate) && rate > most)
			most = rate;
	}
	return most;
}

/* Does it hold rows that others may wait for? */
static bool locks_rows(const struct process_view *p)
{
	for (size_t i = 0; i < p->finding_count; i++)
		if (p->findings[i].changed_rows && !p->exited)
			return true;
	return false;
}

static double oldest(const struct process_view *p)
{
	double most = 0;

	for (size_t i = 0; i < p->finding_count; i++)
		if (isfinite(p->findings[i].oldest_seconds) && p->findings[i].oldest_seconds > most)
			most = p->findings[i].oldest_seconds;
	return most;
}

/* Seconds until the first limit is met, known or guessed; INFINITY: none is. */
static double first_limit(const struct process_view *p)
{
	const struct finding_view *f = rank_nearest(p);
	double seconds = fmin(f ? f->exhausts_seconds : NAN, server_seconds(p));

	return isnan(seconds) ? INFINITY : seconds;
}

static int by_limit(const struct process_view *x, const struct process_view *y)
{
	double a = first_limit(x), b = first_limit(y);

	return (a > b) - (a < b);
}

static int most_urgent_first(const void *a, const void *b)
{
	const struct process_view *x = *(const struct process_view *const *)a;
	const struct process_view *y = *(const struct process_view *const *)b;
	int order = by_limit(x, y);

	if (order)
		return order;
	if (x->exited != y->exited)
		return x->exited - y->exited;
	if (x->verdict != y->verdict)
		return x->verdict > y->verdict ? -1 : 1;
	if (locks_rows(x) != locks_rows(y))
		return locks_rows(y) - locks_rows(x);
	if (fastest(x) != fastest(y))
		return fastest(x) > fastest(y) ? -1 : 1;
	if (x->verdict == VERDICT_STUCK && oldest(x) != oldest(y))
		return oldest(x) > oldest(y) ? -1 : 1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

const struct process_view **rank_guilty(const struct report_view *v, size_t *count)
{
	const struct process_view **all = calloc(v->process_count + 1, sizeof(*all));

	*count = 0;
	for (size_t i = 0; all && i < v->process_count; i++)
		if (rank_is_guilty(&v->processes[i]))
			all[(*count)++] = &v->processes[i];
	if (all)
		qsort(all, *count, sizeof(*all), most_urgent_first);
	return all;
}
