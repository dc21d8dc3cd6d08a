/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * history.c - the floor of a count over time.
 */
#include "user/model/history.h"

#include <stddef.h>

#define FIRST_WIDTH 50000000ULL /* 50 ms: short programs have a history, too */
#define SECOND_NS   1000000000ULL

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static void halve(struct history *h)
{
	for (uint32_t i = 0; i < HISTORY_MOST / 2; i++)
		h->least[i] = smaller(h->least[2 * i], h->least[2 * i + 1]);
	h->used = HISTORY_MOST / 2;
	h->width_ns *= 2;
}

/* Makes the interval of ns the last one.  The intervals before it get the latest count. */
static void reach(struct history *h, uint64_t ns)
{
	uint64_t past = ns > h->first_ns ? ns - h->first_ns : 0;

	while (past / h->width_ns >= HISTORY_MOST) {
		while (h->used < HISTORY_MOST)
			h->least[h->used++] = h->latest;
		halve(h);
	}
	while (h->used <= past / h->width_ns)
		h->least[h->used++] = h->latest;
}

void history_add(struct history *h, uint64_t ns, uint64_t count)
{
	uint32_t n = count < UINT32_MAX ? count : UINT32_MAX;

	if (!h->width_ns) {
		h->first_ns = ns;
		h->width_ns = FIRST_WIDTH;
		h->latest = n;
	}
	reach(h, ns);
	h->latest = n;
	h->least[h->used - 1] = smaller(h->least[h->used - 1], n);
}

/* The smallest count between two times; before the first record the count was 0. */
static uint32_t least_between(const struct history *h, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t i = from_ns > h->first_ns ? (from_ns - h->first_ns) / h->width_ns : 0;
	uint32_t least = h->latest;

	if (from_ns < h->first_ns)
		return 0;
	for (; i < h->used && h->first_ns + i * h->width_ns < to_ns; i++)
		least = smaller(least, h->least[i]);
	return least;
}

void history_join(struct history *h, const struct history *other)
{
	struct history a = *h, b = *other, sum = {};
	uint64_t end;

	if (!b.width_ns)
		return;
	if (!a.width_ns) {
		*h = b;
		return;
	}
	end = a.first_ns + a.used * a.width_ns;
	if (b.first_ns + b.used * b.width_ns > end)
		end = b.first_ns + b.used * b.width_ns;
	sum.first_ns = a.first_ns < b.first_ns ? a.first_ns : b.first_ns;
	sum.width_ns = a.width_ns > b.width_ns ? a.width_ns : b.width_ns;
	while ((end - sum.first_ns + sum.width_ns - 1) / sum.width_ns > HISTORY_MOST)
		sum.width_ns *= 2;
	sum.latest = a.latest + b.latest < a.latest ? UINT32_MAX : a.latest + b.latest;
	for (uint64_t at = sum.first_ns; at < end && sum.used < HISTORY_MOST; at += sum.width_ns) {
		uint64_t n = (uint64_t)least_between(&a, at, at + sum.width_ns) +
			     least_between(&b, at, at + sum.width_ns);

		sum.least[sum.used++] = n < UINT32_MAX ? n : UINT32_MAX;
	}
	*h = sum;
}

static uint64_t start_of(const struct history *h, uint32_t i)
{
	return h->first_ns + i * h->width_ns;
}

/* Finds the floor of each interval: the count not fallen below from there on. */
static void find_floors(const struct history *h, uint32_t used, uint32_t *floors)
{
	floors[used - 1] = h->least[used - 1];
	for (uint32_t i = used - 1; i-- > 0;)
		floors[i] = smaller(h->least[i], floors[i + 1]);
}

static struct rise rise_of(const struct history *h, uint32_t used, uint64_t end_ns)
{
	uint32_t floors[HISTORY_MOST], before, tail = used / 8 ? used / 8 : 1;
	struct rise r = {.end_ns = end_ns};
	uint64_t near;

	find_floors(h, used, floors);
	r.base = before = floors[0];
	r.held = floors[used - tail];
	near = r.held - r.base > 8 ? r.held - (r.held - r.base) / 8 : r.held;
	for (uint32_t i = 1; i < used && before < near; i++) {
		if (floors[i] == before)
			continue;
		before = floors[i];
		r.last_ns = start_of(h, i);
		/* The count rose at some time in the interval before. */
		if (!r.steps++)
			r.first_ns = start_of(h, i - 1);
	}
	return r;
}

struct rise history_rise(const struct history *h, uint64_t end_ns)
{
	struct history until = *h;
	uint64_t used;

	if (!h->width_ns)
		return (struct rise){.end_ns = end_ns};
	reach(&until, end_ns);
	used = end_ns > h->first_ns ? (end_ns - h->first_ns) / until.width_ns + 1 : 1;
	return rise_of(&until, used < until.used ? used : until.used, end_ns);
}

/* The number of intervals before the count fell, within the last second, to less than a quarter;
 * 0: it did not. */
static uint32_t used_before_fall(const struct history *until, uint64_t end_ns)
{
	for (uint32_t used = until->used; used > 1; used--) {
		if (start_of(until, used) + SECOND_NS < end_ns)
			break;
		if (until->least[used - 1] < until->least[used - 2] / 4 &&
		    until->latest < until->least[used - 2] / 4)
			return used - 1;
	}
	return 0;
}

struct rise history_rise_before_fall(const struct history *h, uint64_t end_ns)
{
	struct history until = *h;
	uint32_t used;

	if (!h->width_ns)
		return (struct rise){.end_ns = end_ns};
	reach(&until, end_ns);
	used = used_before_fall(&until, end_ns);
	return used ? rise_of(&until, used, start_of(&until, used))
		    : (struct rise){.end_ns = end_ns};
}

uint64_t history_fall(const struct history *h, uint64_t end_ns)
{
	struct history until = *h;
	uint32_t used;

	if (!h->width_ns)
		return 0;
	reach(&until, end_ns);
	used = used_before_fall(&until, end_ns);
	return used ? start_of(&until, used) : 0;
}

uint64_t history_least(const struct history *h, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t i = from_ns > h->first_ns && h->width_ns ? (from_ns - h->first_ns) / h->width_ns
							  : 0;
	uint32_t least = UINT32_MAX;

	if (from_ns < h->first_ns)
		return 0;
	if (i >= h->used)
		return h->latest;
	for (; i < h->used && start_of(h, i) < to_ns; i++)
		least = smaller(least, h->least[i]);
	/* The count of the last record lasts. */
	return start_of(h, h->used) < to_ns ? smaller(least, h->latest) : least;
}
