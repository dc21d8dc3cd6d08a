/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * metrics_item.h - lists of labelled values: those of one scope, with a value for each of its rows.
 */
#ifndef DBLEAK_REPORT_METRICS_ITEM_H
#define DBLEAK_REPORT_METRICS_ITEM_H

#include "user/report/metrics_row.h"

struct metric_item {
	char *labels;	/* without braces; the list's */
	char *semantic; /* the same for rows that OpenTelemetry names; NULL: as above */
	struct metric_source source; /* of one of those that it stands for */
	double value[METRICS_MOST];
};

/* Zeroed but for its scope is empty. */
struct metric_list {
	enum metric_scope scope;
	struct metric_item *items;
	size_t count, size;
};

void metric_list_free(struct metric_list *l);
/* Adds the values of a source; the texts are copied.  Returns them, until the list changes; NULL
 * without memory. */
struct metric_item *metric_list_add(struct metric_list *l, const char *labels, const char *semantic,
				    const struct metric_source *source);
/* Moves all items to another list of that scope.  0 or -ENOMEM, nothing being moved then. */
int metric_list_move(struct metric_list *to, struct metric_list *from);
/* Replaces the labels of an item by copies.  0 or -ENOMEM, the item staying as it was. */
int metric_item_name(struct metric_item *i, const char *labels, const char *semantic);
/* Makes one item of those with equal labels, and puts them in the order of their labels. */
void metric_list_merge(struct metric_list *l);
/* The number of values that are known. */
size_t metric_list_series(const struct metric_list *l);

#endif
