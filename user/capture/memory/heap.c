/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * heap.c - see heap.h.
 */
#include "user/capture/memory/heap.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/count.h"
#include "user/base/table.h"
#include "user/capture/memory/allocator.h"
#include "user/capture/memory/heap_probe.h"
#include "user/capture/kernel/kernel_heap.h"
#include "user/system/debug.h"

#define SECOND_NS	    1000000000ULL
#define BUDGET_EVERY_NS	    (SECOND_NS / 4)
#define BURST_NS	    SECOND_NS /* this much budget may be saved up */
#define REPORTED_EACH_SWEEP 2000
#define NAMES_WAIT	    3	/* sweeps that a site may wait for its stack to be named */
#define PROGRAM_NS	    150 /* run time of a program, until it is measured */
#define RUNS_ENOUGH	    100
#define BURY_EVERY_NS	    (5 * SECOND_NS)
#define CHILDREN_EVERY_NS   (SECOND_NS / 4)
#define PASSED_MOST	    10000
#define SIGMAS		    1.96 /* 19 times of 20 */

struct reported_site {
	uint64_t sum; /* of what was reported */
	uint64_t sample, stack;
	uint64_t last_ns;
	uint64_t connection, votes, voted_bytes; /* whose replies took most of it */
	uint32_t waited;
	bool gone; /* reported since its program was gone */
};

struct heap {
	struct kernel *kernel;
	const struct procfs *procfs;
	struct heap_host host;
	struct heap_probes *probes; /* NULL: it never began */
	struct kernel_heap memory;
	struct probe_programs programs;
	struct probe_cost cost;
	struct reported_site reported[HEAP_SITES];
	uint32_t next;		  /* site to begin the next sweep with */
	struct table live;	  /* numbers of processes that are alive; the values mean nothing */
	uint32_t met, met_before; /* numbers given out before the last look; the one before */
	struct table passed;	  /* processes looked at already, by pid */
	struct table refused;	  /* tables whose full share was told, by process */
	size_t followed;
	uint64_t run_ns;       /* of a program, on average */
	struct heap_hits hits; /* counted so far */
	uint64_t spent_ns;     /* by all of our probes */
	uint64_t budget_at_ns, buried_ns, children_at_ns;
	double credit_ns;
	uint64_t begun_ns;
	bool dead, budgeted, stepped_down;
	bool last; /* no other sweep follows */
};

/* --- telling -------------------------------------------------------------------------------- */

static void heap_tell_gap(struct heap *h, const char *text)
{
	struct ev_gap gap = {.head = {.kind = EV_GAP, .size = sizeof(gap)}};

	snprintf(gap.text, sizeof(gap.text), "%s", text);
	h->host.tell(h->host.context, &gap.head);
}

static void tell_gap_of(void *context, const char *text)
{
	heap_tell_gap(context, text);
}

static uint64_t heap_step_less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* Looks up the record of a site's stack.  False: the stack may still get one. */
static bool stack_known(struct heap *h, const struct heap_site *s, struct reported_site *t)
{
	uint64_t stack;

	if (!s->stack || s->stack == t->sample)
		return true;
	if (h->host.stack(h->host.context, s->stack, &stack))
		return false;
	t->sample = s->stack;
	t->stack = stack ? stack : t->stack;
	return true;
}

static uint64_t sum_of(const struct heap_site *s)
{
	return s->taken_bytes + s->freed_bytes + s->taken + s->freed + s->lost + 1;
}

static void heap_fill(const struct heap *h, const struct heap_site *s, struct ev_memory_site *ev)
{
	uint64_t spread = heap_step_less(s->spread_taken, s->spread_freed);

	ev->start_ns = s->start_ns;
	ev->caller = s->caller;
	ev->taken_bytes = s->taken_bytes;
	ev->held_bytes = heap_step_less(s->taken_bytes, s->freed_bytes);
	ev->error_bytes = SIGMAS * sqrt((double)h->host.interval * spread);
	ev->taken = (s->taken + 128) / 256;
	ev->freed = (s->freed + 128) / 256;
	ev->first_ns = s->first_ns;
	ev->pid = s->pid;
	ev->tier = EV_TIER_FULL;
	ev->flags = (h->host.interval > 1 ? EV_MEMORY_ESTIMATED : 0) |
		    (s->lost ? EV_MEMORY_LOWER_BOUND : 0);
	snprintf(ev->object, sizeof(ev->object), "%s", allocator_kind(s->kind));
}

