/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * growth.c - tells how the memory of each process moves.
 */
#include "growth.h"

#include <errno.h>
#include <stdlib.h>

#include "../base/table.h"
#include "limit.h"

#define STEP_BYTES (64 << 10) /* smaller moves are not told */

struct grower { /* a process looked at */
	struct ev_memory told;
};

struct growth {
	struct growth_host host;
	struct limits *limits;
	struct table growers; /* struct grower, by pid and start */
};

int growth_open(struct growth **out, const struct growth_host *host)
{
	struct growth *g = calloc(1, sizeof(*g));
	int err;

	*out = NULL;
	if (!g)
		return -ENOMEM;
	g->host = *host;
	err = limits_open(&g->limits, host->procfs, host->cgroups);
	if (err) {
		growth_close(g);
		return err;
	}
	*out = g;
	return 0;
}

void growth_close(struct growth *g)
{
	struct table_slot *slot;
	size_t at = 0;

	if (!g)
		return;
	while ((slot = table_next(&g->growers, &at)))
		free(slot->value);
	table_free(&g->growers);
	limits_close(g->limits);
	free(g);
}

static struct grower *grower_of(struct growth *g, uint32_t pid, uint64_t start_ns)
{
	struct table_key key = {pid, start_ns};
	struct grower *found = table_get(&g->growers, key);

	if (found)
		return found;
	found = calloc(1, sizeof(*found));
	if (!found || table_put(&g->growers, key, found)) {
		free(found);
		return NULL;
	}
	return found;
}

void growth_look(struct growth *g)
{
	limits_begin(g->limits);
}

static bool moved(uint64_t before, uint64_t after)
{
	return before > after ? before - after >= STEP_BYTES : after - before >= STEP_BYTES;
}

void growth_usage(struct growth *g, uint32_t pid, uint64_t start_ns,
		  const struct process_usage *usage)
{
	struct grower *p = grower_of(g, pid, start_ns);
	struct ev_memory ev = {.head = {.kind = EV_MEMORY, .size = sizeof(ev)},
			       .start_ns = start_ns,
			       .anonymous_bytes = usage->anonymous_bytes,
			       .swapped_bytes = usage->swapped_bytes,
			       .file_bytes = usage->file_bytes,
			       .pid = pid,
			       .tier = EV_TIER_GROWTH};
	struct limit limit;

	if (!p || (p->told.pid && !moved(p->told.anonymous_bytes, ev.anonymous_bytes) &&
		   !moved(p->told.swapped_bytes, ev.swapped_bytes) &&
		   !moved(p->told.file_bytes, ev.file_bytes)))
		return;
	limit = limits_nearest(g->limits, pid, usage);
	ev.limit_bytes = limit.bytes;
	ev.limit_used_bytes = limit.used;
	ev.limit = limit.kind;
	p->told = ev;
	g->host.tell(g->host.context, &ev.head);
}
