/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * metrics_fit.h - makes a bounded number of series of a view: processes with equal names are one
 * client, the most urgent clients come first, and the rest is summed as "other".
 */
#ifndef DBLEAK_REPORT_METRICS_FIT_H
#define DBLEAK_REPORT_METRICS_FIT_H

#include "user/report/metrics_item.h"
#include "user/report/metrics_totals.h"

#define METRICS_SERIES 5000 /* of one exposition, those of dbleak itself included */

struct metrics_fit {
	struct metric_list lists[METRIC_SCOPES]; /* that of METRIC_SELF stays empty */
	size_t dropped;				 /* series that are part of "other" */
};

/* Fills it; metrics_fit_free frees it, also after an error.  totals: see metrics_totals.h.  0 or
 * -ENOMEM. */
int metrics_fit(struct metrics_fit *out, const struct report_view *v,
		struct metrics_totals *totals);
void metrics_fit_free(struct metrics_fit *f);

#endif
