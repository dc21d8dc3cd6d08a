/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * baseline.h - the leaks that are known already: a former report, or a list of fingerprints.
 *
 * Who begins to look for leaks in an old program has many at once.  With a baseline only new ones
 * fail.  A known one stays in the report, marked.
 */
#ifndef DBLEAK_JUDGE_BASELINE_H
#define DBLEAK_JUDGE_BASELINE_H

#include <stddef.h>

#include "user/judge/view.h"

#define BASELINE_BYTES_MOST (16U << 20) /* of a file */

struct baseline;

/* Reads the bytes of a JSON report (dbleak.report/1), or of a text: of each line the word of 16
 * hexadecimal digits counts, '#' begins a comment.  So the lines of --brief are one, too.  NULL:
 * it is none, and *why tells, with *line (0: no line is to blame). */
struct baseline *baseline_read(const char *bytes, size_t length, const char **why, size_t *line);
/* Accepts NULL. */
void baseline_free(struct baseline *b);

/* Marks the findings of a view that the judge has built, and counts them in its baseline.  0 or
 * -ENOMEM.  The baseline may be freed before the view.  NULL: nothing is marked. */
int baseline_mark(const struct baseline *b, struct report_view *v);

#endif
