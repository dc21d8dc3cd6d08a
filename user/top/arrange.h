/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * arrange.h - rows filtered, sorted, and as a tree.
 */
#ifndef DBLEAK_TOP_ARRANGE_H
#define DBLEAK_TOP_ARRANGE_H

#include "user/top/keys.h"

/* Leaves only rows in which the filter stands: in the name, the place, the database, the guilty
 * line or its SQL, in capital or small letters. */
void arrange_filter(struct top_rows *r, const char *filter);
/* Sorts; equal rows stay in the order of urgency. */
void arrange_sort(struct top_rows *r, enum top_sort sort, bool reversed);
/* Puts processes below their parents, as far as both are there.  0 or -ENOMEM. */
int arrange_tree(struct top_rows *r);

#endif
