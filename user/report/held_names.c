/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * held_names.c - see held_names.h.
 */
#include "user/report/held_names.h"

#include "user/report/where.h"

const char *held_name(enum held_kind kind)
{
	static const char *const names[HELD_KINDS] = {
		[HELD_CONNECTIONS] = "connections",
		[HELD_TRANSACTIONS] = "transactions",
		[HELD_STATEMENTS] = "statements",
		[HELD_BYTES] = "bytes",
	};

	return names[kind];
}

static enum held_kind kind_of(enum resource r)
{
	switch (r) {
	case RESOURCE_TRANSACTION:
		return HELD_TRANSACTIONS;
	case RESOURCE_STATEMENT:
		return HELD_STATEMENTS;
	case RESOURCE_RESULT:
	case RESOURCE_MEMORY:
		return HELD_BYTES;
	default:
		return HELD_CONNECTIONS;
	}
}

uint64_t held_sum(const struct held *h, enum held_kind kind)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < h->count; i++)
		sum += h->all[i].count[kind];
	return sum;
}

/* The report lists what is worst first. */
enum held_kind held_worst(const struct report_view *v, const struct held *h)
{
	for (size_t i = 0; i < v->process_count; i++)
		for (size_t k = 0; k < v->processes[i].finding_count; k++) {
			enum held_kind kind = kind_of(v->processes[i].findings[k].resource);

			if (held_sum(h, kind))
				return kind;
		}
	for (int kind = 0; kind < HELD_KINDS; kind++)
		if (held_sum(h, kind))
			return kind;
	return HELD_CONNECTIONS;
}

const struct frame_view held_no_stack = {.function = "no stack is known"};

void words_held_frame(struct words *w, const struct frame_view *f)
{
	if (f->file || f->module)
		words_line(w, f, SIZE_MAX);
	else
		words_add(w, "%s", f->function ? f->function : "?");
}
