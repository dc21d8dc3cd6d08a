/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * forget.h - drops processes that ended long ago without findings, so that memory does not grow
 * with the number of short programs in a watch of days.
 */
#ifndef DBLEAK_JUDGE_FORGET_H
#define DBLEAK_JUDGE_FORGET_H

#include "user/model/model.h"

/* Does model_apply, and after each tick drops ended processes beyond the limits of forget.c.
 * m->forgotten counts the dropped ones.  0 or -ENOMEM. */
int judge_apply(struct model *m, const struct ev_head *record);

#endif
