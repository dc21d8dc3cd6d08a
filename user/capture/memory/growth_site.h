/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * growth_site.h - what samples show of one process: under which stacks its pages were touched, how
 * much that was, and how much of it is held.
 *
 * A sample counts once its stack is named.  The number of stacks is bounded: those beyond it count
 * as one, without a name.
 *
 * Samples come in two kinds.  Samples of pages show how much memory came.  A page that stays shows
 * who holds it, unless an allocator has given its memory to others since.  Samples of pools of
 * Python's allocator show who takes memory that was used before.  Their bytes are never added: they
 * decide whose the reused part of the pages is by now.
 */
#ifndef DBLEAK_CAPTURE_GROWTH_SITE_H
#define DBLEAK_CAPTURE_GROWTH_SITE_H

#include "bpf/memory/pool.h"
#include "user/capture/memory/pages.h"

struct growth_sites;

/* Finds the EV_STACK of a sample; *stack 0: none.  0; or -EAGAIN: not yet. */
typedef int (*growth_reported_fn)(void *context, uint64_t sample, uint64_t *stack);

/* 0 or -ENOMEM. */
int growth_sites_open(struct growth_sites **out, uint32_t pid, uint64_t start_ns);
/* Accepts NULL. */
void growth_sites_close(struct growth_sites *s);

/* Adds a sample as soon as it comes, since the object at its address is looked at now.  0 or
 * -ENOMEM. */
int growth_sites_add(struct growth_sites *s, const struct raw_growth *sample,
		     pages_owner page_owner, void *context);
/* Adds a sample of a pool that was taken into use.  1; 0: it was thinned out, do not look for it;
 * or -ENOMEM. */
int growth_sites_add_pool(struct growth_sites *s, const struct raw_growth *sample, uint64_t pool);
/* Notes the first object of a pool, unless the pool was looked at already. */
void growth_sites_see_pool(struct growth_sites *s, uint64_t pool,
			   const struct pymalloc_print *print);
/* Names the samples that can be named; one that waits longer than patience_ns stays without a name.
 * Returns how many wait. */
size_t growth_sites_name(struct growth_sites *s, uint64_t now_ns, uint64_t patience_ns,
			 growth_reported_fn reported, void *context);
/* Looks for the pages, at most `most` of a round.  Returns whether the round is over. */
bool growth_sites_check(struct growth_sites *s, uint64_t now_ns, size_t most, pages_look look,
			pages_owner page_owner, void *context);
/* Looks whether the pools are as they were. reckoned: they were sampled for a part of the time, and
 * the figures are extrapolated. */
bool growth_sites_check_pools(struct growth_sites *s, uint64_t now_ns, bool reckoned, size_t most,
			      pages_look look, pages_owner page_owner, void *context);
/* As pages_next, from within a callback of growth_sites_check or growth_sites_check_pools. */
size_t growth_sites_next(const struct growth_sites *s, bool pools, uint64_t *addresses,
			 size_t most);
/* growth_sites_thinned: whether samples of pools were thinned out since the last call.
 * growth_sites_each_pool calls fn for each pool that is left. */
bool growth_sites_thinned(struct growth_sites *s);
void growth_sites_each_pool(const struct growth_sites *s, void (*fn)(void *context, uint64_t pool),
			    void *context);
/* Reports the sites that changed since the last report. */
void growth_sites_tell(struct growth_sites *s, void (*tell)(void *, struct ev_head *),
		       void *context);

/* Bytes that a sample should stand for, at least. */
uint64_t growth_sites_least(const struct growth_sites *s);
/* Whether frames of some pages are not shown to us. */
bool growth_sites_blind(const struct growth_sites *s);

#endif
