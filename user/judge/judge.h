/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * judge.h - decides what leaks.  Reads the model, changes nothing, keeps nothing.
 */
#ifndef DBLEAK_MODEL_JUDGE_H
#define DBLEAK_MODEL_JUDGE_H

#include "user/model/model.h"
#include "user/judge/site.h"
#include "user/judge/view.h"

/* The verdicts as of the latest record; library: what the user calls libraries, or NULL.  NULL
 * without memory.  view_close frees it; the model may go on or close meanwhile. */
struct report_view *judge_view(const struct model *m, const struct site_patterns *library);

/* Which of n processes have findings, as of the latest record.  0 or -ENOMEM. */
int judge_accused(const struct model *m, const struct process_model *const *which, size_t n,
		  bool *accused);

#endif
