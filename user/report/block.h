/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * block.h - the part of the text report that shows one guilty process and what it leaks.
 *
 * Prints each finding the same way: what, where, how many, the last SQL, why dbleak says so, and
 * what to do.  Refuses to leave out evidence.
 */
#ifndef DBLEAK_REPORT_BLOCK_H
#define DBLEAK_REPORT_BLOCK_H

#include <stdbool.h>

#include "user/judge/view.h"
#include "user/report/page.h"

/* Prints a process whose verdict is big, stuck or leaking. all: every finding, and all it holds. */
void block_print(struct page *page, const struct process_view *p, bool all);

/* Prints how the memory of a process changed; all: also who holds it.  Nothing where it is not
 * known. */
void block_memory(struct page *page, const struct process_view *p, bool all);

/* Prints all that was counted at each endpoint. */
void block_endpoints(struct page *page, const struct process_view *p);

#endif
