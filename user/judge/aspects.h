/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * aspects.h - which findings of a process tell of one and the same leak.
 *
 * A connection that is kept with its transaction open is found twice, for each half has a proof of
 * its own.  People have to be told once.
 */
#ifndef DBLEAK_JUDGE_ASPECTS_H
#define DBLEAK_JUDGE_ASPECTS_H

#include "user/judge/view.h"

/* Sets part_of of each finding that is another aspect of one before or after it; that one stands
 * for itself.  The findings must not move afterwards. */
void aspects_find(struct process_view *p);

#endif
