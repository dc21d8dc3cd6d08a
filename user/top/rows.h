/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rows.h - the rows of the live table: a view by process, line, database or container.
 *
 * Rows point into the view and are good as long as it is.  Nothing is judged here.
 */
#ifndef DBLEAK_TOP_ROWS_H
#define DBLEAK_TOP_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/judge/view.h"
#include "user/top/trends.h"

/* The subject of a row. */
enum top_by { TOP_BY_PROCESS, TOP_BY_SITE, TOP_BY_ENDPOINT, TOP_BY_CONTAINER, TOP_BYS };

#define ROW_NAME_COLUMNS 64
#define ROW_NAME	 (4 * ROW_NAME_COLUMNS + 1)

struct top_row {
	uint64_t key; /* the same in later views; not 0 */
	enum top_by by;
	char name[ROW_NAME]; /* escaped */
	size_t name_head;    /* bytes of it that name a process alone, where room is short */
	uint32_t pid;	     /* of a process; else 0 */
	uint64_t open, idle, in_transaction, waiting;
	uint64_t opened;       /* since the watch began; UNKNOWN64 */
	double per_second;     /* opened a second; < 0 not known */
	double oldest_seconds; /* the longest idle, or the oldest accused; < 0 not known */
	uint64_t memory;       /* bytes; UNKNOWN64 */
	enum verdict verdict;
	bool ended;			    /* all its processes have */
	size_t urgency;			    /* 0: comes first; see rank.h */
	size_t processes;		    /* that it is of */
	const struct process_view *process; /* the most urgent of them */
	const struct finding_view *finding; /* the worst; NULL: none */
	unsigned int depth;		    /* in the tree */
};

struct top_rows {
	struct top_row *rows;
	size_t count, room;
};

void rows_free(struct top_rows *r);

/* The processes of the view, the most urgent first: guilty ones by rank, then those that wait, then
 * the ones with most connections.  An array that the caller frees; NULL without memory. */
const struct process_view **rows_order(const struct report_view *v);

/* Fills r anew with the rows of the view, in the order of urgency.  order: of rows_order.  inside:
 * only what is in that row, of the kind `within`; 0: all.  0 or -ENOMEM. */
int rows_fill(struct top_rows *r, const struct report_view *v,
	      const struct process_view *const *order, enum top_by by, enum top_by within,
	      uint64_t inside);

/* Takes a look at all kinds of rows into the trends, and rates out of them. */
int rows_look(struct trends *t, const struct report_view *v,
	      const struct process_view *const *order);
void rows_rate(struct top_rows *r, const struct trends *t);

/* The keys of rows. */
uint64_t row_key_of_process(const struct process_view *p);

#endif