/* Whether another program runs, or ran, in the site's process (exec): what the site held is gone.
 */
static bool was_replaced(const struct heap *h, const struct heap_site *s)
{
	const struct heap_site *other = h->memory.sites;
	struct heap_process p;

	if (!kernel_heap_process(h->kernel, s->pid, &p) && p.start_ns == s->start_ns)
		return p.number != s->process;
	for (uint32_t i = 1; i <= *h->memory.sites_used && i < HEAP_SITES; i++)
		if (other[i].pid == s->pid && other[i].start_ns == s->start_ns &&
		    other[i].process > s->process)
			return true;
	return false;
}

/* Finds the connection with most reply bytes: each look votes for the latest one, with the bytes
 * that came since. */
static void vote(struct reported_site *t, const struct heap_site *s)
{
	uint64_t bytes = s->reply_bytes - t->voted_bytes;

	t->voted_bytes += bytes;
	if (t->connection == s->connection) {
		t->votes += bytes;
	} else if (t->votes >= bytes) {
		t->votes -= bytes;
	} else {
		t->connection = s->connection;
		t->votes = bytes - t->votes;
	}
}

static void tell_site(struct heap *h, uint32_t number, uint64_t now_ns, bool gone)
{
	const struct heap_site *s = &h->memory.sites[number];
	struct ev_memory_site ev = {.head = {.kind = EV_MEMORY_SITE, .size = sizeof(ev)}};
	struct reported_site *t = &h->reported[number];

	if (!h->host.owner(h->host.context, s->pid, s->start_ns))
		return;
	if (t->sum != sum_of(s))
		t->last_ns = now_ns;
	t->sum = sum_of(s);
	heap_fill(h, s, &ev);
	ev.site = (uint64_t)s->process << 32 | number;
	ev.stack = t->stack;
	vote(t, s);
	ev.connection = t->connection;
	ev.reply_bytes = t->voted_bytes;
	ev.last_ns = t->last_ns;
	if (gone && was_replaced(h, s)) {
		ev.held_bytes = ev.error_bytes = 0;
		ev.freed = ev.taken;
	}
	h->host.tell(h->host.context, &ev.head);
}

/* Reports the blocks that a process took before dbleak came, and has given back. */
static void tell_older(struct heap *h, uint32_t pid, const struct heap_process *p)
{
	struct ev_gap gap = {
		.head = {.kind = EV_GAP, .size = sizeof(gap)}, .start_ns = p->start_ns, .pid = pid};
	char older[COUNT_SIZE];

	if (!p->older || p->start_ns >= h->begun_ns)
		return;
	snprintf(gap.text, sizeof(gap.text),
		 "%s freed blocks were allocated before dbleak started and are not counted",
		 count_text(older, p->older));
	h->host.tell(h->host.context, &gap.head);
}

/* Says what found no room in the process's share of the tables.  Once for each table. */
static void heap_tell_refused(struct heap *h, uint32_t pid, const struct heap_process *p)
{
	static const char *const texts[HEAP_TABLES] = {
		[HEAP_TABLE_BLOCKS] =
			"more than %s blocks of memory at once: those beyond are in no figure",
		[HEAP_TABLE_SITES] =
			"memory taken in more than %s places: those beyond are in no figure",
		[HEAP_TABLE_MAPPINGS] =
			"more than %s mappings at once: those beyond are in no figure",
	};
	const uint32_t shares[HEAP_TABLES] = {
		[HEAP_TABLE_BLOCKS] = HEAP_BLOCKS_EACH(h->memory.bucket_count),
		[HEAP_TABLE_SITES] = HEAP_SITES_EACH,
		[HEAP_TABLE_MAPPINGS] = HEAP_MAPPINGS_EACH,
	};
	struct ev_gap gap = {
		.head = {.kind = EV_GAP, .size = sizeof(gap)}, .start_ns = p->start_ns, .pid = pid};
	char share[COUNT_SIZE];

	for (int i = 0; i < HEAP_TABLES; i++) {
		struct table_key key = {(uint64_t)i << 32 | pid, p->start_ns};

		if (!p->refused[i] || table_get(&h->refused, key) || table_put(&h->refused, key, h))
			continue;
		snprintf(gap.text, sizeof(gap.text), texts[i], count_text(share, shares[i]));
		h->host.tell(h->host.context, &gap.head);
	}
}

