/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * The full tier of --heap: what is told of the sites in the kernel half's tables, what becomes of
 * processes that are gone, and how the tier ends.  The tables, the probes and /proc are our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/kernel/kernel_heap.h"
#include "user/capture/memory/heap.h"
#include "user/capture/memory/heap_probe.h"

#define SECOND	  1000000000ULL
#define BEGUN	  (1000 * SECOND)
#define OLD	  (900 * SECOND)
#define PROCESSES 4
#define NAMED_MAX 99 /* samples up to this have a stack of the same number */

static struct heap *heap;
static struct heap_site sites[HEAP_SITES];
static struct heap_bucket buckets[8];
static uint32_t used, met;
static struct follower {
	uint32_t pid;
	struct heap_process p;
	bool runs; /* as /proc says */
} processes[PROCESSES];

static struct world {
	int open, mappings; /* error; bit set of the numbers that are gone */
	struct probe_cost cost;
	struct heap_hits hits;
	uint64_t run_ns, runs;
	bool targets, wanted;
	uint32_t forgot_pid, forgot_site;
	uint8_t left;
	unsigned int detached, followed, scanned, head_starts, gone, no_owner;
	bool waits;
	uint64_t met_ns;
	enum ev_tier tier;
	struct heap_probes_host probes;
	/* what was told */
	unsigned int sites, gaps;
	struct ev_memory_site site;
	char gap[EV_TEXT_LEN];
	uint32_t gap_pid;
} world;

/* --- the kernel half ------------------------------------------------------------------------- */

int kernel_heap_open(struct kernel *k, struct kernel_heap *out, struct probe_programs *programs)
{
	(void)k;
	*programs = (struct probe_programs){.left = 9};
	*out = (struct kernel_heap){buckets, 8, sites, &used, &met};
	return world.open;
}

void kernel_heap_close(struct kernel_heap *h)
{
	*h = (struct kernel_heap){0};
}

int kernel_heap_hits(struct kernel *k, struct heap_hits *hits)
{
	(void)k;
	*hits = world.hits;
	return 0;
}

int kernel_heap_run_time(struct kernel *k, uint64_t *ns, uint64_t *runs)
{
	(void)k;
	*ns = world.run_ns;
	*runs = world.runs;
	return 0;
}

static struct follower *follower_of(uint32_t pid)
{
	for (size_t i = 0; i < PROCESSES; i++)
		if (processes[i].pid == pid && pid)
			return &processes[i];
	return NULL;
}

int kernel_heap_process(struct kernel *k, uint32_t pid, struct heap_process *out)
{
	const struct follower *found = follower_of(pid);

	(void)k;
	if (!found || !found->p.number)
		return -ENOENT;
	*out = found->p;
	return 0;
}

int kernel_heap_forget_process(struct kernel *k, uint32_t pid, uint64_t start_ns)
{
	struct follower *found = follower_of(pid);

	(void)k;
	if (!found || found->p.start_ns != start_ns)
		return -ENOENT;
	found->p.number = 0;
	world.forgot_pid = pid;
	return 0;
}

int kernel_heap_each(struct kernel *k, void (*fn)(void *, uint32_t, const struct heap_process *),
		     void *context)
{
	(void)k;
	for (size_t i = 0; i < PROCESSES; i++)
		if (processes[i].p.number)
			fn(context, processes[i].pid, &processes[i].p);
	return 0;
}

int kernel_heap_forget_mappings(struct kernel *k, bool (*gone)(void *, uint32_t), void *context)
{
	(void)k;
	for (uint32_t number = 1; number < 8; number++)
		world.mappings |= gone(context, number) << number;
	return 0;
}

int kernel_heap_forget_site(struct kernel *k, const struct kernel_heap *h, uint32_t number)
{
	(void)k;
	world.forgot_site = number;
	memset(&h->sites[number], 0, sizeof(h->sites[number]));
	return 0;
}

bool kernel_targets(struct kernel *k, uint32_t pid)
{
	(void)k, (void)pid;
	return world.targets;
}

/* --- probes ---------------------------------------------------------------------------------- */

int probes_calibrate(struct probe_cost *cost, const struct probe_programs *programs, uint32_t first,
		     uint64_t (*hits)(void *context, uint32_t cookie), void *context)
{
	(void)programs;
	world.hits.canary[2] = 17;
	assert_int_equal(hits(context, first + 2), 17);
	*cost = world.cost;
	return 0;
}

