/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * arrange.c - see arrange.h.
 */
#include "user/top/arrange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/names.h"
#include "user/report/where.h"

#define LINE_COLUMNS 200
#define DEPTH_MOST   16 /* deeper rows stand where the deepest do */

static bool has_text(const char *text, const char *part)
{
	return text && strcasestr(text, part);
}

static bool place_has(const struct process_view *p, const char *part)
{
	struct words w = {0};

	words_place(&w, p);
	return has_text(w.text, part);
}

static bool endpoints_have(const struct process_view *p, const char *part)
{
	for (size_t i = 0; i < p->endpoint_count; i++) {
		struct words w = {0};

		words_endpoint(&w, &p->endpoints[i]);
		if (has_text(w.text, part))
			return true;
	}
	return false;
}

static bool findings_have(const struct process_view *p, const char *part)
{
	for (size_t i = 0; i < p->finding_count; i++) {
		const struct finding_view *f = &p->findings[i];
		struct words w = {0};

		if (f->site)
			words_frame(&w, f->site, LINE_COLUMNS);
		if (has_text(w.text, part) || has_text(f->sql, part))
			return true;
	}
	return false;
}

static bool row_has(const struct top_row *row, const char *part)
{
	const struct process_view *p = row->process;
	struct words w = {0};

	words_process(&w, p->comm, p->pid);
	return has_text(row->name, part) || has_text(w.text, part) ||
	       has_text(verdict_name(row->verdict), part) || place_has(p, part) ||
	       endpoints_have(p, part) || findings_have(p, part);
}

void arrange_filter(struct top_rows *r, const char *filter)
{
	size_t kept = 0;

	if (!*filter)
		return;
	for (size_t i = 0; i < r->count; i++)
		if (row_has(&r->rows[i], filter))
			r->rows[kept++] = r->rows[i];
	r->count = kept;
}

/* Counts compare as numbers; what is not known comes last. */
static double figure(const struct top_row *row, enum top_sort sort)
{
	switch (sort) {
	case TOP_SORT_OPEN:
		return (double)row->open;
	case TOP_SORT_IDLE:
		return (double)row->idle;
	case TOP_SORT_TRANSACTION:
		return (double)row->in_transaction;
	case TOP_SORT_WAITING:
		return (double)row->waiting;
	case TOP_SORT_RATE:
		return row->per_second;
	case TOP_SORT_OLDEST:
		return row->oldest_seconds;
	case TOP_SORT_MEMORY:
		return row->memory == UNKNOWN64 ? -1 : (double)row->memory;
	default:
		return 0;
	}
}

struct sorting {
	enum top_sort sort;
	bool reversed;
};

static int compare_rows(const void *a, const void *b, void *context)
{
	const struct top_row *x = a, *y = b;
	const struct sorting *how = context;
	double m = figure(x, how->sort), n = figure(y, how->sort);
	int order = (m < n) - (m > n);

	if (how->sort == TOP_SORT_NAME)
		order = strcmp(x->name, y->name);
	if (how->sort == TOP_SORT_URGENCY || !order)
		order = (x->urgency > y->urgency) - (x->urgency < y->urgency);
	return how->reversed ? -order : order;
}

void arrange_sort(struct top_rows *r, enum top_sort sort, bool reversed)
{
	struct sorting how = {sort, reversed};

	qsort_r(r->rows, r->count, sizeof(*r->rows), compare_rows, &how);
}

/* Rows of a tree, in their new order. */
struct growing_row {
	const struct top_rows *from;
	size_t *child, *sibling; /* number + 1 of the first one below, and of the next beside */
	struct top_row *to;
	size_t count;
};

/* Without recursion: a hostile ancestry may be deep.  up: where to go on above. */
static void grow(struct growing_row *g, size_t root, size_t *up)
{
	size_t at = root + 1;
	unsigned int depth = 0;

	while (at) {
		struct top_row *row = &g->to[g->count++];

		*row = g->from->rows[at - 1];
		row->depth = depth < DEPTH_MOST ? depth : DEPTH_MOST;
		if (g->child[at - 1]) {
			up[depth++] = at;
			at = g->child[at - 1];
			continue;
		}
		at = depth ? g->sibling[at - 1] : 0;
		while (!at && depth) {
			size_t above = up[--depth];

			at = depth ? g->sibling[above - 1] : 0;
		}
	}
}

/* The number of the row that is the parent of row i; count: none. */
static size_t parent_of(const struct top_rows *r, const struct table *pids, size_t i)
{
	const struct process_view *p = r->rows[i].process;
	size_t at = (uintptr_t)table_get(pids, (struct table_key){.a = p->parent_pid});

	/* Only a process that began before can be one: so there is no circle. */
	if (!at || !p->parent_pid || at - 1 == i ||
	    r->rows[at - 1].process->start_realtime_ns > p->start_realtime_ns ||
	    (r->rows[at - 1].process->start_realtime_ns == p->start_realtime_ns &&
	     r->rows[at - 1].process->pid >= p->pid))
		return r->count;
	return at - 1;
}

static int grow_all(struct growing_row *g, const struct table *pids)
{
	const struct top_rows *r = g->from;
	size_t *up = calloc(r->count + 1, sizeof(*up));
	size_t *parents = calloc(r->count + 1, sizeof(*parents));

	for (size_t i = r->count; up && parents && i--;) {
		parents[i] = parent_of(r, pids, i);
		if (parents[i] == r->count)
			continue;
		g->sibling[i] = g->child[parents[i]];
		g->child[parents[i]] = i + 1;
	}
	for (size_t i = 0; up && parents && i < r->count; i++)
		if (parents[i] == r->count)
			grow(g, i, up);
	free(up);
	free(parents);
	return up && parents ? 0 : -ENOMEM;
}

int arrange_tree(struct top_rows *r)
{
	struct growing_row g = {.from = r};
	struct table pids = {};
	int err = 0;

	if (!r->count || r->rows[0].by != TOP_BY_PROCESS)
		return 0;
	g.child = calloc(r->count, sizeof(*g.child));
	g.sibling = calloc(r->count, sizeof(*g.sibling));
	g.to = calloc(r->count, sizeof(*g.to));
	for (size_t i = 0; i < r->count && !err; i++)
		err = table_put(&pids, (struct table_key){.a = r->rows[i].process->pid},
				(void *)(uintptr_t)(i + 1));
	if (!err)
		err = g.child && g.sibling && g.to ? grow_all(&g, &pids) : -ENOMEM;
	if (!err)
		memcpy(r->rows, g.to, r->count * sizeof(*r->rows));
	table_free(&pids);
	free(g.child);
	free(g.sibling);
	free(g.to);
	return err;
}
