/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * metrics.h - the report for Prometheus: a bounded number of series in one of its text formats.
 *
 * Names begin with dbleak_, but for those of connection pools, which are OpenTelemetry's.  Nothing
 * is here that /report does not tell: names have lost their secrets, and no SQL is a label.
 */
#ifndef DBLEAK_REPORT_METRICS_H
#define DBLEAK_REPORT_METRICS_H

#include <stdio.h>

#include "user/judge/view.h"
#include "user/report/metrics_totals.h"

enum metrics_format {
	METRICS_PLAIN, /* text/plain; version=0.0.4 */
	METRICS_OPEN,  /* application/openmetrics-text; version=1.0.0 */
};

/* Writes one exposition of at most METRICS_SERIES series.  totals keeps its counters from falling
 * between expositions, or is NULL.  Returns 0, or -errno if it did not arrive whole. */
int report_metrics(FILE *out, const struct report_view *v, enum metrics_format format,
		   struct metrics_totals *totals);

#endif
