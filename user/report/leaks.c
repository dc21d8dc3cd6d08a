/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * leaks.c - see leaks.h.
 */
#include "user/report/leaks.h"

#include <stdlib.h>
#include <string.h>

#include "user/base/table.h"
#include "user/report/finding.h"
#include "user/report/rank.h"
#include "user/report/where.h"

static struct table_key leak_key(const struct finding_view *f)
{
	uint64_t fingerprint = strtoull(f->fingerprint, NULL, 16);

	return (struct table_key){fingerprint, f->site ? f->site->line : 0};
}

static uint64_t sum_of(uint64_t a, uint64_t b)
{
	return a == UNKNOWN64 || b == UNKNOWN64 ? UNKNOWN64 : a + b;
}

static void leak_join(struct leak *l, const struct finding_view *f)
{
	struct finding_view *sum = &l->sum;

	l->processes++;
	sum->open = sum_of(sum->open, f->open);
	sum->acquired = sum_of(sum->acquired, f->acquired);
	sum->released = sum_of(sum->released, f->released);
	sum->in_transaction = sum_of(sum->in_transaction, f->in_transaction);
	sum->bytes = sum_of(sum->bytes, f->bytes);
	sum->memory.held += f->memory.held;
	sum->memory.grown += f->memory.grown;
	if (f->oldest_seconds > sum->oldest_seconds)
		sum->oldest_seconds = f->oldest_seconds;
	if (f->verdict > sum->verdict)
		sum->verdict = f->verdict;
	if (f->confidence > sum->confidence)
		sum->confidence = f->confidence;
}

static size_t count_findings(const struct report_view *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->process_count; i++)
		n += v->processes[i].finding_count;
	return n;
}

/* Adds the findings of one process. */
static bool add_process(struct leak *all, size_t *count, struct table *known,
			const struct process_view *p)
{
	for (size_t i = 0; i < p->finding_count; i++) {
		const struct finding_view *f = &p->findings[i];
		struct leak *l = table_get(known, leak_key(f));

		if (f->part_of)
			continue;
		if (l) {
			leak_join(l, f);
			continue;
		}
		l = &all[(*count)++];
		*l = (struct leak){.process = p, .finding = f, .processes = 1, .sum = *f};
		if (table_put(known, leak_key(f), l))
			return false;
	}
	return true;
}

/* The sort keeps what comes first where both are as bad. */
static int worst_leak_first(const void *a, const void *b)
{
	const struct leak *x = a, *y = b;

	if (x->sum.known != y->sum.known)
		return x->sum.known ? 1 : -1;
	if (x->sum.verdict != y->sum.verdict)
		return x->sum.verdict > y->sum.verdict ? -1 : 1;
	if (x->sum.confidence != y->sum.confidence)
		return x->sum.confidence > y->sum.confidence ? -1 : 1;
	return (x->sum.order > y->sum.order) - (x->sum.order < y->sum.order);
}

struct leak *leaks_list(const struct report_view *v, size_t *count)
{
	size_t guilty_count;
	const struct process_view **guilty = rank_guilty(v, &guilty_count);
	struct leak *all = calloc(count_findings(v) + 1, sizeof(*all));
	struct table known = {0};
	bool whole = guilty && all;

	*count = 0;
	for (size_t i = 0; whole && i < guilty_count; i++)
		whole = add_process(all, count, &known, guilty[i]);
	table_free(&known);
	free((void *)guilty);
	if (!whole) {
		free(all);
		return NULL;
	}
	for (size_t i = 0; i < *count; i++)
		all[i].sum.order = i;
	if (*count)
		qsort(all, *count, sizeof(*all), worst_leak_first);
	return all;
}

void words_leak(struct words *w, const struct leak *l)
{
	words_headline(w, &l->sum, l->process->exited);
	if (l->processes > 1) {
		words_add(w, ", in ");
		words_plural(w, l->processes, "process", "processes");
	}
}

void words_leak_line(struct words *w, const struct leak *l)
{
	if (l->finding->site)
		words_frame(w, l->finding->site, SIZE_MAX);
	else
		words_add(w, "unknown");
}

void words_rule(struct words *w, enum cause cause)
{
	words_add(w, "dbleak/%s", cause_name(cause));
}

const struct frame_view *leak_frame(const struct leak *l)
{
	const struct finding_view *f = l->finding;

	if (f->site && f->site->file)
		return f->site;
	for (size_t i = 0; i < f->stack_count; i++)
		if (f->stack[i].file)
			return &f->stack[i];
	return NULL;
}

const char *path_below(const char *path, const char *root)
{
	size_t n = root ? strlen(root) : 0;

	if (!path || !n || strncmp(path, root, n) != 0 || path[n] != '/')
		return NULL;
	return path[n + 1] && !strstr(path + n, "/../") ? path + n + 1 : NULL;
}
