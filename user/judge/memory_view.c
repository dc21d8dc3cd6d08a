/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * memory_view.c - see memory_view.h.
 */
#include "user/judge/memory_view.h"

#include <string.h>

#include "user/judge/taking.h"

#define SITES_SHOWN 8 /* of each tier */

const char *memory_limit_of(struct arena *arena, const struct process_model *p)
{
	switch (p->memory.state.limit) {
	case EV_LIMIT_CGROUP:
		if (p->pod && p->pod_namespace && p->container_name)
			return arena_format(arena, "container %s of pod %s/%s", p->container_name,
					    p->pod_namespace, p->pod);
		if (p->runtime && p->container_name)
			return arena_format(arena, "%s %s", p->runtime, p->container_name);
		return p->runtime ? arena_format(arena, "its %s container", p->runtime)
				  : "its cgroup";
	case EV_LIMIT_PROCESS:
		return "the process";
	case EV_LIMIT_HOST:
		return "the host";
	default:
		return NULL;
	}
}

static const struct frame_view *frame_of(const struct rule_input *s, const struct place *p)
{
	struct frame_view *f = p ? arena_alloc(s->arena, sizeof(*f)) : NULL;

	if (f)
		frame_copy(s, p->frame, f);
	return f;
}

static struct memory_site_view memory_view_site_of(const struct rule_input *s,
						   const struct taking *t, enum ev_tier tier)
{
	return (struct memory_site_view){
		.tier = tier,
		.site = frame_of(s, t->from.place),
		.object = t->object ? arena_copy(s->arena, t->object, strlen(t->object)) : NULL,
		.held = t->held_known ? t->held : UNKNOWN64,
		.error = t->error,
		.taken_bytes = t->taken_bytes,
		.taken = t->taken,
		.freed = t->freed,
		.flags = t->flags,
	};
}

/* Returns the taking that holds most below another (NULL: of all).  Takings are sorted by growth,
 * which is not the order of what they hold. */
static const struct taking *largest_below(const struct takings *all, const struct taking *below)
{
	const struct taking *best = NULL;

	for (size_t i = 0; i < all->count; i++) {
		const struct taking *t = &all->all[i];
		bool after = !below || t->held < below->held ||
			     (t->held == below->held && t > below);

		if (after && (!best || t->held > best->held))
			best = t;
	}
	return best;
}

static int list_tier(const struct rule_input *s, struct memory_view *v, enum ev_tier tier)
{
	struct trend window = takings_window(s);
	const struct taking *t = NULL;
	struct takings all;
	int err = takings_find(s, tier, &window, &all);

	for (size_t i = 0; !err && i < SITES_SHOWN && (t = largest_below(&all, t)); i++)
		v->sites[v->site_count++] = memory_view_site_of(s, t, tier);
	takings_free(&all);
	return err;
}

int memory_describe(const struct rule_input *s)
{
	static const enum ev_tier tiers[] = {EV_TIER_FULL, EV_TIER_CLIENT, EV_TIER_GROWTH};
	const size_t n = sizeof(tiers) / sizeof(tiers[0]);
	const struct memory_model *m = &s->process->memory;
	struct memory_view *v = &s->view->memory;
	bool reported = m->state.head.ns;
	int err = 0;

	*v = (struct memory_view){.tier = reported ? m->state.tier : EV_TIER_OFF,
				  .start = m->start,
				  .end = m->end,
				  .peak = m->peak,
				  .swapped = reported ? m->state.swapped_bytes : UNKNOWN64,
				  .limit = reported ? m->state.limit_bytes : UNKNOWN64,
				  .limit_used = reported ? m->state.limit_used_bytes : UNKNOWN64,
				  .limit_kind = reported ? m->state.limit : EV_LIMIT_NONE,
				  .limit_of = memory_limit_of(s->arena, s->process)};
	if (!s->memory_site_count)
		return 0;
	v->sites = arena_alloc(s->arena, n * SITES_SHOWN * sizeof(*v->sites));
	if (!v->sites)
		return -1;
	for (size_t i = 0; i < n && !err; i++)
		err = list_tier(s, v, tiers[i]);
	return err;
}
