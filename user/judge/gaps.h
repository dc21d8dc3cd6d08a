/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * gaps.h - what could not be seen, as the report tells it.
 */
#ifndef DBLEAK_JUDGE_GAPS_H
#define DBLEAK_JUDGE_GAPS_H

#include "user/judge/view.h"
#include "user/model/model.h"

struct arena;

/* Fills the gaps of the view.  0, or -1 without memory. */
int list_gaps(const struct model *m, struct arena *a, struct report_view *v);

#endif
