/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * held.h - all that is open, by the call stack that took it, whether it leaks or not.
 *
 * Of a process that has ended, what it held until then counts: what its end closed, and what it
 * closed in its last seconds, after its last use of a database.  Files for other tools are made of
 * this; it accuses nobody.
 *
 * A connection inside a transaction stands where that began: who opened it for a pool may be
 * anybody.  Any other stands where it was opened.
 *
 * No byte counts twice.  Where each allocation of a process was followed, those are its bytes.
 * Else its pages, or the blocks of its client libraries, whichever show more.
 */
#ifndef DBLEAK_JUDGE_HELD_H
#define DBLEAK_JUDGE_HELD_H

#include "user/judge/site.h"
#include "user/judge/view.h"
#include "user/model/model.h"

enum held_kind { HELD_CONNECTIONS, HELD_TRANSACTIONS, HELD_STATEMENTS, HELD_BYTES, HELD_KINDS };

/* What one process holds that it took under one stack. */
struct held_view {
	const struct process_view *process; /* one of the report's */
	const char *endpoint;		/* "10.0.0.5:5432/shop as app"; NULL: several, or none */
	const struct frame_view *site;	/* the owner's: one of stack; NULL not known */
	const struct frame_view *stack; /* the innermost first */
	size_t stack_count;		/* 0 not known */
	const char *test;		/* on that stack, as in a finding; NULL: none */
	uint64_t count[HELD_KINDS];	/* of bytes: their number */
};

struct held {
	struct held_view *all; /* by process as in the report; who holds most first */
	size_t count;
	struct arena *arena; /* holds all of it */
};

/* Gathers it as of the latest record.  m: the model that v was judged from; library as there, may
 * be NULL.  Both m and v must live longer than the result, whose strings are theirs.  NULL without
 * memory.  held_close frees it. */
struct held *held_open(const struct model *m, const struct report_view *v,
		       const struct site_patterns *library);
/* Accepts NULL. */
void held_close(struct held *h);

#endif
