/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rank.h - which guilty process comes first, for it hurts first.
 *
 * The nearest limit comes first, be it the default of the database, then those that run before
 * those that have ended, the worse verdict, the faster growth, the lower pid.
 */
#ifndef DBLEAK_REPORT_RANK_H
#define DBLEAK_REPORT_RANK_H

#include <stdbool.h>

#include "user/judge/view.h"

/* Is it big, stuck or leaking? */
bool rank_is_guilty(const struct process_view *p);

/* The finding of the process whose limit is nearest; NULL: no limit is known to be reached. */
const struct finding_view *rank_nearest(const struct process_view *p);

/* Returns the guilty processes, the most urgent first, in an array that the caller frees; NULL
 * without memory.  The view owns the processes. */
const struct process_view **rank_guilty(const struct report_view *v, size_t *count);

#endif
