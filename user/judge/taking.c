/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * taking.c - see taking.h.
 */
#include "user/judge/taking.h"

#include <stdlib.h>
#include <string.h>

void takings_free(struct takings *t)
{
	free(t->all);
}

#define ERROR_MOST 1e18 /* bytes: larger ones do not fit into an integer */

static uint64_t sum_known(uint64_t a, uint64_t b)
{
	return a == UNKNOWN64 || b == UNKNOWN64 ? UNKNOWN64 : a + b;
}

/* The errors of samples partly cancel out, so their squares are added. */
static double square_sum(double sum, double error)
{
	return sum + error * error;
}

/* Is it an arena of Python or a heap of V8?  The run time maps one where its room ran out, which
 * may be at any line. */
static bool is_room(const struct ev_memory_site *ev, const struct place *p)
{
	return ev->tier == EV_TIER_FULL && p && p->frame->language >= EV_LANG_PYTHON &&
	       !strcmp(ev->object, "mmap");
}

static void taking_add(struct taking *t, const struct memory_site *site)
{
	const struct ev_memory_site *ev = &site->state;
	uint64_t held = ev->held_bytes == UNKNOWN64 ? 0 : ev->held_bytes;

	if (held >= t->largest) {
		t->largest = held;
		t->from.stack = ev->stack;
		t->object = *ev->object ? ev->object : NULL;
		t->room = is_room(ev, t->from.place);
	}
	if (ev->connection && (!t->connection || 2 * ev->reply_bytes > t->reply_bytes))
		t->connection = ev->connection;
	t->held += held;
	t->held_known = t->held_known || ev->held_bytes != UNKNOWN64;
	if (ev->held_bytes == UNKNOWN64)
		t->flags |= EV_MEMORY_LOWER_BOUND;
	t->taken_bytes += ev->taken_bytes;
	t->reply_bytes += ev->reply_bytes;
	t->error = square_sum(t->error, ev->error_bytes);
	t->taken = sum_known(t->taken, ev->taken);
	t->freed = sum_known(t->freed, ev->freed);
	t->flags |= ev->flags;
	history_join(&t->size, &site->held);
	history_join(&t->blocks, &site->blocks);
}

const struct place *taking_place(const struct rule_input *s, const struct ev_memory_site *ev,
				 const struct moving_collector **moved)
{
	*moved = ev->tier == EV_TIER_GROWTH ? collector_find(s->places->code, ev->stack) : NULL;
	return *moved ? NULL : places_find(s->places, ev->stack);
}

/* Returns the taking of a site's place.  Sites without a place share one taking, and so do those
 * of one moving collector. */
static struct taking *taking_of(const struct rule_input *s, struct takings *t,
				struct table *by_place, const struct ev_memory_site *ev)
{
	const struct moving_collector *moved;
	const struct place *place = taking_place(s, ev, &moved);
	struct table_key key = {(uintptr_t)place, (uintptr_t)moved + 1};
	struct taking *taking = table_get(by_place, key);

	if (taking)
		return taking;
	taking = &t->all[t->count];
	*taking = (struct taking){.from.place = place, .moved = moved};
	if (table_put(by_place, key, taking))
		return NULL;
	t->count++;
	return taking;
}

static int most_grown_first(const void *a, const void *b)
{
	const struct taking *x = a, *y = b;

	if (x->grown != y->grown)
		return x->grown > y->grown ? -1 : 1;
	if (x->held != y->held)
		return x->held > y->held ? -1 : 1;
	if (x->taken_bytes != y->taken_bytes)
		return x->taken_bytes > y->taken_bytes ? -1 : 1;
	return (x->from.stack > y->from.stack) - (x->from.stack < y->from.stack);
}

/* Do the pages alone show what is held? */
static bool is_by_page(const struct taking *t)
{
	return t->from.place && t->from.place->frame->language == EV_LANG_NATIVE;
}

/*
 * A block that realloc moves by mremap is no longer found at the pages that were touched, and looks
 * given back.  But the memory by which the process has grown since is there, wherever it is.  So a
 * place holds at least what it took, less all that anybody can have given back.
 */
static void find_elsewhere(const struct rule_input *s, struct takings *t, const struct trend *over)
{
	const struct history *size = &s->process->memory.size;
	double before = history_least(size, t->first_ns, t->first_ns + 1), taken = 0;
	double rise = history_least(size, over->to_ns - 1, over->to_ns) - before, gone;

	for (size_t i = 0; i < t->count; i++)
		taken += t->all[i].taken_bytes;
	rise *= MEMORY_UNIT;
	gone = taken > rise ? taken - rise : 0;
	for (size_t i = 0; i < t->count && rise > 0; i++) {
		struct taking *x = &t->all[i];
		double held = x->taken_bytes - gone,
		       grown = held * over->grown * MEMORY_UNIT / rise;

		if (!is_by_page(x) || held <= x->held + x->error)
			continue;
		x->elsewhere = held - x->held;
		x->held = held;
		x->grown = grown > x->grown ? grown : x->grown;
	}
}

static void finish(const struct rule_input *s, struct takings *t, const struct trend *over)
{
	for (size_t i = 0; i < t->count; i++) {
		struct taking *x = &t->all[i];
		struct trend trend = trend_of(&x->size, over->from_ns, over->to_ns, over->parts);

		x->grown = trend.parts && trend.grown > 0 ? trend.grown * MEMORY_UNIT : 0;
		x->error = trend_square_root(x->error);
		x->error = x->error < ERROR_MOST ? x->error : ERROR_MOST;
	}
	if (t->tier == EV_TIER_GROWTH && t->first_ns)
		find_elsewhere(s, t, over);
	for (size_t i = 0; i < t->count; i++) {
		struct taking *x = &t->all[i];

		t->held += x->held;
		t->grown += x->room ? 0 : x->grown;
	}
	if (t->count)
		qsort(t->all, t->count, sizeof(*t->all), most_grown_first);
}

struct trend takings_window(const struct rule_input *s)
{
	return (struct trend){.from_ns = s->start_ns, .to_ns = s->now_ns, .parts = TREND_PARTS};
}

int takings_find(const struct rule_input *s, enum ev_tier tier, const struct trend *over,
		 struct takings *t)
{
	struct table by_place = {};
	int err = 0;

	*t = (struct takings){.tier = tier,
			      .all = calloc(s->memory_site_count + 1, sizeof(*t->all))};
	if (!t->all)
		return -1;
	for (size_t i = 0; i < s->memory_site_count && !err; i++) {
		const struct memory_site *site = s->memory_sites[i];
		struct taking *taking;

		if (site->state.tier != tier)
			continue;
		taking = taking_of(s, t, &by_place, &site->state);
		if (!taking)
			err = -1;
		else
			taking_add(taking, site);
		if (site->held.width_ns && (!t->first_ns || site->held.first_ns < t->first_ns))
			t->first_ns = site->held.first_ns;
	}
	table_free(&by_place);
	finish(s, t, over);
	return err;
}
