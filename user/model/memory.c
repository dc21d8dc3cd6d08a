/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * memory.c - see memory.h.
 */
#include "user/model/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void memory_begin(struct memory_model *m)
{
	m->start = m->end = m->peak = UNKNOWN64;
}

void memory_apply(struct memory_model *m, const struct ev_memory *ev, uint64_t requests,
		  uint64_t failures)
{
	uint64_t swapped = ev->swapped_bytes == UNKNOWN64 ? 0 : ev->swapped_bytes;
	uint64_t now = ev->anonymous_bytes + swapped;

	m->state = *ev;
	if (ev->anonymous_bytes == UNKNOWN64)
		return;
	if (m->start == UNKNOWN64)
		m->start = now;
	if (m->peak == UNKNOWN64 || now > m->peak)
		m->peak = now;
	m->end = now;
	m->samples++;
	history_add(&m->size, ev->head.ns, now / MEMORY_UNIT);
	history_add(&m->requests, ev->head.ns, requests);
	history_add(&m->failures, ev->head.ns, failures);
}

void memory_sites_free(struct memory_sites *t)
{
	table_free_values(&t->all);
}

static struct table_key memory_key_of(uint32_t number, const struct ev_memory_site *ev)
{
	return (struct table_key){ev->site, (uint64_t)number << 32 | ev->tier};
}

static uint64_t weight(const struct ev_memory_site *s)
{
	return s->held_bytes == UNKNOWN64 ? s->taken_bytes : s->held_bytes;
}

struct memory_entry {
	struct table_key key;
	const struct memory_site *site;
};

/* Sorts sites by what they hold, the least first; of equal ones, first the one called longest ago.
 */
static int by_weight(const void *a, const void *b)
{
	const struct ev_memory_site *x = &((const struct memory_entry *)a)->site->state;
	const struct ev_memory_site *y = &((const struct memory_entry *)b)->site->state;

	if (weight(x) != weight(y))
		return weight(x) < weight(y) ? -1 : 1;
	if (x->last_ns != y->last_ns)
		return x->last_ns < y->last_ns ? -1 : 1;
	return (x->site > y->site) - (x->site < y->site);
}

static uint32_t number_of(const struct memory_entry *e)
{
	return (uint32_t)(e->key.b >> 32);
}

static int by_process(const void *a, const void *b)
{
	uint32_t x = number_of(a), y = number_of(b);

	return (x > y) - (x < y);
}

/* Moves the sites of the process that has most to the front, if it has more than its share.
 * Returns how many they are; else all. */
static size_t gather(struct memory_entry *all, size_t n)
{
	size_t most = 0, first = 0;

	qsort(all, n, sizeof(*all), by_process);
	for (size_t i = 0, j; i < n; i = j) {
		for (j = i + 1; j < n && number_of(all + j) == number_of(all + i);)
			j++;
		if (j - i > most) {
			most = j - i;
			first = i;
		}
	}
	if (most <= MEMORY_SITES_SHARE)
		return n;
	memmove(all, all + first, most * sizeof(*all));
	return most;
}

/* Drops a quarter at once, so that sorting costs each new site little. */
static int forget_smallest(struct memory_sites *t)
{
	struct memory_entry *all = calloc(t->all.count + 1, sizeof(*all));
	size_t at = 0, n = 0, most;
	struct table_slot *slot;

	if (!all)
		return -ENOMEM;
	while ((slot = table_next(&t->all, &at)))
		all[n++] = (struct memory_entry){slot->key, slot->value};
	n = gather(all, n);
	most = n / 4;
	qsort(all, n, sizeof(*all), by_weight);
	for (size_t i = 0; i < most; i++)
		free(table_remove(&t->all, all[i].key));
	t->forgotten += most;
	free(all);
	return 0;
}

static struct memory_site *site_begin(struct memory_sites *t, struct table_key key,
				      const struct ev_memory_site *ev)
{
	struct memory_site *s;

	if (t->all.count >= MEMORY_SITES_MOST && forget_smallest(t))
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s || table_put(&t->all, key, s)) {
		free(s);
		return NULL;
	}
	/* The site held nothing before it first took memory. */
	if (ev->first_ns && ev->first_ns < ev->head.ns) {
		history_add(&s->held, ev->first_ns, 0);
		history_add(&s->blocks, ev->first_ns, 0);
	}
	return s;
}

int memory_site_apply(struct memory_sites *t, const struct process_model *p, uint32_t number,
		      const struct ev_memory_site *ev)
{
	struct table_key key = memory_key_of(number, ev);
	struct memory_site *s = table_get(&t->all, key);

	if (!s)
		s = site_begin(t, key, ev);
	if (!s)
		return -ENOMEM;
	s->process = p;
	s->state = *ev;
	if (ev->held_bytes != UNKNOWN64)
		history_add(&s->held, ev->head.ns, ev->held_bytes / MEMORY_UNIT);
	if (ev->taken == UNKNOWN64 || ev->freed == UNKNOWN64)
		return 0;
	/* Two threads may race in the ledger. */
	history_add(&s->blocks, ev->head.ns, ev->taken > ev->freed ? ev->taken - ev->freed : 0);
	return 0;
}
