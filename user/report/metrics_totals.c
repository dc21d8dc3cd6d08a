/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * metrics_totals.c - see metrics_totals.h.
 */
#include "user/report/metrics_totals.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "user/base/table.h"

#define TWINS_MOST 64 /* endpoints of a process that nothing tells apart */

struct totals_entry {
	uint64_t round; /* of the last exposition that had it */
	double value[METRICS_MOST];
};

struct metrics_totals {
	struct table seen;   /* process and endpoint: its counters */
	struct table series; /* labels: their totals */
	uint64_t round;
};

struct metrics_totals *metrics_totals_open(void)
{
	return calloc(1, sizeof(struct metrics_totals));
}

void metrics_totals_close(struct metrics_totals *t)
{
	if (!t)
		return;
	table_free_values(&t->seen);
	table_free_values(&t->series);
	free(t);
}

void metrics_totals_begin(struct metrics_totals *t)
{
	t->round++;
}

static void drop_old(struct table *table, uint64_t round)
{
	struct table_walk walk = table_walk(table);
	struct table_slot *slot;

	while ((slot = table_walk_next(&walk)))
		if (((struct totals_entry *)slot->value)->round != round)
			free(table_walk_remove(&walk));
}

void metrics_totals_end(struct metrics_totals *t)
{
	drop_old(&t->seen, t->round);
	drop_old(&t->series, t->round);
}

static uint64_t text_hash(uint64_t hash, const char *s)
{
	for (; s && *s; s++)
		hash = (hash ^ (unsigned char)*s) * 0x100000001b3ULL;
	return (hash ^ 0xff) * 0x100000001b3ULL;
}

static struct totals_entry *entry_of(struct table *table, struct table_key key)
{
	struct totals_entry *e = table_get(table, key);

	if (e)
		return e;
	e = calloc(1, sizeof(*e));
	if (e && table_put(table, key, e)) {
		free(e);
		return NULL;
	}
	return e;
}

static struct totals_entry *entry_of_source(struct metrics_totals *t, enum metric_scope scope,
					    const struct metric_source *s)
{
	const struct endpoint_view *e = s->endpoint;
	struct table_key key = {
		.a = s->process->start_realtime_ns * 0x9e3779b97f4a7c15ULL + s->process->pid,
		.b = text_hash(
			text_hash(text_hash(scope * 256ULL + e->database + 1, e->address), e->name),
			e->user),
	};
	struct totals_entry *entry = NULL;

	for (unsigned int i = 0; i < TWINS_MOST; i++, key.b++) {
		entry = entry_of(&t->seen, key);
		if (!entry || entry->round != t->round)
			break;
	}
	return entry;
}

int metrics_totals_rise(struct metrics_totals *t, enum metric_scope scope,
			const struct metric_source *s, double value[METRICS_MOST])
{
	struct totals_entry *entry = entry_of_source(t, scope, s);
	size_t count;
	const struct metric_row *rows = metric_rows(scope, &count);

	if (!entry)
		return -ENOMEM;
	entry->round = t->round;
	for (size_t i = 0; i < count; i++) {
		double now = value[i];

		if (rows[i].type == METRIC_GAUGE || isnan(now))
			continue;
		value[i] = now < entry->value[i] ? now : now - entry->value[i];
		entry->value[i] = now;
	}
	return 0;
}

int metrics_totals_sum(struct metrics_totals *t, enum metric_scope scope, const char *labels,
		       double value[METRICS_MOST])
{
	struct table_key key = {text_hash(0xcbf29ce484222325ULL, labels),
				text_hash(scope + 1ULL, labels)};
	struct totals_entry *entry = entry_of(&t->series, key);
	size_t count;
	const struct metric_row *rows = metric_rows(scope, &count);

	if (!entry)
		return -ENOMEM;
	entry->round = t->round;
	for (size_t i = 0; i < count; i++) {
		if (rows[i].type == METRIC_GAUGE || isnan(value[i]))
			continue;
		entry->value[i] += value[i];
		value[i] = entry->value[i];
	}
	return 0;
}