int heap_probes_open(struct heap_probes **out, struct kernel *kernel, const struct procfs *procfs,
		     const struct probe_programs *programs, bool at_entry,
		     const struct heap_probes_host *host)
{
	(void)kernel, (void)procfs, (void)at_entry;
	world.probes = *host;
	world.left = (uint8_t)programs->left;
	*out = (void *)&world;
	return 0;
}

void heap_probes_close(struct heap_probes *p)
{
	(void)p;
}

void heap_probes_head_start(struct heap_probes *p, const char *command, uint32_t pid)
{
	(void)p, (void)command, (void)pid;
	world.head_starts++;
}

int heap_probes_scan(struct heap_probes *p, bool wait)
{
	(void)p;
	world.scanned++;
	world.waits = wait;
	return 0;
}

void heap_probes_go(struct heap_probes *p)
{
	(void)p;
	world.waits = false;
}

int heap_probes_fd(const struct heap_probes *p)
{
	(void)p;
	return 77;
}

int heap_probes_poll(struct heap_probes *p)
{
	(void)p;
	return 0;
}

void heap_probes_tell_blind(struct heap_probes *p, uint64_t now_ns, bool last)
{
	(void)p, (void)now_ns, (void)last;
}

void heap_probes_follow(struct heap_probes *p, uint32_t pid)
{
	(void)p, (void)pid;
	world.followed++;
}

void heap_probes_step(struct heap_probes *p, uint64_t now_ns)
{
	(void)p, (void)now_ns;
}

struct reach *heap_probes_reach(const struct heap_probes *p)
{
	return (void *)(uintptr_t)p;
}

bool heap_probes_is_at(const struct heap_probes *p, uint64_t inode, uint64_t offset)
{
	(void)p;
	return inode == 5 && offset == 64;
}

void heap_probes_detach(struct heap_probes *p)
{
	(void)p;
	world.detached++;
}

/* --- /proc ----------------------------------------------------------------------------------- */

int procfs_facts(const struct procfs *p, uint32_t pid, struct process_facts *facts)
{
	const struct follower *found = follower_of(pid);

	(void)p;
	if (!found || !found->runs)
		return -ENOENT;
	*facts = (struct process_facts){.start_ns = found->p.start_ns, .pid = pid, .comm = "app"};
	return 0;
}

int procfs_pids(const struct procfs *p, uint32_t **pids, size_t *count)
{
	(void)p;
	*count = 0;
	*pids = calloc(PROCESSES, sizeof(**pids));
	for (size_t i = 0; *pids && i < PROCESSES; i++)
		if (processes[i].runs)
			(*pids)[(*count)++] = processes[i].pid;
	return *pids ? 0 : -ENOMEM;
}

bool procfs_same_start(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns == b_ns;
}

/* --- the host -------------------------------------------------------------------------------- */

static void tell(void *context, struct ev_head *record)
{
	const struct ev_gap *gap = (const void *)record;

	(void)context;
	if (record->kind == EV_MEMORY_SITE) {
		world.site = *(const struct ev_memory_site *)(const void *)record;
		world.sites++;
		return;
	}
	assert_int_equal(record->kind, EV_GAP);
	memcpy(world.gap, gap->text, sizeof(world.gap));
	world.gap_pid = gap->pid;
	world.gaps++;
}

static bool owner(void *context, uint32_t pid, uint64_t start_ns)
{
	(void)context, (void)pid, (void)start_ns;
	return !world.no_owner;
}

static void met_process(void *context, uint32_t pid, uint64_t start_ns)
{
	(void)context, (void)pid;
	world.met_ns = start_ns;
}

static int stack(void *context, uint64_t id, uint64_t *known)
{
	(void)context;
	*known = id;
	return id > NAMED_MAX ? -EAGAIN : 0;
}

static bool wanted(void *context, uint32_t pid, const char *comm)
{
	(void)context, (void)pid;
	return world.wanted && !strcmp(comm, "app");
}

static void set_tier(void *context, enum ev_tier which)
{
	(void)context;
	world.tier = which;
}

static void open_heap(uint64_t interval, double max_overhead, const char *command)
{
	const struct heap_host host = {.tell = tell,
				       .owner = owner,
				       .met = met_process,
				       .stack = stack,
				       .wanted = wanted,
				       .tier = set_tier,
				       .interval = interval,
				       .command = command,
				       .max_overhead = max_overhead};

	assert_int_equal(heap_open(&heap, (void *)&world, NULL, &host, BEGUN), 0);
}

