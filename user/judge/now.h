/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * now.h - what somebody on call can do about a finding now, who cannot change the code.
 *
 * Names what ends the harm and what that does; never a thing that dbleak does itself.
 */
#ifndef DBLEAK_JUDGE_NOW_H
#define DBLEAK_JUDGE_NOW_H

#include "user/judge/view.h"
#include "user/base/table.h"

/* Returns one sentence without a full stop, in the arena or constant; NULL without memory. */
const char *now_for(struct arena *a, const struct process_view *p, const struct finding_view *f);

#endif
