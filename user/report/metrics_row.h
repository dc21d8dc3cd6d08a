/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * metrics_row.h - all metrics, one row each: name, unit, meaning, and where the value comes from.
 *
 * Rows of one name stand together and differ in their label.
 */
#ifndef DBLEAK_REPORT_METRICS_ROW_H
#define DBLEAK_REPORT_METRICS_ROW_H

#include <stdbool.h>
#include <stddef.h>

#include "user/judge/view.h"

/* The thing that a metric is about. */
enum metric_scope {
	METRIC_SELF,	/* dbleak itself */
	METRIC_CLIENT,	/* processes with equal names */
	METRIC_POOL,	/* their connections to one endpoint */
	METRIC_FINDING, /* their findings of one cause at one place */
	METRIC_SERVER,	/* connections of all clients to one endpoint */
	METRIC_SCOPES,
};
/* A histogram is a row for each of its samples, all of which are counters. */
enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM };
/* How the values of several processes become one. */
enum metric_merge { METRIC_SUM, METRIC_MOST, METRIC_LEAST };

#define METRICS_MOST 24 /* rows of one scope */

/* The parts of a view that a row may read; those that its scope does not have are NULL. */
struct metric_source {
	const struct report_view *view;
	const struct process_view *process;
	const struct endpoint_view *endpoint;
	const struct finding_view *finding;
};

struct metric_row {
	const char *name; /* of a counter without _total */
	const char *unit; /* the name ends with it; NULL none */
	const char *help;
	const char *label; /* of this row alone, as name="value"; NULL none */
	const char *part;  /* of a histogram: "_bucket", "_sum" or "_count"; else NULL */
	enum metric_type type;
	enum metric_merge merge;
	bool semantic; /* named by OpenTelemetry, as its labels are */
	/* Not a number: not known, or it does not apply. */
	double (*of)(const struct metric_source *s);
};

/* The rows of a scope, at most METRICS_MOST; count is set. */
const struct metric_row *metric_rows(enum metric_scope scope, size_t *count);

#endif