static void forget_refused(struct heap *h, uint32_t pid, uint64_t start_ns)
{
	for (int i = 0; i < HEAP_TABLES; i++)
		table_remove(&h->refused, (struct table_key){(uint64_t)i << 32 | pid, start_ns});
}

/* --- sweeps --------------------------------------------------------------------------------- */

static void see_process(void *context, uint32_t pid, const struct heap_process *p)
{
	struct heap *h = context;
	struct process_facts facts;

	heap_tell_refused(h, pid, p);
	if (procfs_facts(h->procfs, pid, &facts) ||
	    !procfs_same_start(facts.start_ns, p->start_ns)) {
		tell_older(h, pid, p);
		forget_refused(h, pid, p->start_ns);
		kernel_heap_forget_process(h->kernel, pid, p->start_ns);
		table_remove(&h->passed, (struct table_key){pid, 0});
		h->dead = true;
		return;
	}
	table_put(&h->live, (struct table_key){p->number, 0}, h);
	h->followed++;
	if (h->last)
		tell_older(h, pid, p);
}

static bool is_live(const struct heap *h, uint32_t number)
{
	return table_get(&h->live, (struct table_key){number, 0});
}

/* Whether the process is gone.  One that was met during the last look, or just before, may only
 * seem to be gone. */
static bool is_dead(void *context, uint32_t number)
{
	const struct heap *h = context;

	return number <= h->met_before && !is_live(h, number);
}

/* Reports a site that changed.  Returns whether it was reported. */
static bool sweep_site(struct heap *h, uint32_t number, uint64_t now_ns, bool last)
{
	const struct heap_site *s = &h->memory.sites[number];
	struct reported_site *t = &h->reported[number];
	uint64_t stack = t->stack;
	bool gone;

	if (!s->start_ns)
		return false;
	gone = is_dead(h, s->process);
	h->dead |= gone;
	if (!stack_known(h, s, t) && !t->sum && !gone && !last && t->waited++ < NAMES_WAIT)
		return false;
	if (t->sum == sum_of(s) && t->stack == stack && !(gone && !t->gone && was_replaced(h, s)))
		return false;
	t->gone = gone;
	tell_site(h, number, now_ns, gone);
	return true;
}

/* Frees the entry of a block of a process that is gone: no program writes to it any more. */
static void bury_block(struct kernel_heap *m, uint32_t bucket, int place)
{
	uint64_t key = m->buckets[bucket].key[place];
	uint32_t home = HEAP_HOME(HEAP_HASH(key), m->bucket_count - 1);

	__atomic_store_n(&m->buckets[bucket].key[place], 0, __ATOMIC_RELEASE);
	if (home != bucket)
		__atomic_fetch_sub(&m->buckets[home].spilled, 1, __ATOMIC_RELAXED);
}

/* Frees the entries of blocks and sites of processes that are gone. */
static void bury(struct heap *h)
{
	struct kernel_heap *m = &h->memory;

	for (uint32_t b = 0; b < m->bucket_count; b++)
		for (int i = 0; i < HEAP_PLACES; i++) {
			uint64_t key = __atomic_load_n(&m->buckets[b].key[i], __ATOMIC_RELAXED);

			if (key && is_dead(h, HEAP_KEY_PROCESS(key)))
				bury_block(m, b, i);
		}
	kernel_heap_forget_mappings(h->kernel, is_dead, h);
	for (uint32_t i = 1; i <= *m->sites_used && i < HEAP_SITES; i++) {
		if (!m->sites[i].start_ns || !is_dead(h, m->sites[i].process))
			continue;
		kernel_heap_forget_site(h->kernel, m, i);
		memset(&h->reported[i], 0, sizeof(h->reported[i]));
	}
}

void heap_sweep(struct heap *h, uint64_t now_ns, bool last)
{
	uint32_t used, reported = 0;

	if (!h->memory.sites)
		return;
	table_free(&h->live);
	h->followed = 0;
	h->met_before = h->met;
	h->met = *h->memory.processes_met;
	h->last = last && !h->stepped_down;
	kernel_heap_each(h->kernel, see_process, h);
	heap_probes_step(h->probes, now_ns);
	heap_probes_tell_blind(h->probes, now_ns, last);
	used = *h->memory.sites_used < HEAP_SITES - 1 ? *h->memory.sites_used : HEAP_SITES - 1;
	for (uint32_t i = 0; i < used && (last || reported < REPORTED_EACH_SWEEP); i++) {
		h->next = h->next % used + 1;
		reported += sweep_site(h, h->next, now_ns, last);
	}
	if (!h->dead || last || reported == REPORTED_EACH_SWEEP ||
	    now_ns - h->buried_ns < BURY_EVERY_NS)
		return;
	h->dead = false;
	h->buried_ns = now_ns;
	bury(h);
}

