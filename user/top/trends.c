/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * trends.c - see trends.h.
 */
#include "user/top/trends.h"

#include <stdlib.h>

#include "bpf/event.h"

#define RATE_LOOKS 10 /* a rate over fewer would jump, over more it would be late */

struct trend_row {
	uint64_t first, last; /* numbers of the looks that named it */
	uint64_t counts[TREND_LOOKS], totals[TREND_LOOKS];
};

void trends_free(struct trends *t)
{
	table_free_values(&t->rows);
	*t = (struct trends){};
}

void trends_begin(struct trends *t, double seconds)
{
	t->seconds[t->looks % TREND_LOOKS] = seconds;
	t->looks++;
}

static struct trend_row *trend_add(struct trends *t, uint64_t key)
{
	struct trend_row *row = t->rows.count < TREND_ROWS ? calloc(1, sizeof(*row)) : NULL;

	if (!row)
		return NULL;
	row->first = t->looks;
	if (!table_put(&t->rows, (struct table_key){.a = key}, row))
		return row;
	free(row);
	return NULL;
}

static uint64_t sum_known(uint64_t a, uint64_t b)
{
	return a == UNKNOWN64 || b == UNKNOWN64 ? UNKNOWN64 : a + b;
}

void trends_add(struct trends *t, uint64_t key, uint64_t count, uint64_t total)
{
	struct trend_row *row = table_get(&t->rows, (struct table_key){.a = key});
	size_t at = (t->looks - 1) % TREND_LOOKS;

	if (!row)
		row = trend_add(t, key);
	if (!row)
		return;
	if (row->last == t->looks) {
		row->counts[at] = sum_known(row->counts[at], count);
		row->totals[at] = sum_known(row->totals[at], total);
		return;
	}
	row->last = t->looks;
	row->counts[at] = count;
	row->totals[at] = total;
}

void trends_end(struct trends *t)
{
	struct table_walk walk = table_walk(&t->rows);
	const struct table_slot *slot;

	while ((slot = table_walk_next(&walk))) {
		const struct trend_row *row = slot->value;

		if (row->last != t->looks)
			free(table_walk_remove(&walk));
	}
}

/* The sum opened until a look: nothing before the row was there. */
static uint64_t total_at(const struct trend_row *row, uint64_t look)
{
	return look < row->first ? 0 : row->totals[(look - 1) % TREND_LOOKS];
}

double trends_rate(const struct trends *t, uint64_t key)
{
	const struct trend_row *row = table_get(&t->rows, (struct table_key){.a = key});
	uint64_t from = t->looks > RATE_LOOKS ? t->looks - RATE_LOOKS : 1;
	uint64_t now, before;
	double seconds;

	if (!row)
		return -1;
	if (row->first > 1 && from < row->first - 1)
		from = row->first - 1;
	if (from >= t->looks)
		return -1;
	now = total_at(row, t->looks);
	before = total_at(row, from);
	seconds = t->seconds[(t->looks - 1) % TREND_LOOKS] - t->seconds[(from - 1) % TREND_LOOKS];
	if (now == UNKNOWN64 || before == UNKNOWN64 || now < before || !(seconds > 0))
		return -1;
	return (double)(now - before) / seconds;
}

size_t trends_counts(const struct trends *t, uint64_t key, uint64_t *counts, size_t most)
{
	const struct trend_row *row = table_get(&t->rows, (struct table_key){.a = key});
	uint64_t have = row ? t->looks - row->first + 1 : 0;

	if (have > TREND_LOOKS)
		have = TREND_LOOKS;
	if (have > most)
		have = most;
	for (uint64_t i = 0; i < have; i++)
		counts[i] = row->counts[(t->looks - have + i) % TREND_LOOKS];
	return have;
}
