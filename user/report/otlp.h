/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * otlp.h - findings as log records of OpenTelemetry (OTLP/HTTP with JSON): one record for each that
 * is new, changed or has ended since the last look.
 */
#ifndef DBLEAK_REPORT_OTLP_H
#define DBLEAK_REPORT_OTLP_H

#include <stdio.h>

#include "user/judge/view.h"
#include "user/report/changes.h"

/* A change of a finding, for a while: told is a copy, the others point into the view. */
struct otlp_item {
	enum change_kind event;
	const struct process_view *process; /* NULL with finding: the view has them no more */
	const struct finding_view *finding;
	struct told_finding told;
};

/* Zeroed is empty. */
struct otlp_items {
	struct otlp_item *items; /* the holder frees it */
	size_t count, size;
};

/* Keeps a change of a finding.  0 or -ENOMEM. */
int otlp_items_add(struct otlp_items *out, const struct change *c);

/* Writes one ExportLogsServiceRequest, in ASCII.  0, or -errno if it did not arrive whole. */
int report_otlp(FILE *out, const struct report_view *v, const struct otlp_item *items,
		size_t count);

#endif
