/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * growth_site.h - what samples say of one process: under which stacks its pages were touched, how
 * much that was, and how much of it is held.
 *
 * A sample counts once its stack is named.  Bounded: stacks beyond the most are one, without a
 * name.
 *
 * Two kinds of samples.  Those of pages say how much memory came; that it stays says who holds it,
 * but where an allocator has given it to others since.  Those of pools of Python's allocator say
 * who takes memory that was used before: they are never added, but tell whose that part of the
 * pages is by now.
 */
#ifndef DBLEAK_CAPTURE_GROWTH_SITE_H
#define DBLEAK_CAPTURE_GROWTH_SITE_H

#include "bpf/memory/pool.h"
#include "user/capture/memory/pages.h"

struct growth_sites;

/* The EV_STACK of a sample, 0 none.  0, or -EAGAIN: not yet. */
typedef int (*growth_told_fn)(void *context, uint64_t sample, uint64_t *stack);

/* 0 or -ENOMEM. */
int growth_sites_open(struct growth_sites **out, uint32_t pid, uint64_t start_ns);
/* Accepts NULL. */
void growth_sites_close(struct growth_sites *s);

/* One sample, as soon as it comes: what was put there is looked at.  0 or -ENOMEM. */
int growth_sites_add(struct growth_sites *s, const struct raw_growth *sample, pages_tenant tenant,
		     void *context);
/* A sample of a pool taken into use at an address.  1; 0: it is not to be looked for; or -ENOMEM.
 */
int growth_sites_add_pool(struct growth_sites *s, const struct raw_growth *sample, uint64_t pool);
/* What was put there, if nobody has looked yet. */
void growth_sites_see_pool(struct growth_sites *s, uint64_t pool,
			   const struct pymalloc_print *print);
/* Names what can be named; what waits longer than patience_ns never will be.  How many wait. */
size_t growth_sites_name(struct growth_sites *s, uint64_t now_ns, uint64_t patience_ns,
			 growth_told_fn told, void *context);
/* Looks for its pages, at most so many of a round.  Returns whether the round is over. */
bool growth_sites_check(struct growth_sites *s, uint64_t now_ns, size_t most, pages_look look,
			pages_tenant tenant, void *context);
/* Looks whether its pools are as they were.  reckoned: they were not looked at all the time. */
bool growth_sites_check_pools(struct growth_sites *s, uint64_t now_ns, bool reckoned, size_t most,
			      pages_look look, pages_tenant tenant, void *context);
/* As pages_next, in a callback of one of them. */
size_t growth_sites_next(const struct growth_sites *s, bool pools, uint64_t *addresses,
			 size_t most);
/* Were samples of pools thinned out since that was asked last?  Those left are told one by one. */
bool growth_sites_thinned(struct growth_sites *s);
void growth_sites_each_pool(const struct growth_sites *s, void (*fn)(void *context, uint64_t pool),
			    void *context);
/* Tells the sites that changed since they were told last. */
void growth_sites_tell(struct growth_sites *s, void (*tell)(void *, struct ev_head *),
		       void *context);

/* Bytes that a sample should stand for, at least. */
uint64_t growth_sites_least(const struct growth_sites *s);
/* Pages whose frames are not shown to us were met. */
bool growth_sites_blind(const struct growth_sites *s);

#endif
