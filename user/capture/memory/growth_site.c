/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * growth_site.c - see growth_site.h.
 *
 * How good are the figures?  The kernel counts what was taken in all.  Chance decides only which
 * stack gets the share of each sample, and whether that share is held.  A part p of all that was
 * taken then has a variance of (1 - p) times the sum of the squares of its weights.  In 19 of 20
 * cases the truth lies within twice the root of that, and one sample more.
 *
 * A page may stay when the object for which it was touched is gone: who holds it then?  Under
 * Python with sampled pools, the sites whose pools live: each in proportion to its pools.  All
 * together get at most FILL_MOST times what they keep in pools, for they must be able to fill it.
 * The rest, or all if there are no pools, goes to the sites whose objects live where they were put.
 *
 * An object in a pool must have lived a while, and at every look.  A result that is fetched again
 * and again looks the same each time, but is not always there.
 */
#include "user/capture/memory/growth_site.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/memory/growth_site_state.h"

#define WAITING_MOST	1024
#define PAGE_SHIFT	12
#define POOLS_MOST_EACH 512 /* each is looked at again and again, which takes time */
#define POOL_AGE_NS	2000000000ULL
#define POOL_LOOKS	3

int growth_sites_open(struct growth_sites **out, uint32_t pid, uint64_t start_ns)
{
	struct growth_sites *s = calloc(1, sizeof(*s));

	*out = s;
	if (!s)
		return -ENOMEM;
	s->pid = pid;
	s->start_ns = start_ns;
	s->pages.seed = s->pools.seed = start_ns ^ pid;
	s->pools.most = POOLS_MOST_EACH;
	s->sites = calloc(SITES_MOST, sizeof(*s->sites));
	s->waiting = calloc(WAITING_MOST, sizeof(*s->waiting));
	if (s->sites && s->waiting)
		return 0;
	growth_sites_close(s);
	*out = NULL;
	return -ENOMEM;
}

void growth_sites_close(struct growth_sites *s)
{
	if (!s)
		return;
	pages_free(&s->pages);
	pages_free(&s->pools);
	free(s->sites);
	free(s->waiting);
	free(s);
}

static void site_begin(const struct growth_sites *s, struct gsite_site *site, uint64_t stack)
{
	site->ev = (struct ev_memory_site){
		.head = {.kind = EV_MEMORY_SITE, .size = sizeof(site->ev)},
		.start_ns = s->start_ns,
		.site = stack,
		.stack = stack,
		.held_bytes = UNKNOWN64,
		.taken = UNKNOWN64,
		.freed = UNKNOWN64,
		.pid = s->pid,
		.tier = EV_TIER_GROWTH,
		.flags = EV_MEMORY_ESTIMATED,
	};
}

/* The number of a stack's site.  Stacks beyond SITES_MOST share the site without a stack. */
static uint32_t growth_site_site_of(struct growth_sites *s, uint64_t stack)
{
	if (!s->count)
		site_begin(s, &s->sites[s->count++], 0);
	for (size_t i = 0; i < s->count; i++)
		if (s->sites[i].ev.stack == stack)
			return i;
	if (s->count == SITES_MOST)
		return 0;
	site_begin(s, &s->sites[s->count], stack);
	return s->count++;
}

/* Finds the connection that most bytes belong to: each sample votes with its bytes. */
static void vote(struct gsite_site *site, uint64_t connection, uint64_t bytes)
{
	if (site->ev.connection == connection) {
		site->votes += bytes;
	} else if (site->votes >= bytes) {
		site->votes -= bytes;
	} else {
		site->ev.connection = connection;
		site->votes = bytes - site->votes;
	}
}

static void site_take(struct gsite_site *site, const struct raw_growth *sample)
{
	struct ev_memory_site *ev = &site->ev;
	bool pool = sample->head.kind == RAW_POOL;

	*(pool ? &site->pools_taken : &site->taken) += sample->bytes;
	if (!ev->first_ns || sample->head.ns < ev->first_ns)
		ev->first_ns = sample->head.ns;
	if (sample->head.ns > ev->last_ns)
		ev->last_ns = sample->head.ns;
	site->changed = true;
	if (!sample->connection || sample->head.ns - sample->message_ns > MESSAGE_REPLY_NS)
		return;
	*(pool ? &site->pools_reply : &site->reply) += sample->bytes;
	vote(site, sample->connection, sample->bytes);
}

static void growth_site_name(struct growth_sites *s, const struct raw_growth *sample,
			     uint64_t stack)
{
	uint32_t site = growth_site_site_of(s, stack);

	site_take(&s->sites[site], sample);
	pages_name(&s->pages, sample->stack, site);
	pages_name(&s->pools, sample->stack, site);
}

