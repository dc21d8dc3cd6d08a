/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * line.h - how to get a source line for a finding that has none.
 */
#ifndef DBLEAK_JUDGE_LINE_H
#define DBLEAK_JUDGE_LINE_H

#include "user/judge/view.h"

/* Returns what the owner of a process of that language does to get a line; a clause without a full
 * stop, NULL: nothing is known to help.  f has no site. */
const char *line_to_get(const struct finding_view *f, enum ev_language language);

#endif
