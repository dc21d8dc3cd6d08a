/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * probe_exit_check.c - whether all that a walk found fits together.
 */
#include "user/capture/probe/probe_exit.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/probe/probe_exit_state.h"

/* --- does it all fit together? -------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

static int edge_order(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	return (x->to > y->to) - (x->to < y->to);
}

static void edge_add(struct exit_walk *w, uint64_t to, size_t from)
{
	w->edges[w->edge_count++] = (struct edge){to, (uint32_t)from};
}

static void find_edges(struct exit_walk *w)
{
	for (size_t i = 0; i < w->count; i++) {
		const struct step *s = &w->steps[i];

		if (s->target)
			edge_add(w, s->target, i);
		if (!s->stops)
			edge_add(w, s->address + s->length, i);
	}
	for (size_t i = 0; i < w->entry_count; i++) {
		const struct step key = {.address = w->entries[i].jump};
		const struct step *jump = bsearch(&key, w->steps, w->count, sizeof(key),
						  by_address);

		if (jump)
			edge_add(w, w->entries[i].to, (size_t)(jump - w->steps));
	}
	qsort(w->edges, w->edge_count, sizeof(w->edges[0]), edge_order);
}

size_t exit_edges_to(const struct exit_walk *w, uint64_t address)
{
	size_t low = 0, high = w->edge_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (w->edges[middle].to < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_kept_by_calls(int number)
{
	return number == 3 || number == 5 || number >= 12;
}

/* Does this register hold the table on every way to the address?  Goes back along all ways to the
 * instructions that loaded it. */
static bool holds_table(struct exit_walk *w, uint64_t address, int number, uint64_t table)
{
	memset(w->visited, 0, sizeof(w->visited));
	w->pending[0] = address;
	for (size_t n = 1; n;) {
		uint64_t at = w->pending[--n];

		if (at == w->of->entry)
			return false;
		for (size_t i = exit_edges_to(w, at); i < w->edge_count && w->edges[i].to == at;
		     i++) {
			const struct step *s = &w->steps[w->edges[i].from];

			if (s->writes & 1U << number && s->loads != table)
				return false;
			if (s->calls && !is_kept_by_calls(number))
				return false;
			if (s->writes & 1U << number || w->visited[w->edges[i].from])
				continue;
			w->visited[w->edges[i].from] = true;
			w->pending[n++] = s->address;
		}
	}
	return true;
}

/* Does a jump lead behind the first of these instructions, up to the last? */
static bool is_disturbed(const struct exit_walk *w, uint64_t first, uint64_t last)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->steps[i].target > first && w->steps[i].target <= last)
			return true;
	for (size_t i = 0; i < w->entry_count; i++)
		if (w->entries[i].to > first && w->entries[i].to <= last)
			return true;
	return false;
}

bool exit_is_sure(struct exit_walk *w, const struct table_jump *jump)
{
	const struct value *v = &jump->by;

	if (is_disturbed(w, v->since, jump->at))
		return false;
	return v->base < 0 || v->base_since >= v->since ||
	       !is_disturbed(w, v->base_since, v->since) ||
	       holds_table(w, v->since, v->base, v->table);
}

int exit_check(struct exit_walk *w)
{
	qsort(w->steps, w->count, sizeof(w->steps[0]), by_address);
	for (size_t i = 1; i < w->count; i++)
		if (w->steps[i].address - w->steps[i - 1].address < w->steps[i - 1].length)
			return -EBADMSG;
	find_edges(w);
	for (size_t i = 0; i < w->table_count; i++)
		if (!exit_is_sure(w, &w->tables[i]))
			return -ENOTSUP;
	return 0;
}
