/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * block.h - the part of the text report that shows one guilty process and what it leaks.
 *
 * It prints each finding the same way: what, where, how many, the last SQL, why we say so, and
 * what to do.  It refuses to leave out evidence.
 */
#ifndef DBLEAK_REPORT_BLOCK_H
#define DBLEAK_REPORT_BLOCK_H

#include <stdbool.h>

#include "user/judge/view.h"
#include "user/report/page.h"

/* A process whose verdict is big, stuck or leaking.  all: every finding, and all it holds. */
void block_print(struct page *page, const struct process_view *p, bool all);

/* How its memory went; all: and who holds it.  Nothing where it was not told. */
void block_memory(struct page *page, const struct process_view *p, bool all);

/* All that was counted at each endpoint. */
void block_endpoints(struct page *page, const struct process_view *p);

#endif