static int begin(void **state)
{
	(void)state;
	memset(sites, 0, sizeof(sites));
	memset(buckets, 0, sizeof(buckets));
	memset(processes, 0, sizeof(processes));
	used = met = 0;
	world = (struct world){.cost = {.cheap_ns = 100,
					.dear_ns = 1000,
					.return_ns = 500,
					.fires = true,
					.keeps_to_pid = true}};
	return 0;
}

static int end(void **state)
{
	(void)state;
	heap_close(heap);
	heap = NULL;
	return 0;
}

/* A process that runs and is followed. */
static struct follower *runs(uint32_t pid, uint32_t number, uint64_t start_ns)
{
	struct follower *p = &processes[number - 1];

	*p = (struct follower){pid, {.start_ns = start_ns, .number = number}, true};
	met = number > met ? number : met;
	return p;
}

static struct heap_site *site(uint32_t number, uint32_t process, uint64_t id)
{
	struct heap_site *s = &sites[number];

	*s = (struct heap_site){.start_ns = processes[process - 1].p.start_ns,
				.pid = processes[process - 1].pid,
				.process = process,
				.stack = id,
				.caller = 0x4000,
				.first_ns = BEGUN + 5,
				.kind = HEAP_MALLOC,
				.taken_bytes = 1000,
				.freed_bytes = 400,
				.taken = 10 * 256,
				.freed = 4 * 256};
	used = number > used ? number : used;
	return s;
}

/* --- sites ----------------------------------------------------------------------------------- */

static void a_site_says_what_is_held(void **state)
{
	(void)state;
	open_heap(1, 10, NULL);
	assert_int_equal(world.tier, EV_TIER_FULL);
	runs(40, 1, OLD);
	site(3, 1, 7);
	heap_sweep(heap, BEGUN + SECOND, false);
	assert_int_equal(world.sites, 1);
	assert_int_equal(world.site.pid, 40);
	assert_int_equal(world.site.start_ns, OLD);
	assert_int_equal(world.site.site, 1ULL << 32 | 3);
	assert_int_equal(world.site.stack, 7);
	assert_int_equal(world.site.caller, 0x4000);
	assert_int_equal(world.site.taken_bytes, 1000);
	assert_int_equal(world.site.held_bytes, 600);
	assert_int_equal(world.site.taken, 10);
	assert_int_equal(world.site.freed, 4);
	assert_int_equal(world.site.error_bytes, 0);
	assert_int_equal(world.site.flags, 0);
	assert_int_equal(world.site.last_ns, BEGUN + SECOND);
	assert_string_equal(world.site.object, "malloc");
}

static void only_a_site_that_changed_is_told_again(void **state)
{
	struct heap_site *s;

	(void)state;
	open_heap(1, 10, NULL);
	runs(40, 1, OLD);
	s = site(1, 1, 7);
	heap_sweep(heap, BEGUN + 1 * SECOND, false);
	heap_sweep(heap, BEGUN + 2 * SECOND, false);
	assert_int_equal(world.sites, 1);
	s->freed_bytes += 100;
	heap_sweep(heap, BEGUN + 3 * SECOND, false);
	assert_int_equal(world.sites, 2);
	assert_int_equal(world.site.held_bytes, 500);
	/* A change of the stack alone is told, and is no allocation. */
	s->stack = 8;
	heap_sweep(heap, BEGUN + 4 * SECOND, false);
	assert_int_equal(world.sites, 3);
	assert_int_equal(world.site.stack, 8);
	assert_int_equal(world.site.last_ns, BEGUN + 3 * SECOND);
}

static void sampled_figures_have_a_margin(void **state)
{
	struct heap_site *s;

	(void)state;
	open_heap(1 << 20, 10, NULL);
	runs(40, 1, OLD);
	s = site(1, 1, 7);
	s->spread_taken = 5 << 20;
	s->spread_freed = 1 << 20;
	s->lost = 1;
	heap_sweep(heap, BEGUN + SECOND, false);
	/* 1.96 times the square root of 2^20 * 4 * 2^20 */
	assert_in_range(world.site.error_bytes, 4110400, 4110450);
	assert_int_equal(world.site.flags, EV_MEMORY_ESTIMATED | EV_MEMORY_LOWER_BOUND);
}

static void a_new_site_waits_three_sweeps_for_its_stack(void **state)
{
	(void)state;
	open_heap(1, 10, NULL);
	runs(40, 1, OLD);
	site(1, 1, NAMED_MAX + 1);
	for (uint64_t i = 1; i <= 3; i++) {
		heap_sweep(heap, BEGUN + i * SECOND, false);
		assert_int_equal(world.sites, 0);
	}
	heap_sweep(heap, BEGUN + 4 * SECOND, false);
	assert_int_equal(world.sites, 1);
	assert_int_equal(world.site.stack, 0);
}

