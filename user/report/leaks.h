/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * leaks.h - the findings of a report as one list, the worst first: what CI and scripts are told.
 *
 * A finding that is part of another one is told with that.  The same leak in many processes of one
 * program, as in the workers of a server, is one entry: its fingerprint and line are the same.
 */
#ifndef DBLEAK_REPORT_LEAKS_H
#define DBLEAK_REPORT_LEAKS_H

#include "user/judge/view.h"
#include "user/report/page.h"

struct leak {
	const struct process_view *process; /* the first that has it */
	const struct finding_view *finding; /* its finding, the worst of the processes' */
	size_t processes;		    /* that have it */
	struct finding_view sum;	    /* that finding with the objects of all of them */
};

/* The caller frees the array, the view owns the rest.  NULL without memory. */
struct leak *leaks_list(const struct report_view *v, size_t *count);

/* "12 connections leaked, all inside an open transaction, in 3 processes" */
void words_leak(struct words *w, const struct leak *l);

/* "/srv/app/report.py:42 monthly()"; "unknown" where nobody knows. */
void words_leak_line(struct words *w, const struct leak *l);

/* The name of its rule, which stays: "dbleak/unclosed-connection". */
void words_rule(struct words *w, enum cause cause);

/* Where it was acquired, as source: site, or the first frame with a file.  NULL: none has one. */
const struct frame_view *leak_frame(const struct leak *l);

/* The part of an absolute path below a root folder (no slash at its end); NULL: it is not there,
 * or root is NULL. */
const char *path_below(const char *path, const char *root);

#endif