/* --- processes ------------------------------------------------------------------------------ */

static bool heap_is_wanted(void *context, uint32_t pid)
{
	struct heap *h = context;
	struct process_facts facts;

	if (kernel_targets(h->kernel, pid))
		return true;
	return !procfs_facts(h->procfs, pid, &facts) &&
	       h->host.wanted(h->host.context, pid, facts.comm);
}

/* Announces a process before its stacks, which may come after its end.  The kernel half knows its
 * start exactly, /proc only by the clock tick. */
static void heap_meet_process(void *context, uint32_t pid)
{
	struct heap *h = context;
	struct process_facts facts;
	struct heap_process known;

	if (!kernel_heap_process(h->kernel, pid, &known))
		h->host.met(h->host.context, pid, known.start_ns);
	else if (!procfs_facts(h->procfs, pid, &facts))
		h->host.met(h->host.context, pid, facts.start_ns);
}

/* Follows selected processes whose start was not heard of. */
static void look_for_children(struct heap *h, uint64_t now_ns)
{
	uint32_t *pids = NULL;
	size_t count = 0;

	if (h->stepped_down || now_ns - h->children_at_ns < CHILDREN_EVERY_NS)
		return;
	h->children_at_ns = now_ns;
	if (h->passed.count > PASSED_MOST) /* pids may have been reused by now */
		table_free(&h->passed);
	if (procfs_pids(h->procfs, &pids, &count))
		return;
	for (size_t i = 0; i < count; i++) {
		struct table_key key = {pids[i], 0};

		if (table_get(&h->passed, key) || table_put(&h->passed, key, h) ||
		    !heap_is_wanted(h, pids[i]))
			continue;
		heap_probes_follow(h->probes, pids[i]);
	}
	free(pids);
}

/* --- the budget ----------------------------------------------------------------------------- */

static void measure_program(struct heap *h)
{
	uint64_t ns, runs;

	if (!kernel_heap_run_time(h->kernel, &ns, &runs) && runs >= RUNS_ENOUGH)
		h->run_ns = ns / runs;
}

/* Adds the cost of the hits since the last time. */
static void count_cost(struct heap *h)
{
	struct heap_hits hits;
	uint64_t all, cost;

	if (!h->memory.sites || kernel_heap_hits(h->kernel, &hits))
		return;
	measure_program(h);
	all = hits.cheap + hits.dear - h->hits.cheap - h->hits.dear;
	cost = (hits.cheap - h->hits.cheap) * h->cost.cheap_ns +
	       (hits.dear - h->hits.dear) * h->cost.dear_ns + all * h->run_ns;
	h->spent_ns += cost + (hits.returns - h->hits.returns) * (h->cost.return_ns + h->run_ns);
	h->hits = hits;
}

static void heap_step_down(struct heap *h, uint64_t now_ns)
{
	debug(DEBUG_BUDGET, "--heap full: probes of allocators cost %.1f ms so far: --heap client",
	      h->spent_ns / 1e6);
	heap_probes_detach(h->probes); /* before the sweep, so that no hit comes after it */
	heap_sweep(h, now_ns, true);
	h->stepped_down = true;
	heap_tell_gap(h, "allocations are no longer followed (over --max-overhead): now as with "
			 "--heap client");
	h->host.tier(h->host.context, EV_TIER_CLIENT);
}

/* Adds to an account and charges it.  Returns whether it is overdrawn.  A burst may be, for a
 * program that starts is soon done; what goes on counts. */
static bool overdrawn(double *credit, double rate, uint64_t passed, double spent)
{
	*credit += rate * passed - spent;
	if (*credit > rate * BURST_NS)
		*credit = rate * BURST_NS;
	return *credit < 0;
}