static void the_last_sweep_waits_for_no_stack(void **state)
{
	(void)state;
	open_heap(1, 10, NULL);
	runs(40, 1, OLD);
	site(1, 1, NAMED_MAX + 1);
	heap_sweep(heap, BEGUN + SECOND, true);
	assert_int_equal(world.sites, 1);
}

static void the_connection_with_most_reply_bytes_wins(void **state)
{
	struct heap_site *s;

	(void)state;
	open_heap(1, 10, NULL);
	runs(40, 1, OLD);
	s = site(1, 1, 7);
	s->connection = 11, s->reply_bytes = 500;
	heap_sweep(heap, BEGUN + 1 * SECOND, false);
	assert_int_equal(world.site.connection, 11);
	s->connection = 12, s->reply_bytes = 800, s->taken_bytes++;
	heap_sweep(heap, BEGUN + 2 * SECOND, false);
	assert_int_equal(world.site.connection, 11);
	s->reply_bytes = 1800, s->taken_bytes++;
	heap_sweep(heap, BEGUN + 3 * SECOND, false);
	assert_int_equal(world.site.connection, 12);
	assert_int_equal(world.site.reply_bytes, 1800);
}

static void a_site_without_a_known_owner_is_not_told(void **state)
{
	(void)state;
	open_heap(1, 10, NULL);
	runs(40, 1, OLD);
	site(1, 1, 7);
	world.no_owner = 1;
	heap_sweep(heap, BEGUN + SECOND, false);
	assert_int_equal(world.sites, 0);
	world.no_owner = 0;
	heap_sweep(heap, BEGUN + 2 * SECOND, false);
	assert_int_equal(world.sites, 1);
}

/* --- ends ------------------------------------------------------------------------------------ */

static void what_an_ended_process_held_stays_and_its_room_is_freed(void **state)
{
	struct follower *p;

	(void)state;
	open_heap(1, 10, NULL);
	p = runs(40, 1, OLD);
	runs(41, 2, OLD);
	site(1, 1, 7);
	site(2, 2, 7);
	for (uint32_t b = 0; b < 8; b++) {
		buckets[b].key[0] = HEAP_KEY(1, 0x1000 + 64 * b);
		buckets[b].key[1] = HEAP_KEY(2, 0x1000 + 64 * b);
		buckets[b].spilled = 2;
	}
	heap_sweep(heap, BEGUN + 1 * SECOND, false);
	p->runs = false;
	heap_sweep(heap, BEGUN + 10 * SECOND, false);
	assert_int_equal(world.forgot_pid, 40);
	assert_int_equal(world.sites, 2); /* nothing of it is new */
	assert_int_equal(world.forgot_site, 1);
	assert_int_equal(world.mappings, 1 << 1);
	for (uint32_t b = 0; b < 8; b++) {
		assert_int_equal(buckets[b].key[0], 0);
		assert_int_equal(HEAP_KEY_PROCESS(buckets[b].key[1]), 2);
	}
	assert_int_equal(sites[2].pid, 41);
}

static void a_process_just_met_is_not_taken_for_gone(void **state)
{
	(void)state;
	open_heap(1, 10, NULL);
	runs(40, 1, OLD)->p.number = 0; /* numbered, but not in the table yet */
	met = 1;
	buckets[0].key[0] = HEAP_KEY(1, 0x1000);
	heap_sweep(heap, BEGUN + 10 * SECOND, false);
	assert_int_not_equal(buckets[0].key[0], 0);
	assert_int_equal(world.mappings, 0);
}

static void memory_of_a_replaced_program_is_not_held(void **state)
{
	struct follower *p;

	(void)state;
	open_heap(1, 10, NULL);
	p = runs(40, 1, OLD);
	site(1, 1, 7);
	heap_sweep(heap, BEGUN + 1 * SECOND, false);
	assert_int_equal(world.site.held_bytes, 600);
	p->p.number = 2; /* exec */
	met = 2;
	heap_sweep(heap, BEGUN + 2 * SECOND, false);
	assert_int_equal(world.site.site >> 32, 1);
	assert_int_equal(world.site.held_bytes, 0);
	assert_int_equal(world.site.freed, world.site.taken);
}

