/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * growth.c - which processes are sampled because they grow, and for how long.
 *
 * A process becomes a suspect when its anonymous memory, swapped out or not, is SUSPECT_BYTES above
 * its lowest.  It stays one until it has reached no new height for CALM_NS.  A process that starts
 * while dbleak watches has 0 as its lowest.  The probe of page faults is attached while there is a
 * suspect.  A suspect that runs Python also gets the probe of its allocator's pools.
 */
#include "user/capture/memory/growth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/file.h"
#include "bpf/stack/raw_stack.h"
#include "user/base/table.h"
#include "user/capture/memory/growth_site.h"
#include "user/capture/memory/huge.h"
#include "user/capture/kernel/kernel_growth.h"
#include "user/capture/host/limit.h"
#include "user/capture/memory/pools.h"
#include "user/capture/stack/reader.h"
#include "user/system/clock.h"
#include "user/system/debug.h"

#define SECOND_NS	  1000000000ULL
#define STEP_BYTES	  (64 << 10)  /* smaller changes are not reported */
#define SUSPECT_BYTES	  (2 << 20)   /* above its lowest */
#define HEIGHT_BYTES	  (256 << 10) /* by which a new height exceeds the old */
#define CALM_NS		  (20 * SECOND_NS)
#define IDLE_NS		  (5 * SECOND_NS)
#define PATIENCE_NS	  (5 * SECOND_NS) /* for the name of a stack */
#define GAP_NS		  10000000ULL	  /* between two samples of all processes: 100 a second */
#define GAP_EAGER_NS	  3000000ULL	  /* where programs are short */
#define GAP_MOST_NS	  200000000ULL	  /* of one process */
#define LEAST_PAGES	  48		  /* between two samples, on average */
#define TELL_NS		  SECOND_NS
#define CHECK_SHARE	  100 /* looking for pages takes at most one part in so many of our time */
#define CHECK_SHARE_EAGER 25
#define CHECK_SHARE_POOLS 25 /* of all processes together */
#define POOLS_AHEAD	  4
#define PAGES_AT_ONCE	  64		   /* of a process, looked at in one go */
#define STEP_NS		  20000000ULL	   /* of one step: then others have their turn */
#define LAST_CHECK_NS	  (SECOND_NS / 10) /* of a process, at the end */
#define PAGE_BYTES	  4096
#define POOLS_LOOK_NS	  (SECOND_NS / 5) /* at least, and by chance up to three times as long */

enum growth_gap_kind { GAP_PROBE = 1, GAP_ROOM = 2, GAP_PAGES = 4, GAP_FRAMES = 8, GAP_SIZES = 16 };

struct grower { /* a process looked at */
	uint32_t pid;
	uint64_t start_ns;
	struct ev_memory reported;
	uint64_t low, high;	    /* bytes */
	uint64_t rose_ns;	    /* when it reached its height */
	uint64_t check_ns, tell_ns; /* when its pages are looked for next, its sites told */
	uint64_t pools_ns;	    /* the same for its pools */
	struct growth_sites *sites; /* NULL: it was no suspect yet */
	bool sampled, gone;
	bool fresh; /* sampled, but not yet asked which connections its threads used before */
};

struct growth {
	struct growth_host host;
	struct kernel_growth *kernel; /* NULL: sizes alone */
	struct pools *pools;	      /* NULL: pools are not sampled */
	uint64_t pools_ns;	      /* when they are due */
	uint64_t random;
	struct limits *limits;
	struct table growers; /* struct grower, by pid and start */
	size_t sampled;
	uint64_t begun_ns, idle_ns; /* idle: since when nobody is sampled */
	uint32_t batch, huge;
	uint32_t gaps; /* enum growth_gap_kind, reported */
	enum ev_tier tier;
	bool attached;
};

/* Reports a gap once for the whole host. */
static void growth_tell_gap(struct growth *g, enum growth_gap_kind kind, const char *text)
{
	struct ev_gap gap = {.head = {.kind = EV_GAP, .size = sizeof(gap)}};

	if (g->gaps & kind)
		return;
	g->gaps |= kind;
	snprintf(gap.text, sizeof(gap.text), "%s", text);
	g->host.tell(g->host.context, &gap.head);
}

/* Pages of a size between 4 KB and 2 MB come with one fault, but the stack of the next fault is
 * taken for them.  Lines are then known less well, and a gap says so. */
static void look_at_huge_pages(struct growth *g)
{
	int root = file_open_root("");

	if (root < 0)
		return;
	g->huge = huge_pages(root);
	if (huge_between(root))
		growth_tell_gap(
			g, GAP_SIZES,
			"small huge pages in use: the line of memory growth is less certain");
	close(root);
}

