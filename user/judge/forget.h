/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * forget.h - lets go of processes that ended long ago and have nothing to tell, so that a watch of
 * days over short programs does not grow with their number.
 */
#ifndef DBLEAK_JUDGE_FORGET_H
#define DBLEAK_JUDGE_FORGET_H

#include "user/model/model.h"

/* model_apply, and after each tick lets go of those of whom there are too many.  They stay in
 * m->forgotten.  0 or -ENOMEM. */
int judge_apply(struct model *m, const struct ev_head *record);

#endif
