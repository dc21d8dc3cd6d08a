/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * collections.c - see collections.h.
 */
#include "user/model/collections.h"

void collections_apply(struct collections_model *c, const struct ev_collections *ev)
{
	size_t last = (c->marked - 1) % COLLECTION_MARKS;

	c->state = *ev;
	if (c->marked && c->marks[last].full == ev->full)
		return;
	c->marks[c->marked++ % COLLECTION_MARKS] = (struct collection_mark){.ns = ev->head.ns,
									    .full = ev->full};
}

bool collections_are_hidden(const struct collections_model *c)
{
	return c->state.head.size && c->state.collector == EV_COLLECTOR_UNKNOWN;
}

bool collections_are_counted(const struct collections_model *c)
{
	return c->state.collector != EV_COLLECTOR_UNKNOWN &&
	       !(c->state.flags & EV_COLLECTIONS_STOPPED);
}

uint64_t collections_full_since(const struct collections_model *c, uint64_t ns)
{
	uint64_t before = c->state.full;

	for (size_t i = 0; i < c->marked && i < COLLECTION_MARKS; i++)
		if (c->marks[i].ns >= ns && c->marks[i].full < before)
			before = c->marks[i].full;
	return c->state.full - before;
}

bool collections_none_since(const struct collections_model *c, uint64_t ns)
{
	uint64_t last = c->state.collector == EV_COLLECTOR_PYTHON ? c->state.full_ns
								  : c->state.last_ns;

	return collections_are_counted(c) && last <= ns;
}