static void blocks_from_before_the_watch_are_told_at_the_end(void **state)
{
	struct follower *p;

	(void)state;
	open_heap(1, 10, NULL);
	p = runs(40, 1, OLD);
	p->p.older = 12;
	heap_sweep(heap, BEGUN + 1 * SECOND, false);
	assert_int_equal(world.gaps, 0);
	heap_sweep(heap, BEGUN + 2 * SECOND, true);
	assert_int_equal(world.gaps, 1);
	assert_int_equal(world.gap_pid, 40);
	assert_ptr_equal(strstr(world.gap, "12 freed blocks"), world.gap);
	/* Of a process that started in the watch all are known. */
	runs(41, 2, BEGUN + 1)->p.older = 5;
	p->p.older = 0;
	heap_sweep(heap, BEGUN + 3 * SECOND, true);
	assert_int_equal(world.gaps, 1);
}

static void a_full_share_is_told_once_for_each_table(void **state)
{
	struct follower *p;

	(void)state;
	open_heap(1, 10, NULL);
	p = runs(40, 1, OLD);
	p->p.refused[HEAP_TABLE_SITES] = 3;
	heap_sweep(heap, BEGUN + 1 * SECOND, false);
	heap_sweep(heap, BEGUN + 2 * SECOND, false);
	assert_int_equal(world.gaps, 1);
	assert_non_null(strstr(world.gap, "more than 5,120 places"));
	p->p.refused[HEAP_TABLE_BLOCKS] = 1;
	heap_sweep(heap, BEGUN + 3 * SECOND, false);
	assert_int_equal(world.gaps, 2);
	assert_non_null(strstr(world.gap, "blocks of memory at once"));
	/* Another process with that pid has its own share. */
	p->runs = false;
	heap_sweep(heap, BEGUN + 4 * SECOND, false);
	p = runs(40, 2, OLD + SECOND);
	p->p.refused[HEAP_TABLE_SITES] = 1;
	heap_sweep(heap, BEGUN + 5 * SECOND, false);
	assert_int_equal(world.gaps, 3);
}

/* --- processes ------------------------------------------------------------------------------- */

static void children_are_followed_once_if_wanted(void **state)
{
	(void)state;
	open_heap(1, OVERHEAD_ANY, NULL);
	runs(40, 1, OLD);
	assert_int_equal(heap_step(heap, BEGUN + SECOND), 0);
	assert_int_equal(world.followed, 0);
	runs(41, 2, OLD);
	world.wanted = true;
	heap_step(heap, BEGUN + SECOND + SECOND / 8); /* too soon for another look */
	assert_int_equal(world.followed, 0);
	heap_step(heap, BEGUN + 2 * SECOND);
	heap_step(heap, BEGUN + 3 * SECOND);
	assert_int_equal(world.followed, 1);
}

static void a_process_is_met_with_its_exact_start(void **state)
{
	struct follower *p;

	(void)state;
	open_heap(1, 10, NULL);
	p = runs(40, 1, OLD + 3);
	world.probes.met(world.probes.context, 40);
	assert_int_equal(world.met_ns, OLD + 3);
	p->p.number = 0;
	p->p.start_ns = OLD;
	world.probes.met(world.probes.context, 40);
	assert_int_equal(world.met_ns, OLD);
	assert_false(world.probes.wanted(world.probes.context, 40));
	world.targets = true;
	assert_true(world.probes.wanted(world.probes.context, 40));
}

/* --- the budget ------------------------------------------------------------------------------ */

static void the_tier_ends_over_its_budget(void **state)
{
	(void)state;
	open_heap(1, 10, NULL);
	runs(40, 1, OLD);
	site(1, 1, NAMED_MAX + 1);
	heap_step(heap, BEGUN);
	/* 10 % of a second are saved up, and as much may be spent in each second. */
	world.hits.cheap = 400000;
	heap_step(heap, BEGUN + SECOND);
	assert_false(heap_stepped_down(heap));
	world.hits.cheap = 1400000;
	heap_step(heap, BEGUN + 2 * SECOND);
	assert_true(heap_stepped_down(heap));
	assert_int_equal(world.tier, EV_TIER_CLIENT);
	assert_int_equal(world.detached, 1);
	assert_int_equal(world.sites, 1); /* told once more before the end */
	assert_non_null(strstr(world.gap, "over --max-overhead"));
	heap_step(heap, BEGUN + 3 * SECOND);
	assert_int_equal(world.detached, 1);
}