static void growth_attach(struct growth *g)
{
	int err;

	if (g->attached || g->gaps & GAP_PROBE)
		return;
	err = kernel_growth_attach(g->kernel, g->host.eager);
	g->attached = !err;
	if (g->attached)
		look_at_huge_pages(g);
	if (err && err != -EAGAIN) /* -EAGAIN: it is still being loaded, the next look asks again */
		growth_tell_gap(g, GAP_PROBE,
				"memory growth without source lines: this kernel does not show "
				"page faults");
}

/* Pages by which a processor may delay a count: so many, or fewer (lib/percpu_counter.c).  Before
 * 6.2 each thread delayed 64. */
static uint32_t batch_of_kernel(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t batch = 64;

	while (batch < 4096 && batch < 2 * cpus)
		batch *= 2;
	return batch;
}

static void tell_pools_gap(void *context, const char *text)
{
	struct growth *g = context;
	struct ev_gap gap = {.head = {.kind = EV_GAP, .size = sizeof(gap)}};

	snprintf(gap.text, sizeof(gap.text), "%s", text);
	g->host.tell(g->host.context, &gap.head);
}

static int open_pools(struct growth *g)
{
	const struct pools_host host = {.context = g,
					.gap = tell_pools_gap,
					.kernel = g->host.kernel,
					.procfs = g->host.procfs,
					.max_overhead = g->host.max_overhead};

	g->pools_ns = UINT64_MAX;
	return pools_open(&g->pools, &host);
}

int growth_open(struct growth **out, const struct growth_host *host)
{
	struct growth *g = calloc(1, sizeof(*g));
	int err;

	*out = NULL;
	if (!g)
		return -ENOMEM;
	g->host = *host;
	g->tier = EV_TIER_GROWTH;
	g->batch = batch_of_kernel();
	g->begun_ns = clock_boot_ns();
	err = limits_open(&g->limits, host->procfs, host->cgroups);
	if (!err && host->kernel)
		err = kernel_growth_open(&g->kernel, host->kernel);
	if (err) {
		growth_close(g);
		return err;
	}
	if (!err && g->kernel && host->readers)
		err = open_pools(g);
	if (err) {
		growth_close(g);
		return err;
	}
	if (g->kernel && host->eager)
		growth_attach(g);
	*out = g;
	return 0;
}

void growth_begin(struct growth *g)
{
	if (g->kernel)
		kernel_growth_begin(g->kernel);
}

static void grower_free(struct grower *p)
{
	growth_sites_close(p->sites);
	free(p);
}

void growth_tier(struct growth *g, enum ev_tier tier)
{
	g->tier = tier;
}

void growth_close(struct growth *g)
{
	struct table_slot *slot;
	size_t at = 0;

	if (!g)
		return;
	while ((slot = table_next(&g->growers, &at)))
		grower_free(slot->value);
	table_free(&g->growers);
	pools_close(g->pools);
	kernel_growth_close(g->kernel);
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
	found->pid = pid;
	found->start_ns = start_ns;
	found->low = start_ns > g->begun_ns ? 0 : UNKNOWN64;
	return found;
}

/* Time between two samples of one process: the processes that grow share the samples that may be
 * taken. */
static uint64_t gap(const struct growth *g)
{
	size_t sharers = g->sampled > 2 ? g->sampled : 2;
	uint64_t ns = (g->host.eager ? GAP_EAGER_NS : GAP_NS) * sharers;

	return ns < GAP_MOST_NS ? ns : GAP_MOST_NS;
}

/* Sets how closely a process is sampled: less closely once its pages were thinned out. */
static int growth_enter(struct growth *g, const struct grower *p)
{
	struct growing how = {.start_ns = p->start_ns,
			      .gap_ns = gap(g),
			      .pages = growth_sites_least(p->sites) / PAGE_BYTES,
			      .batch = g->batch,
			      .huge = g->huge};

	if (how.pages < LEAST_PAGES)
		how.pages = LEAST_PAGES;
	return kernel_growth_enter(g->kernel, p->pid, &how);
}

static void suspect(struct growth *g, struct grower *p)
{
	if (!g->kernel || p->sampled || p->gone)
		return;
	growth_attach(g);
	if (!g->attached || (!p->sites && growth_sites_open(&p->sites, p->pid, p->start_ns)))
		return;
	if (growth_enter(g, p)) {
		growth_tell_gap(g, GAP_ROOM,
				"too many processes grow at once: some have no source line");
		return;
	}
	p->sampled = p->fresh = true;
	p->rose_ns = clock_boot_ns();
	g->sampled++;
	if (!g->pools)
		return;
	pools_enter(g->pools, p->pid, p->start_ns);
	g->pools_ns = 0;
}

