/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * present.h - the words for where threads are now: who waits, and where the holder is.
 */
#ifndef DBLEAK_REPORT_PRESENT_H
#define DBLEAK_REPORT_PRESENT_H

#include "user/judge/view.h"
#include "user/report/page.h"

/* "6 threads wait for a connection"; tasks: how many of them are tasks of an event loop. */
void words_who_waits(struct words *w, uint64_t count, uint64_t tasks);
/* "6 requests wait for an answer". */
void words_requests_wait(struct words *w, uint64_t count);
/* "6 threads wait for a connection in QueuePool, the first for 41 s, at app.py:17 request()";
 * nothing where nobody waits. */
void words_waiters(struct words *w, const struct waiters_view *v, size_t columns);
/* "its thread waits for 203.0.113.7:443 since 31 s, at billing.py:88 charge()"; nothing where that
 * is not known. */
void words_holder(struct words *w, const struct holder_view *v, size_t columns);
/* Are all lines of words_threads those of tasks? */
bool all_tasks(const struct finding_view *f);
/* "1 at billing.py:88 charge(), waiting for 203.0.113.7:443, for 31 s; ..." */
void words_threads(struct words *w, const struct finding_view *f, size_t columns);

#endif
