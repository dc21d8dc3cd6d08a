/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * growth_site.c - see growth_site.h.
 *
 * How good is it?  What was taken in all is counted by the kernel; chance decides only whose each
 * sample's share of it is, and whether that is held.  A part p of all that was taken is then known with
 * a variance of (1 - p) times the squares of its weights, and the truth is within twice the root of
 * that, and one sample more, 19 times of 20.
 */
#include "growth_site.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SITES_MOST   512
#define WAITING_MOST 1024
#define PAGE_SHIFT   12

struct site {
	struct ev_memory_site ev;
	uint64_t votes; /* for ev.connection */
	uint64_t taken, held, samples;
	uint64_t lives; /* of held: what was put there lives */
	double squares; /* of the weights of what is held */
	bool changed;
};

struct growth_sites {
	uint64_t start_ns;
	uint32_t pid;
	bool checked; /* pages were looked for */
	struct pages pages;
	struct site *sites; /* the first is of all without a stack */
	size_t count;
	struct raw_growth *waiting;
	size_t waiting_count;
};

int growth_sites_open(struct growth_sites **out, uint32_t pid, uint64_t start_ns)
{
	struct growth_sites *s = calloc(1, sizeof(*s));

	*out = s;
	if (!s)
		return -ENOMEM;
	s->pid = pid;
	s->start_ns = start_ns;
	s->pages.seed = start_ns ^ pid;
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
	free(s->sites);
	free(s->waiting);
	free(s);
}

static void site_begin(const struct growth_sites *s, struct site *site, uint64_t stack)
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

/* Beyond the most, the one without a stack. */
static uint32_t site_of(struct growth_sites *s, uint64_t stack)
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

/* The connection that most of it belongs to: each votes with its bytes. */
static void vote(struct site *site, uint64_t connection, uint64_t bytes)
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

static void site_take(struct site *site, const struct raw_growth *sample)
{
	struct ev_memory_site *ev = &site->ev;

	site->taken += sample->bytes;
	ev->taken_bytes = site->taken;
	if (!ev->first_ns || sample->head.ns < ev->first_ns)
		ev->first_ns = sample->head.ns;
	if (sample->head.ns > ev->last_ns)
		ev->last_ns = sample->head.ns;
	site->changed = true;
	if (!sample->connection || sample->head.ns - sample->said_ns > SAID_REPLY_NS)
		return;
	ev->reply_bytes += sample->bytes;
	vote(site, sample->connection, sample->bytes);
}

static void name(struct growth_sites *s, const struct raw_growth *sample, uint64_t stack)
{
	uint32_t site = site_of(s, stack);

	site_take(&s->sites[site], sample);
	pages_name(&s->pages, sample->stack, site);
}

int growth_sites_add(struct growth_sites *s, const struct raw_growth *sample,
		     pages_tenant tenant, void *context)
{
	struct page page = {.number = sample->address >> PAGE_SHIFT,
				  .address = sample->address,
				  .bytes = sample->bytes,
				  .born_ns = sample->head.ns,
				  .stack = sample->stack,
				  .site = PAGES_UNNAMED};
	int err;

	page.tenant = tenant(context, &page);
	err = pages_add(&s->pages, &page);
	if (err)
		return err;
	if (!sample->stack || s->waiting_count == WAITING_MOST)
		name(s, sample, 0);
	else
		s->waiting[s->waiting_count++] = *sample;
	return 0;
}

size_t growth_sites_name(struct growth_sites *s, uint64_t now_ns, uint64_t patience_ns,
			 growth_told_fn told, void *context)
{
	size_t left = 0;

	for (size_t i = 0; i < s->waiting_count; i++) {
		struct raw_growth sample = s->waiting[i];
		uint64_t stack = 0;

		if (told(context, sample.stack, &stack) == -EAGAIN &&
		    now_ns - sample.head.ns < patience_ns)
			s->waiting[left++] = sample;
		else
			name(s, &sample, stack);
	}
	s->waiting_count = left;
	return left;
}

/* Returns how many bytes were taken in all. */
static uint64_t clear_held(struct growth_sites *s)
{
	uint64_t taken = 0;

	for (size_t i = 0; i < s->count; i++) {
		taken += s->sites[i].taken;
		s->sites[i].held = s->sites[i].samples = s->sites[i].lives = 0;
		s->sites[i].squares = 0;
	}
	return taken;
}

static void add_held(struct growth_sites *s, const struct page *page)
{
	struct site *site = page->site < s->count ? &s->sites[page->site] : NULL;

	if (!site || !page->seen || page->tenant == PAGE_TENANT_GONE)
		return;
	site->held += page->bytes;
	site->lives += page->tenant == PAGE_TENANT_LIVES ? page->bytes : 0;
	site->squares += (double)page->bytes * page->bytes;
	site->samples++;
}

/* Pages that stay although what was put there first is gone: they are full of what came later, of
 * which no fault tells.  Whoever's objects live where they were put has filled these, too.  Returns
 * what that adds to each byte that lives. */
static double refilled(const struct growth_sites *s)
{
	uint64_t gone = 0, lives = 0;

	for (size_t i = 0; i < s->pages.count; i++)
		if (s->pages.items[i].seen && s->pages.items[i].tenant == PAGE_TENANT_GONE)
			gone += s->pages.items[i].bytes;
	for (size_t i = 0; i < s->count; i++)
		lives += s->sites[i].lives;
	return lives ? (double)gone / lives : 0;
}

static double error_of(const struct site *site, uint64_t taken)
{
	double mean = site->samples ? (double)site->held / site->samples : 0;
	double rest = 1 - site->held / (taken + mean + 1);

	return mean + 2 * sqrt((rest > 0 ? rest : 0) * site->squares);
}

static void sum_site(struct site *site, uint64_t all, double more)
{
	struct ev_memory_site *ev = &site->ev;
	uint64_t refill = more * site->lives;

	if (site->held > site->taken) /* by the luck of the draw */
		site->held = site->taken;
	site->changed |= ev->held_bytes != site->held + refill;
	ev->error_bytes = error_of(site, all) * (1 + more * site->lives / (site->held + 1));
	ev->held_bytes = site->held + refill;
	ev->taken_bytes = site->taken + refill;
}

static void sum_held(struct growth_sites *s)
{
	uint64_t all = clear_held(s);
	double more;

	for (size_t i = 0; i < s->pages.count; i++)
		add_held(s, &s->pages.items[i]);
	more = refilled(s);
	for (size_t i = 0; i < s->count; i++)
		sum_site(&s->sites[i], all, more);
}

void growth_sites_check(struct growth_sites *s, uint64_t now_ns, pages_look look,
			pages_tenant tenant, void *context)
{
	pages_check(&s->pages, now_ns, look, tenant, context);
	s->checked = true;
}

void growth_sites_tell(struct growth_sites *s, void (*tell)(void *, struct ev_head *),
		       void *context)
{
	if (s->checked)
		sum_held(s);
	for (size_t i = 0; i < s->count; i++) {
		struct site *site = &s->sites[i];

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