static void a_measured_run_replaces_the_guess(void **state)
{
	(void)state;
	open_heap(1, OVERHEAD_ANY, NULL);
	world.hits = (struct heap_hits){.cheap = 10, .dear = 2, .returns = 3};
	/* 10 * 100 + 2 * 1000 + 12 * 150, and 3 * (500 + 150) */
	assert_int_equal(heap_cost_ns(heap), 6750);
	world.run_ns = 20000;
	world.runs = 100;
	world.hits.cheap += 10;
	assert_int_equal(heap_cost_ns(heap), 6750 + 10 * (100 + 200));
	assert_int_equal(heap_cost_ns(heap), 6750 + 10 * (100 + 200));
}

static void no_cost_ends_the_tier_where_any_is_allowed(void **state)
{
	(void)state;
	open_heap(1, OVERHEAD_ANY, NULL);
	runs(40, 1, OLD);
	for (uint64_t i = 0; i < 4; i++) {
		world.hits.dear += 100000000;
		heap_step(heap, BEGUN + i * SECOND);
	}
	assert_false(heap_stepped_down(heap));
}

/* --- life ------------------------------------------------------------------------------------ */

static void a_command_gets_its_probes_before_it_starts(void **state)
{
	(void)state;
	open_heap(1, 10, "true");
	assert_int_equal(world.head_starts, 1);
	assert_int_equal(world.scanned, 1);
	assert_false(world.waits);
	assert_int_equal(heap_fd(heap), 77);
	assert_true(heap_is_at(heap, 5, 64));
	assert_false(heap_is_at(heap, 5, 65));
	assert_non_null(heap_reach(heap));
}

static void others_wait_until_the_budget_is_kept(void **state)
{
	(void)state;
	open_heap(1, 10, NULL);
	assert_int_equal(world.head_starts, 0);
	assert_true(world.waits);
	heap_step(heap, BEGUN);
	assert_false(world.waits);
}

static void without(const char *why)
{
	open_heap(1, 10, NULL);
	assert_int_equal(world.gaps, 1);
	assert_non_null(strstr(world.gap, "cannot follow allocations: "));
	assert_non_null(strstr(world.gap, why));
	assert_true(heap_stepped_down(heap));
	assert_int_equal(world.tier, EV_TIER_CLIENT);
	assert_int_equal(world.scanned, 0);
	assert_int_equal(heap_fd(heap), -1);
	assert_null(heap_reach(heap));
	assert_false(heap_is_at(heap, 5, 64));
	assert_int_equal(heap_step(heap, BEGUN), 0);
	heap_sweep(heap, BEGUN + SECOND, true);
	assert_int_equal(heap_cost_ns(heap), 0);
	end(NULL);
	begin(NULL);
}

static void where_allocators_cannot_be_probed_it_says_why(void **state)
{
	(void)state;
	world.open = -ENOMEM;
	without("Cannot allocate memory");
	world.cost.fires = false;
	without("a test probe did not fire");
	world.cost.keeps_to_pid = false;
	without("all others would become slower");
	world.cost.kills = true;
	without("seccomp");
}

static void exits_that_kill_are_left_alone(void **state)
{
	(void)state;
	open_heap(1, 10, NULL);
	assert_int_equal(world.left, 9);
	end(NULL);
	world.cost.exits_kill = true;
	open_heap(1, 10, NULL);
	assert_int_equal(world.left, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_site_says_what_is_held),
		TEST(only_a_site_that_changed_is_told_again),
		TEST(sampled_figures_have_a_margin),
		TEST(a_new_site_waits_three_sweeps_for_its_stack),
		TEST(the_last_sweep_waits_for_no_stack),
		TEST(the_connection_with_most_reply_bytes_wins),
		TEST(a_site_without_a_known_owner_is_not_told),
		TEST(what_an_ended_process_held_stays_and_its_room_is_freed),
		TEST(a_process_just_met_is_not_taken_for_gone),
		TEST(memory_of_a_replaced_program_is_not_held),
		TEST(blocks_from_before_the_watch_are_told_at_the_end),
		TEST(a_full_share_is_told_once_for_each_table),
		TEST(children_are_followed_once_if_wanted),
		TEST(a_process_is_met_with_its_exact_start),
		TEST(the_tier_ends_over_its_budget),
		TEST(a_measured_run_replaces_the_guess),
		TEST(no_cost_ends_the_tier_where_any_is_allowed),
		TEST(a_command_gets_its_probes_before_it_starts),
		TEST(others_wait_until_the_budget_is_kept),
		TEST(where_allocators_cannot_be_probed_it_says_why),
		TEST(exits_that_kill_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
