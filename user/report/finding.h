/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * finding.h - the sentences about one finding: what leaks, how sure that is, how bad, until when.
 *
 * Writes words and prints nothing.  Tenses follow the process: past for one that has ended.
 */
#ifndef DBLEAK_REPORT_FINDING_H
#define DBLEAK_REPORT_FINDING_H

#include "user/judge/view.h"
#include "user/report/page.h"

/* Is the finding about memory itself?  Memory of objects is counted in findings about them. */
bool finding_is_memory(const struct finding_view *f);

/* "12 connections leaked, all inside an open transaction" */
void words_finding(struct words *w, const struct finding_view *f, bool exited);
/* The same where no verdict stands beside it: "STUCK: 1 transaction is open and idle". */
void words_headline(struct words *w, const struct finding_view *f, bool exited);

/* "certain, on every call", and whether the baseline knows it */
void words_sure(struct words *w, const struct finding_view *f);

/* "+61 per minute. 13 opened, 0 closed, 12 leaked, 1 not judged. Oldest: 10 s" */
void words_how_bad(struct words *w, const struct finding_view *f);

/* "128 begun, 103 ended": nothing where either is not known. */
void words_balance(struct words *w, const struct finding_view *f);

/* "+61 per minute", or in brief "+61/min": nothing where it is not known. */
void words_rate(struct words *w, const struct finding_view *f, bool brief);

/* "docker web1 is out of memory in 3.5 min", of a finding whose limit is known. */
void words_limit_met(struct words *w, const struct finding_view *f);

/* ", about 22:17 UTC": a time on the host's clock, and how far off it is; 0: nothing. */
void words_clock(struct words *w, uint64_t realtime_ns, double seconds);

/* The limit, how much of it is used, and when it is reached; nothing where none is near. */
void words_limit(struct words *w, const struct process_view *p, const struct finding_view *f);

/* "leaked", "not freed": what is wrong with the objects of that resource. */
const char *finding_left(const struct finding_view *f);

/* "connections", "memory": what a finding is about, in a list. */
const char *finding_noun(const struct finding_view *f);

#endif
