/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * judge.h - decides what leaks.  Reads the model, changes nothing, keeps nothing.
 */
#ifndef DBLEAK_MODEL_JUDGE_H
#define DBLEAK_MODEL_JUDGE_H

#include "model.h"
#include "view.h"

/* The verdicts as of the latest record.  NULL without memory.  view_close frees it; the model may
 * go on or close meanwhile. */
struct report_view *judge_view(const struct model *m);

#endif