static void keep_budget(struct heap *h, uint64_t now_ns)
{
	uint64_t passed = now_ns - h->budget_at_ns;
	double all = h->host.max_overhead / 100 * (h->followed ? h->followed : 1);
	double spent = h->spent_ns;

	if (passed < BUDGET_EVERY_NS || h->stepped_down)
		return;
	if (!h->budgeted) {
		h->budgeted = true;
		h->credit_ns = all * BURST_NS;
		passed = 0;
	}
	h->budget_at_ns = now_ns;
	count_cost(h);
	spent = h->spent_ns - spent;
	if (h->host.max_overhead >= OVERHEAD_ANY)
		return;
	if (overdrawn(&h->credit_ns, all, passed, spent))
		heap_step_down(h, now_ns);
}

/* --- life ----------------------------------------------------------------------------------- */

static uint64_t canary_hits(void *context, uint32_t cookie)
{
	struct heap *h = context;
	struct heap_hits hits;

	return kernel_heap_hits(h->kernel, &hits) ? 0 : hits.canary[cookie & 3];
}

static int heap_begin(struct heap *h)
{
	const struct heap_probes_host host = {.context = h,
					      .gap = tell_gap_of,
					      .wanted = heap_is_wanted,
					      .met = heap_meet_process};
	int err = kernel_heap_open(h->kernel, &h->memory, &h->programs);

	h->run_ns = PROGRAM_NS;
	if (!err)
		err = probes_calibrate(&h->cost, &h->programs, HEAP_CANARY, canary_hits, h);
	if (!err && !h->cost.fires)
		err = -EIO;
	if (!err && h->cost.kills)
		err = -EPERM;
	if (!err && !h->cost.keeps_to_pid)
		err = -ENOTSUP;
	if (!err && h->cost.exits_kill)
		h->programs.left = 0;
	if (!err)
		err = heap_probes_open(&h->probes, h->kernel, h->procfs, &h->programs,
				       h->host.at_entry, &host);
	return err;
}

static const char *heap_why_not(int err)
{
	switch (err) {
	case -EIO:
		return "a test probe did not fire";
	case -ENOTSUP:
		return "this kernel cannot limit probes to the selected processes: all others "
		       "would become slower";
	case -EPERM:
		return "on this kernel return probes could kill processes with seccomp filters";
	}
	return strerror(-err);
}

int heap_open(struct heap **out, struct kernel *kernel, const struct procfs *procfs,
	      const struct heap_host *host, uint64_t now_ns)
{
	struct heap *h = calloc(1, sizeof(*h));
	char text[EV_TEXT_LEN];
	int err;

	*out = h;
	if (!h)
		return -ENOMEM;
	h->kernel = kernel;
	h->procfs = procfs;
	h->host = *host;
	h->begun_ns = now_ns;
	err = heap_begin(h);
	if (err) {
		kernel_heap_close(&h->memory); /* without probes there is nothing to sweep */
		snprintf(text, sizeof(text), "cannot follow allocations: %s", heap_why_not(err));
		heap_tell_gap(h, text);
		h->stepped_down = true;
		h->host.tier(h->host.context, EV_TIER_CLIENT);
		return 0;
	}
	h->host.tier(h->host.context, EV_TIER_FULL);
	if (h->host.command)
		heap_probes_head_start(h->probes, h->host.command, h->host.command_pid);
	return heap_probes_scan(h->probes, !h->host.command);
}

bool heap_is_at(const struct heap *h, uint64_t inode, uint64_t offset)
{
	return h->probes && heap_probes_is_at(h->probes, inode, offset);
}

struct reach *heap_reach(const struct heap *h)
{
	return h->probes ? heap_probes_reach(h->probes) : NULL;
}

void heap_close(struct heap *h)
{
	if (!h)
		return;
	heap_probes_close(h->probes);
	table_free(&h->live);
	table_free(&h->passed);
	table_free(&h->refused);
	kernel_heap_close(&h->memory);
	free(h);
}

int heap_fd(const struct heap *h)
{
	return h->probes ? heap_probes_fd(h->probes) : -1;
}

int heap_step(struct heap *h, uint64_t now_ns)
{
	int err;

	if (!h->probes)
		return 0;
	heap_probes_go(h->probes);
	err = heap_probes_poll(h->probes);
	keep_budget(h, now_ns);
	look_for_children(h, now_ns);
	return err;
}

uint64_t heap_cost_ns(struct heap *h)
{
	if (!h->stepped_down)
		count_cost(h);
	return h->spent_ns;
}

bool heap_stepped_down(const struct heap *h)
{
	return h->stepped_down;
}
