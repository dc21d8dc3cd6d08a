/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * timeline.h - the lives of connections over the window, and the memory of each process.
 *
 * Shows and accuses nobody.  Bounded: of more than TIMELINE_MOST lives, those that say most are
 * kept.  An open one says more than a closed one, a long life more than a short one.  The rest is
 * counted.
 */
#ifndef DBLEAK_JUDGE_TIMELINE_H
#define DBLEAK_JUDGE_TIMELINE_H

#include "user/judge/site.h"
#include "user/judge/view.h"

#define TIMELINE_MOST	     10000
#define TIMELINE_STACKS_MOST 4096 /* lives beyond have no place */

struct model;

/* A call stack, each once. */
struct timeline_stack {
	const struct frame_view *const *frames; /* innermost first */
	size_t count;
	const struct frame_view *site; /* one of frames, the owner's; NULL not known */
	size_t number;		       /* from 0, in order of appearance */
};

enum life_flag {
	LIFE_OPEN = 1,	   /* at the end of the window */
	LIFE_EARLIER = 2,  /* opened before the window */
	LIFE_EXIT = 4,	   /* closed by the end of its process, or on the way there */
	LIFE_WROTE = 8,	   /* its open transaction has changed rows */
	LIFE_HIDDEN = 16,  /* encrypted or unreadable: only birth and end are sure */
	LIFE_HUNG_UP = 32, /* the server has closed its end */
	LIFE_BEGUN = 64,   /* the begin of its transaction was not seen: transaction is a guess */
};

/* Times in seconds since the start of the window; < 0: never, or not known.  What came before the
 * window is 0. */
struct life_view {
	double born, used, closed;
	double transaction; /* begin of the transaction that is open, or was at the end */
	double waiting;	    /* since when a request has no answer */
	uint32_t tid;	    /* of the opener; 0 not known */
	uint32_t flags;	    /* enum life_flag */
	uint64_t requests;
	size_t endpoint; /* of the process's view; SIZE_MAX not known */
	const struct timeline_stack *opened_at, *begun_at; /* NULL not known */
	const char *sql; /* of the last request, sql_length bytes; NULL not known */
	size_t sql_length;
};

struct timeline_process {
	const struct process_view *process;
	struct life_view *lives; /* by birth */
	size_t life_count;
	uint64_t left_out; /* lives known of, and not kept */
	double ended;	   /* < 0: it runs */
	/* anonymous memory: the least in each interval, in bytes */
	uint64_t memory[64];
	size_t memory_count;
	double memory_start, memory_width;
};

struct timeline {
	struct timeline_process *all; /* as in the view */
	size_t count, stack_count;
	uint64_t left_out; /* of all */
	struct arena *arena;
};

/* NULL without memory.  The model and the view must live longer. */
struct timeline *timeline_open(const struct model *m, const struct report_view *v,
			       const struct site_patterns *library);
void timeline_close(struct timeline *t);

#endif