static void acquit(struct growth *g, struct grower *p)
{
	if (!p->sampled)
		return;
	p->sampled = false;
	if (g->pools)
		pools_leave(g->pools, p->pid);
	kernel_growth_leave(g->kernel, p->pid);
	if (!--g->sampled)
		g->idle_ns = clock_boot_ns();
}

/* Detaches the probe of page faults when no process has grown for a while. */
static void detach(struct growth *g, uint64_t now)
{
	if (!g->attached || g->sampled || g->host.eager || now - g->idle_ns < IDLE_NS)
		return;
	kernel_growth_detach(g->kernel);
	g->attached = false;
}

void growth_met(struct growth *g, uint32_t pid, uint64_t start_ns)
{
	struct grower *p = grower_of(g, pid, start_ns);

	if (p && g->host.eager)
		suspect(g, p);
}

void growth_gone(struct growth *g, uint32_t pid, uint64_t start_ns)
{
	struct grower *p = table_get(&g->growers, (struct table_key){pid, start_ns});

	if (!p)
		return;
	acquit(g, p);
	p->gone = true;
}

static void judge(struct growth *g, struct grower *p, uint64_t bytes)
{
	uint64_t now = clock_boot_ns();

	if (bytes < p->low)
		p->low = bytes;
	if (bytes > p->high + HEIGHT_BYTES) {
		p->high = bytes;
		p->rose_ns = now;
	}
	if (!p->sampled && bytes - p->low >= SUSPECT_BYTES) {
		p->high = bytes;
		suspect(g, p);
	} else if (p->sampled && !g->host.eager && now - p->rose_ns > CALM_NS) {
		p->low = bytes;
		acquit(g, p);
	}
}

bool growth_follows(const struct growth *g, uint32_t pid, uint64_t start_ns)
{
	const struct grower *p = table_get(&g->growers, (struct table_key){pid, start_ns});

	return p && p->sampled;
}

void growth_look(struct growth *g)
{
	limits_begin(g->limits);
}

static bool moved(uint64_t before, uint64_t after)
{
	return before > after ? before - after >= STEP_BYTES : after - before >= STEP_BYTES;
}

static void tell_memory(struct growth *g, struct grower *p, const struct process_usage *usage)
{
	struct ev_memory ev = {.head = {.kind = EV_MEMORY, .size = sizeof(ev)},
			       .start_ns = p->start_ns,
			       .anonymous_bytes = usage->anonymous_bytes,
			       .swapped_bytes = usage->swapped_bytes,
			       .file_bytes = usage->file_bytes,
			       .pid = p->pid,
			       .tier = g->tier};
	struct limit limit;

	/* A suspect is reported even if its size did not move: standing still counts, too. */
	if (!p->sampled && p->reported.pid && p->reported.tier == ev.tier &&
	    !moved(p->reported.anonymous_bytes, ev.anonymous_bytes) &&
	    !moved(p->reported.swapped_bytes, ev.swapped_bytes) &&
	    !moved(p->reported.file_bytes, ev.file_bytes))
		return;
	limit = limits_nearest(g->limits, p->pid, usage);
	ev.limit_bytes = limit.bytes;
	ev.limit_used_bytes = limit.used;
	ev.limit = limit.kind;
	if (limit.bytes != UNKNOWN64 &&
	    (!p->reported.pid || p->reported.limit_bytes != limit.bytes))
		debug(DEBUG_HOST, "process %u: its nearest memory limit is %llu MB, %llu MB used",
		      p->pid, (unsigned long long)limit.bytes >> 20,
		      (unsigned long long)limit.used >> 20);
	p->reported = ev;
	g->host.tell(g->host.context, &ev.head);
}

void growth_usage(struct growth *g, uint32_t pid, uint64_t start_ns,
		  const struct process_usage *usage)
{
	struct grower *p = grower_of(g, pid, start_ns);

	if (!p)
		return;
	tell_memory(g, p, usage);
	if (usage->anonymous_bytes != UNKNOWN64)
		judge(g, p,
		      usage->anonymous_bytes +
			      (usage->swapped_bytes == UNKNOWN64 ? 0 : usage->swapped_bytes));
}

struct growth_looker {
	struct growth *growth;
	const struct growth_sites *sites; /* NULL: a single sample is looked at */
	bool pools;
	int pagemap;
	struct memory memory;
};

