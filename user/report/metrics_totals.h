/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * metrics_totals.h - counters that never fall, although processes are forgotten.
 *
 * A counter of a series is the sum of what each process added since the exposition before.  So a
 * process that is dropped from the model takes nothing away, and one that moves to another series
 * ("other") is counted on there.  A series that has no process any more is forgotten itself.
 */
#ifndef DBLEAK_REPORT_METRICS_TOTALS_H
#define DBLEAK_REPORT_METRICS_TOTALS_H

#include "user/report/metrics_row.h"

struct metrics_totals;

/* NULL without memory. */
struct metrics_totals *metrics_totals_open(void);
/* Accepts NULL. */
void metrics_totals_close(struct metrics_totals *t);

/* Around each exposition; the end forgets what was not there. */
void metrics_totals_begin(struct metrics_totals *t);
void metrics_totals_end(struct metrics_totals *t);
/* Replaces the counters among the values of one process and endpoint by their rise since the last
 * exposition; once for each pair and scope.  0 or -ENOMEM. */
int metrics_totals_rise(struct metrics_totals *t, enum metric_scope scope,
			const struct metric_source *s, double value[METRICS_MOST]);
/* Replaces the rise of a series of that scope by its total.  0 or -ENOMEM. */
int metrics_totals_sum(struct metrics_totals *t, enum metric_scope scope, const char *labels,
		       double value[METRICS_MOST]);

#endif
