/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * block.h - the part of the text report that shows one guilty process and what it leaks.
 *
 * One entry for each cause.  Findings of one function are rows of one entry, and what is part of
 * another finding is told with it.  The labels of an entry always have the same order: where, how
 * bad, limit, database, last SQL, now, fix, evidence.  A label without content is left out, and
 * so is a sentence that has just been said of the same process.
 */
#ifndef DBLEAK_REPORT_BLOCK_H
#define DBLEAK_REPORT_BLOCK_H

#include "user/judge/view.h"
#include "user/report/page.h"

/* Prints a process whose verdict is big, stuck or leaking. all: every finding, and all it holds.
 * Returns 0 or -ENOMEM. */
int block_print(struct page *page, const struct process_view *p, bool all);

/* Prints how the memory of a process changed, and who holds it.  Nothing where it is not known. */
void block_memory(struct page *page, const struct process_view *p);

/* Prints all that was counted at each endpoint. */
void block_endpoints(struct page *page, const struct process_view *p);

/* "Memory 7.9 MB -> 27 MB", as `top` shows it (RES), or "Anonymous memory ..."; nothing where it is
 * not known. */
void words_process_memory(struct words *w, const struct process_view *p, bool anonymous);

#endif
