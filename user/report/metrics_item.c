/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * metrics_item.c - see metrics_item.h.
 */
#include "user/report/metrics_item.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void item_free(struct metric_item *i)
{
	free(i->labels);
	free(i->semantic);
}

void metric_list_free(struct metric_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		item_free(&l->items[i]);
	free(l->items);
	*l = (struct metric_list){.scope = l->scope};
}

static int make_room(struct metric_list *l, size_t more)
{
	size_t size = l->size ? l->size : 8;
	struct metric_item *items;

	while (size < l->count + more)
		size *= 2;
	if (size == l->size)
		return 0;
	items = realloc(l->items, size * sizeof(*items));
	if (!items)
		return -ENOMEM;
	l->items = items;
	l->size = size;
	return 0;
}

int metric_item_name(struct metric_item *i, const char *labels, const char *semantic)
{
	char *own = strdup(labels), *other = semantic ? strdup(semantic) : NULL;

	if (!own || (semantic && !other)) {
		free(own);
		free(other);
		return -ENOMEM;
	}
	item_free(i);
	i->labels = own;
	i->semantic = other;
	return 0;
}

struct metric_item *metric_list_add(struct metric_list *l, const char *labels, const char *semantic,
				    const struct metric_source *source)
{
	struct metric_item item = {.source = *source};
	size_t count;
	const struct metric_row *rows = metric_rows(l->scope, &count);

	if (make_room(l, 1) || metric_item_name(&item, labels, semantic))
		return NULL;
	for (size_t i = 0; i < count; i++)
		item.value[i] = rows[i].of(source);
	l->items[l->count] = item;
	return &l->items[l->count++];
}

int metric_list_move(struct metric_list *to, struct metric_list *from)
{
	if (!from->count)
		return 0;
	if (make_room(to, from->count))
		return -ENOMEM;
	memcpy(to->items + to->count, from->items, from->count * sizeof(*from->items));
	to->count += from->count;
	from->count = 0;
	return 0;
}

static int by_labels(const void *a, const void *b)
{
	const struct metric_item *x = a, *y = b;

	return strcmp(x->labels, y->labels);
}

static double merged(enum metric_merge how, double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) ? b : a;
	if (how == METRIC_SUM)
		return a + b;
	return how == METRIC_MOST ? fmax(a, b) : fmin(a, b);
}

static void item_merge(const struct metric_list *l, struct metric_item *into,
		       struct metric_item *from)
{
	size_t count;
	const struct metric_row *rows = metric_rows(l->scope, &count);

	for (size_t i = 0; i < count; i++)
		into->value[i] = merged(rows[i].merge, into->value[i], from->value[i]);
	item_free(from);
}

void metric_list_merge(struct metric_list *l)
{
	size_t kept = 0;

	if (!l->count)
		return;
	qsort(l->items, l->count, sizeof(*l->items), by_labels);
	for (size_t i = 1; i < l->count; i++) {
		if (!strcmp(l->items[kept].labels, l->items[i].labels))
			item_merge(l, &l->items[kept], &l->items[i]);
		else
			l->items[++kept] = l->items[i];
	}
	l->count = kept + 1;
}

size_t metric_list_series(const struct metric_list *l)
{
	size_t count, series = 0;

	metric_rows(l->scope, &count);
	for (size_t i = 0; i < l->count; i++)
		for (size_t k = 0; k < count; k++)
			series += !isnan(l->items[i].value[k]);
	return series;
}
