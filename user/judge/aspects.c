/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * aspects.c - see aspects.h.
 */
#include "user/judge/aspects.h"

#include <string.h>

/* Causes that can be part of another, the first that fits: what ends with the whole. */
static const struct {
	enum cause part, whole;
	bool anywhere; /* the two halves may be of different lines, or of lines not known */
} pairs[] = {
	{CAUSE_OPEN_TRANSACTION, CAUSE_UNCLOSED_CONNECTION, true},
	{CAUSE_UNCLOSED_STATEMENT, CAUSE_UNCLOSED_CONNECTION, false},
	{CAUSE_UNCLOSED_CURSOR, CAUSE_UNCLOSED_CONNECTION, false},
	{CAUSE_UNCLOSED_CURSOR, CAUSE_OPEN_TRANSACTION, false},
	{CAUSE_UNCLOSED_CURSOR, CAUSE_UNCLOSED_STATEMENT, false},
	{CAUSE_UNCLOSED_CURSOR, CAUSE_CACHE_GROWTH, false},
	{CAUSE_UNFREED_RESULT, CAUSE_UNCLOSED_STATEMENT, false},
	{CAUSE_UNFREED_RESULT, CAUSE_CACHE_GROWTH, false},
	{CAUSE_UNFREED_RESULT, CAUSE_UNCLOSED_CURSOR, false},
	{CAUSE_UNFREED_MEMORY, CAUSE_UNFREED_RESULT, false},
	{CAUSE_UNFREED_MEMORY, CAUSE_UNCLOSED_STATEMENT, false},
};

static bool aspects_same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_line(const struct frame_view *a, const struct frame_view *b)
{
	return a && b && a->line == b->line && a->offset == b->offset &&
	       aspects_same_text(a->file, b->file) && aspects_same_text(a->module, b->module) &&
	       aspects_same_text(a->function, b->function);
}

/* Growth of memory itself has its own numbers and its own cure. */
static bool is_of_objects(const struct finding_view *f)
{
	return f->resource != RESOURCE_MEMORY || f->object;
}

/* Transactions that are open on the connections that leak: no more of them than connections. */
static bool may_be_on(const struct finding_view *transactions, const struct finding_view *whole)
{
	return whole->in_transaction != UNKNOWN64 && transactions->open <= whole->in_transaction;
}

static bool is_part(const struct finding_view *f, const struct finding_view *whole, size_t pair,
		    bool line)
{
	if (f == whole || f->cause != pairs[pair].part || whole->cause != pairs[pair].whole ||
	    !is_of_objects(f) || !is_of_objects(whole) ||
	    !aspects_same_text(f->endpoint, whole->endpoint))
		return false;
	if (f->cause == CAUSE_OPEN_TRANSACTION && !may_be_on(f, whole))
		return false;
	return same_line(f->site, whole->site) || (!line && pairs[pair].anywhere);
}

/* Findings of the same line come first. */
static const struct finding_view *whole_of(const struct process_view *p,
					   const struct finding_view *f)
{
	for (int line = 1; line >= 0; line--)
		for (size_t pair = 0; pair < sizeof(pairs) / sizeof(pairs[0]); pair++)
			for (size_t i = 0; i < p->finding_count; i++)
				if (is_part(f, &p->findings[i], pair, line))
					return &p->findings[i];
	return NULL;
}

void aspects_find(struct process_view *p)
{
	for (size_t i = 0; i < p->finding_count; i++)
		p->findings[i].part_of = whole_of(p, &p->findings[i]);
	/* A part of a part belongs to the whole. */
	for (size_t i = 0; i < p->finding_count; i++)
		while (p->findings[i].part_of && p->findings[i].part_of->part_of)
			p->findings[i].part_of = p->findings[i].part_of->part_of;
}