/* Reads an entry of pagemap; 0 where nothing can be read, for nothing is mapped there. */
static uint64_t growth_look_at_page(void *context, uint64_t number)
{
	const struct growth_looker *l = context;
	uint64_t entry = 0;

	return pread(l->pagemap, &entry, sizeof(entry), number * sizeof(entry)) == sizeof(entry)
		       ? entry
		       : 0;
}

/* As pymalloc_lives, but reads the next pools along with this one. */
static int lives(const struct growth_looker *l, struct sampled_page *page)
{
	uint64_t next[POOLS_AHEAD];
	size_t n = l->sites ? growth_sites_next(l->sites, l->pools, next, POOLS_AHEAD) : 0;

	for (size_t i = 0; i < n; i++)
		next[i] &= ~(uint64_t)(PYMALLOC_POOL_MOST - 1);
	memory_look_ahead(&l->memory, next, n, PYMALLOC_POOL_MOST);
	return pymalloc_lives(&l->memory, page->address, &page->print);
}

/* Finds the state of the object for which a page was touched; known only under an interpreted
 * stack. */
static enum page_owner page_owner(void *context, struct sampled_page *page)
{
	const struct growth_looker *l = context;

	if (!(page->stack & STACK_INTERPRETED))
		return PAGE_OWNER_UNKNOWN;
	switch (lives(l, page)) {
	case 1:
		return PAGE_OWNER_ALIVE;
	case 0:
		return PAGE_OWNER_FREED;
	default:
		return page->page_owner;
	}
}

void growth_sample(struct growth *g, const struct ev_head *record)
{
	const struct raw_growth *sample = (const void *)record;
	struct grower *p = table_get(&g->growers,
				     (struct table_key){sample->pid, sample->start_ns});

	struct growth_looker l = {.pagemap = -1, .memory = memory_for_look(sample->pid, 0)};

	if (p && p->sites)
		growth_sites_add(p->sites, sample, page_owner, &l);
}

void growth_pool_seen(struct growth *g, const struct ev_head *record)
{
	const struct raw_pool_seen *seen = (const void *)record;
	struct grower *p = table_get(&g->growers, (struct table_key){seen->pid, seen->start_ns});
	uint64_t bytes = pools_bytes(g->pools, seen->pid);
	struct pymalloc_print print;

	if (p && p->sites && bytes &&
	    !pymalloc_note(seen->address, seen->words, seen->size_index, &print))
		growth_sites_see_pool(p->sites, seen->address & -bytes, &print);
}

void growth_pool(struct growth *g, const struct ev_head *record)
{
	struct raw_growth sample = *(const struct raw_growth *)record;
	struct grower *p = table_get(&g->growers, (struct table_key){sample.pid, sample.start_ns});
	uint64_t bytes = pools_bytes(g->pools, sample.pid);

	if (!p || !p->sites || !p->sampled || !bytes)
		return;
	sample.bytes *= pools_scale(g->pools, sample.pid);
	if (growth_sites_add_pool(p->sites, &sample, sample.address & -bytes) != 1)
		pools_forget(g->pools, sample.pid, sample.address & -bytes);
}

/* The kernel half notes this itself once the process is entered; the newer note counts. */
void growth_spoke(struct growth *g, uint32_t pid, uint32_t tid, uint64_t connection, uint64_t ns)
{
	kernel_growth_spoke(g->kernel, pid, tid, connection, ns);
}

static int reported(void *context, uint64_t sample, uint64_t *stack)
{
	struct growth *g = context;

	*stack = 0;
	return g->host.readers ? readers_reported(g->host.readers, sample, stack) : 0;
}

static uint64_t look_for_pool(void *context, uint64_t number)
{
	const struct growth_looker *l = context;
	struct pools *pools = l->growth->pools;

	return pools_holds(pools, l->memory.pid, number * PAGE_BYTES) ? PAGEMAP_PRESENT : 0;
}

/* Tells whether the first object of a pool still lives.  Memory that is no pool any longer counts
 * as gone, and is not asked for again. */
static enum page_owner owner_of_pool(void *context, struct sampled_page *page)
{
	const struct growth_looker *l = context;

	switch (lives(l, page)) {
	case 1:
		return PAGE_OWNER_ALIVE;
	case -EAGAIN:
		return page->page_owner;
	}
	pools_forget(l->growth->pools, l->memory.pid, page->number * PAGE_BYTES);
	return PAGE_OWNER_FREED;
}

static void note_pool(void *context, uint64_t pool)
{
	const struct growth_looker *l = context;

	pools_note(l->growth->pools, l->memory.pid, pool);
}