static void wait_for_name(struct growth_sites *s, const struct raw_growth *sample)
{
	if (!sample->stack || s->waiting_count == WAITING_MOST)
		growth_site_name(s, sample, 0);
	else
		s->waiting[s->waiting_count++] = *sample;
}

static struct sampled_page page_of(const struct raw_growth *sample, uint64_t from)
{
	return (struct sampled_page){.number = from >> PAGE_SHIFT,
				     .address = sample->address,
				     .bytes = sample->bytes,
				     .born_ns = sample->head.ns,
				     .stack = sample->stack,
				     .site = PAGES_UNNAMED};
}

int growth_sites_add(struct growth_sites *s, const struct raw_growth *sample,
		     pages_owner page_owner, void *context)
{
	struct sampled_page page = page_of(sample, sample->address);
	int err;

	page.page_owner = page_owner(context, &page);
	err = pages_add(&s->pages, &page);
	if (err)
		return err;
	wait_for_name(s, sample);
	return 0;
}

int growth_sites_add_pool(struct growth_sites *s, const struct raw_growth *sample, uint64_t pool)
{
	struct sampled_page page = page_of(sample, pool);
	int err = pages_add(&s->pools, &page);

	if (err)
		return err;
	wait_for_name(s, sample);
	return s->pools.count && s->pools.items[s->pools.count - 1].number == page.number;
}

void growth_sites_see_pool(struct growth_sites *s, uint64_t pool,
			   const struct pymalloc_print *print)
{
	for (size_t i = s->pools.count; i-- > 0;) {
		struct sampled_page *known = &s->pools.items[i];

		if (known->number != pool >> PAGE_SHIFT)
			continue;
		if (known->address == print->block && !known->looks)
			known->print = *print;
		return;
	}
}

size_t growth_sites_name(struct growth_sites *s, uint64_t now_ns, uint64_t patience_ns,
			 growth_reported_fn reported, void *context)
{
	size_t left = 0;

	for (size_t i = 0; i < s->waiting_count; i++) {
		struct raw_growth sample = s->waiting[i];
		uint64_t stack = 0;

		if (reported(context, sample.stack, &stack) == -EAGAIN &&
		    now_ns - sample.head.ns < patience_ns)
			s->waiting[left++] = sample;
		else
			growth_site_name(s, &sample, stack);
	}
	s->waiting_count = left;
	return left;
}

/* Clears what is held.  Returns how many bytes were taken in all. */
static uint64_t clear_held(struct growth_sites *s)
{
	uint64_t taken = 0;

	for (size_t i = 0; i < s->count; i++) {
		taken += s->sites[i].taken;
		s->sites[i].held = s->sites[i].samples = s->sites[i].lives = 0;
		s->sites[i].pools_kept = s->sites[i].pools_samples = 0;
		s->sites[i].squares = s->sites[i].pools_squares = 0;
	}
	return taken;
}

static void add_held(struct growth_sites *s, const struct sampled_page *page)
{
	struct gsite_site *site = page->site < s->count ? &s->sites[page->site] : NULL;

	if (!site || !page->seen || page->page_owner == PAGE_OWNER_FREED)
		return;
	site->held += page->bytes;
	site->lives += page->page_owner == PAGE_OWNER_ALIVE ? page->bytes : 0;
	site->squares += (double)page->bytes * page->bytes;
	site->samples++;
}

/* Adds up what each site keeps in pools.  Returns the sum of all. */
static uint64_t add_kept(struct growth_sites *s, uint64_t now_ns)
{
	uint64_t all = 0;

	for (size_t i = 0; i < s->pools.count; i++) {
		const struct sampled_page *pool = &s->pools.items[i];
		struct gsite_site *site = pool->site < s->count ? &s->sites[pool->site] : NULL;

		if (!site || pool->page_owner != PAGE_OWNER_ALIVE || pool->looks < POOL_LOOKS ||
		    now_ns - pool->born_ns < POOL_AGE_NS)
			continue;
		site->pools_kept += pool->bytes;
		site->pools_squares += (double)pool->bytes * pool->bytes;
		site->pools_samples++;
		all += pool->bytes;
	}
	return all;
}

/* Bytes of pages that stay although the object put there first is gone.  Later objects fill them,
 * and no page fault shows those. */
static uint64_t refilled(const struct growth_sites *s)
{
	uint64_t gone = 0;

	for (size_t i = 0; i < s->pages.count; i++)
		if (s->pages.items[i].seen && s->pages.items[i].page_owner == PAGE_OWNER_FREED)
			gone += s->pages.items[i].bytes;
	return gone;
}

