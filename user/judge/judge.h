/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * judge.h - decides what leaks.  Reads the model, changes nothing, keeps nothing.
 */
#ifndef DBLEAK_MODEL_JUDGE_H
#define DBLEAK_MODEL_JUDGE_H

#include "user/model/model.h"
#include "user/judge/site.h"
#include "user/judge/view.h"

/* Returns the verdicts as of the latest record; NULL without memory. library: what the user calls
 * libraries besides, or NULL. view_close frees the view; the model may go on or close meanwhile. */
struct report_view *judge_view(const struct model *m, const struct site_patterns *library);

/* The same, with the explanation of each process with that pid.  These are in the view even where
 * they have neither endpoints nor findings. */
struct report_view *judge_explain(const struct model *m, const struct site_patterns *library,
				  uint32_t pid);

/* Sets for each of n processes whether it has findings, as of the latest record.  0 or -ENOMEM. */
int judge_accused(const struct model *m, const struct process_model *const *which, size_t n,
		  bool *accused);

#endif