/* Looks at pools at irregular times: objects that come and go regularly must not always be met. */
static void check_pools(struct growth *g, struct grower *p)
{
	uint64_t began = clock_boot_ns(), least;
	struct growth_looker l = {.growth = g,
				  .sites = p->sites,
				  .pools = true,
				  .memory = memory_for_look(p->pid, 0)};

	growth_sites_check_pools(p->sites, began, pools_scale(g->pools, p->pid) > 1.01,
				 PAGES_AT_ONCE, look_for_pool, owner_of_pool, &l);
	if (growth_sites_thinned(p->sites)) {
		pools_forget_all(g->pools, p->pid);
		growth_sites_each_pool(p->sites, note_pool, &l);
	}
	least = CHECK_SHARE_POOLS * (clock_boot_ns() - began) * g->sampled;
	least = least > POOLS_LOOK_NS ? least : POOLS_LOOK_NS;
	g->random = g->random * 6364136223846793005ULL + 1442695040888963407ULL;
	p->pools_ns = began + least + 2 * (least >> 20) * (g->random >> 44);
}

uint64_t growth_next(const struct growth *g)
{
	return g->pools ? g->pools_ns : UINT64_MAX;
}

/* The process whose pools have waited longest; NULL: none has any. */
static struct grower *first_due(struct growth *g)
{
	struct grower *first = NULL;
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&g->growers, &at))) {
		struct grower *p = slot->value;

		if (p->sampled && pools_bytes(g->pools, p->pid) &&
		    (!first || p->pools_ns < first->pools_ns))
			first = p;
	}
	return first;
}

void growth_step(struct growth *g, uint64_t now)
{
	struct grower *p;

	if (now < growth_next(g))
		return;
	g->pools_ns = pools_step(g->pools, now);
	while ((p = first_due(g)) && p->pools_ns <= now && clock_boot_ns() - now < STEP_NS)
		check_pools(g, p);
	if (p && p->pools_ns < g->pools_ns)
		g->pools_ns = p->pools_ns;
}

static void check(struct growth *g, struct grower *p, bool last)
{
	uint64_t began = clock_boot_ns();
	struct growth_looker l = {.sites = p->sites, .memory = memory_for_look(p->pid, 0)};

	l.pagemap = kernel_pagemap(g->host.kernel, p->pid);
	if (l.pagemap < 0) {
		if (l.pagemap != -ENOENT && l.pagemap != -ESRCH)
			growth_tell_gap(g, GAP_PAGES,
					"cannot read /proc/PID/pagemap: how much memory is not "
					"freed is unknown");
		p->check_ns = began + SECOND_NS;
		return;
	}
	while (!growth_sites_check(p->sites, began, PAGES_AT_ONCE, growth_look_at_page, page_owner,
				   &l) &&
	       last && clock_boot_ns() - began < LAST_CHECK_NS)
		;
	close(l.pagemap);
	if (growth_sites_blind(p->sites))
		growth_tell_gap(g, GAP_FRAMES,
				"page frames are hidden: memory freed and allocated again counts "
				"as not freed");
	p->check_ns = began +
		      (g->host.eager ? CHECK_SHARE_EAGER : CHECK_SHARE) * (clock_boot_ns() - began);
}

/* Sweeps one process.  True: it is gone, and no sample of it waits any more. */
static bool growth_visit(struct growth *g, struct grower *p, uint64_t now, bool last)
{
	size_t left;

	if (!p->sites)
		return p->gone;
	if (p->fresh)
		g->host.ask(g->host.context, p->pid);
	p->fresh = false;
	left = growth_sites_name(p->sites, now, last ? 0 : PATIENCE_NS, reported, g);
	if (!p->gone && (last || now >= p->check_ns))
		check(g, p, last);
	if (last || now >= p->tell_ns || (p->gone && !left)) {
		growth_sites_tell(p->sites, g->host.tell, g->host.context);
		p->tell_ns = now + TELL_NS;
	}
	if (p->sampled)
		growth_enter(g, p);
	return p->gone && !left;
}

void growth_sweep(struct growth *g, bool last)
{
	uint64_t now = clock_boot_ns();
	struct table_walk walk = table_walk(&g->growers);
	struct table_slot *slot;

	while ((slot = table_walk_next(&walk)))
		if (growth_visit(g, slot->value, now, last))
			grower_free(table_walk_remove(&walk));
	detach(g, now);
}

uint64_t growth_cost_ns(struct growth *g, uint64_t faults)
{
	uint64_t ns, runs;

	if (!g->kernel || kernel_growth_run_time(g->kernel, &ns, &runs) || !runs)
		return 0;
	return (double)ns / runs * faults;
}

uint64_t growth_pools_cost_ns(const struct growth *g)
{
	return g->pools ? pools_cost_ns(g->pools) : 0;
}