/* The part of the refilled bytes that a site holds: first by its pools, and of what pools do not
 * explain, by its objects that live where they were put. */
static uint64_t fill_of(const struct gsite_site *site, uint64_t gone, uint64_t lives, uint64_t kept)
{
	double reported = gone < FILL_MOST * kept ? gone : FILL_MOST * kept;

	return (kept ? reported / kept * site->pools_kept : 0) +
	       (lives ? (gone - reported) / lives * site->lives : 0);
}

/* The error of a sum, from samples that make up `part` of `all`. */
static double error_of(double part, double all, double squares, uint64_t samples)
{
	double mean = samples ? part / samples : 0;
	double rest = 1 - part / (all + mean + 1);

	return mean + 2 * sqrt((rest > 0 ? rest : 0) * squares);
}

static uint64_t reply_of(const struct gsite_site *site, uint64_t fill)
{
	double share = site->pools_taken ? (double)site->pools_reply / site->pools_taken : 0;

	return site->reply + share * fill;
}

static void sum_site(struct gsite_site *site, uint64_t fill, uint64_t taken, uint64_t kept,
		     bool reckoned)
{
	struct ev_memory_site *ev = &site->ev;
	double error;

	if (site->held > site->taken) /* thinning may raise it by chance */
		site->held = site->taken;
	error = error_of(site->held, taken, site->squares, site->samples);
	if (site->pools_kept)
		error += error_of(site->pools_kept, kept, site->pools_squares,
				  site->pools_samples) *
			 fill / site->pools_kept;
	else
		error *= 1 + (double)fill / (site->held + 1);
	site->changed |= ev->held_bytes != site->held + fill;
	ev->error_bytes = error;
	ev->held_bytes = site->held + fill;
	ev->taken_bytes = site->taken + fill;
	ev->reply_bytes = reply_of(site, fill);
	ev->flags |= fill && reckoned ? EV_MEMORY_WINDOWS : 0;
}

static void sum_held(struct growth_sites *s)
{
	uint64_t taken = clear_held(s), kept = add_kept(s, s->checked_ns), lives = 0, gone;

	for (size_t i = 0; i < s->pages.count; i++)
		add_held(s, &s->pages.items[i]);
	for (size_t i = 0; i < s->count; i++)
		lives += s->sites[i].lives;
	gone = refilled(s);
	for (size_t i = 0; i < s->count; i++)
		sum_site(&s->sites[i], fill_of(&s->sites[i], gone, lives, kept), taken, kept,
			 s->reckoned);
}

static void sum_taken(struct gsite_site *site)
{
	site->ev.taken_bytes = site->taken;
	site->ev.reply_bytes = site->reply;
}

bool growth_sites_check(struct growth_sites *s, uint64_t now_ns, size_t most, pages_look look,
			pages_owner page_owner, void *context)
{
	bool over = pages_check(&s->pages, now_ns, most, look, page_owner, context);

	if (over)
		s->checked_ns = now_ns;
	return over;
}

bool growth_sites_check_pools(struct growth_sites *s, uint64_t now_ns, bool reckoned, size_t most,
			      pages_look look, pages_owner page_owner, void *context)
{
	s->reckoned |= reckoned;
	return pages_check(&s->pools, now_ns, most, look, page_owner, context);
}

size_t growth_sites_next(const struct growth_sites *s, bool pools, uint64_t *addresses, size_t most)
{
	return pages_next(pools ? &s->pools : &s->pages, addresses, most);
}

bool growth_sites_thinned(struct growth_sites *s)
{
	bool thinned = s->pools.least != s->pools_least;

	s->pools_least = s->pools.least;
	return thinned;
}

void growth_sites_each_pool(const struct growth_sites *s, void (*fn)(void *context, uint64_t pool),
			    void *context)
{
	for (size_t i = 0; i < s->pools.count; i++)
		fn(context, s->pools.items[i].number << PAGE_SHIFT);
}

void growth_sites_tell(struct growth_sites *s, void (*tell)(void *, struct ev_head *),
		       void *context)
{
	if (s->checked_ns)
		sum_held(s);
	for (size_t i = 0; i < s->count; i++) {
		struct gsite_site *site = &s->sites[i];

		if (!s->checked_ns)
			sum_taken(site);
		if (!site->changed || !site->ev.taken_bytes)
			continue;
		site->changed = false;
		tell(context, &site->ev.head);
	}
}

uint64_t growth_sites_least(const struct growth_sites *s)
{
	return s->pages.least;
}

bool growth_sites_blind(const struct growth_sites *s)
{
	return s->pages.blind;
}
