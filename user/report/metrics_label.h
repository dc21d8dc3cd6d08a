/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * metrics_label.h - the labels of series: names of watched programs, made harmless.
 *
 * Control characters and broken UTF-8 become \xNN, as in the text report; long values lose their
 * middle.  So two names may become one text: series are told apart by their text alone.
 */
#ifndef DBLEAK_REPORT_METRICS_LABEL_H
#define DBLEAK_REPORT_METRICS_LABEL_H

#include "user/report/metrics_row.h"

#define LABELS_SIZE 16384 /* eleven values, each escaped twice, fit */

/* The label that stands for all that had no place of its own. */
#define LABEL_OTHER "other"

/* Ends with a NUL; a label that does not fit is left out. */
struct labels {
	char text[LABELS_SIZE];
	size_t used;
};

/* process="python3",script="shop.py",unit="..." of a process; empty ones are left out. */
void labels_client(struct labels *l, const struct process_view *p);
/* process="other" */
void labels_other_client(struct labels *l);
/* The labels of a pool, behind those of its client; all_others: of all pools of that database. */
void labels_pool(struct labels *l, const struct endpoint_view *e, bool all_others, bool semantic);
/* The same for a finding. */
void labels_finding(struct labels *l, const struct finding_view *f, bool all_others);

#endif
