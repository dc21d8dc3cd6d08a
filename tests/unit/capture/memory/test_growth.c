/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Which processes are sampled because they grow, for how long, and what is told of them: with a
 * kernel half, pools and a clock of our own, and our own pages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bpf/memory/growth.h"
#include "bpf/stack/raw_stack.h"
#include "user/capture/host/limit.h"
#include "user/capture/kernel/kernel_growth.h"
#include "user/capture/memory/growth.h"
#include "user/capture/memory/pools.h"
#include "user/capture/stack/reader.h"

#define MIB	  (1ULL << 20)
#define KIB	  (1ULL << 10)
#define SECOND	  1000000000ULL
#define BEGUN	  (1000 * SECOND)
#define OLD	  (10 * SECOND) /* starts of processes: before the watch, and in it */
#define FRESH	  (1001 * SECOND)
#define PAGE	  4096
#define POOL	  (16 * KIB)
#define EARLIER	  UINT64_MAX
#define NAMED_MAX 100 /* samples up to this have a stack of the same number */

static struct growth *growth;
static uint64_t now;
static struct world {
	int attach, enter, pagemap; /* errors */
	uint64_t limit;
	uint64_t pool_bytes;
	bool pool_held;
	double scale;
	uint64_t pools_due;
	uint64_t run_ns, runs;
	/* what was asked for */
	unsigned int attached, detached, entered, left, asked, looks, pools_in, pools_out;
	unsigned int begun, forgotten;
	unsigned int holds;
	uint64_t forgotten_pool, held_pool;
	struct growing how;
	uint64_t spoke;
	/* what was told */
	unsigned int sizes, sites, gaps;
	struct ev_memory size;
	struct ev_memory_site site;
	char gap[EV_TEXT_LEN];
} world;

/* --- fakes ----------------------------------------------------------------------------------- */

int clock_gettime(clockid_t clock, struct timespec *t)
{
	(void)clock;
	*t = (struct timespec){(time_t)(now / SECOND), (long)(now % SECOND)};
	return 0;
}

int kernel_growth_open(struct kernel_growth **out, struct kernel *kernel)
{
	(void)kernel;
	*out = (void *)&world;
	return 0;
}

void kernel_growth_close(struct kernel_growth *g)
{
	(void)g;
}

void kernel_growth_begin(struct kernel_growth *g)
{
	(void)g;
	world.begun++;
}

int kernel_growth_attach(struct kernel_growth *g, bool wait)
{
	(void)g, (void)wait;
	world.attached += !world.attach;
	return world.attach;
}

void kernel_growth_detach(struct kernel_growth *g)
{
	(void)g;
	world.detached++;
}

int kernel_growth_enter(struct kernel_growth *g, uint32_t pid, const struct growing *how)
{
	(void)g, (void)pid;
	world.how = *how;
	world.entered += !world.enter;
	return world.enter;
}

void kernel_growth_leave(struct kernel_growth *g, uint32_t pid)
{
	(void)g, (void)pid;
	world.left++;
}

void kernel_growth_spoke(struct kernel_growth *g, uint32_t pid, uint32_t tid, uint64_t connection,
			 uint64_t ns)
{
	(void)g, (void)pid, (void)tid, (void)ns;
	world.spoke = connection;
}

int kernel_growth_run_time(struct kernel_growth *g, uint64_t *ns, uint64_t *runs)
{
	(void)g;
	*ns = world.run_ns;
	*runs = world.runs;
	return 0;
}

int kernel_pagemap(struct kernel *k, uint32_t pid)
{
	(void)k, (void)pid;
	return world.pagemap ? world.pagemap : open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
}

int limits_open(struct limits **out, const struct procfs *procfs, const struct cgroups *cgroups)
{
	(void)procfs, (void)cgroups;
	*out = (void *)&world;
	return 0;
}

void limits_close(struct limits *l)
{
	(void)l;
}

void limits_begin(struct limits *l)
{
	(void)l;
	world.looks++;
}

struct limit limits_nearest(struct limits *l, uint32_t pid, const struct process_usage *usage)
{
	(void)l, (void)pid, (void)usage;
	return (struct limit){world.limit, 7 * MIB, EV_LIMIT_CGROUP};
}

int pools_open(struct pools **out, const struct pools_host *host)
{
	(void)host;
	*out = (void *)&world;
	return 0;
}

void pools_close(struct pools *p)
{
	(void)p;
}

void pools_enter(struct pools *p, uint32_t pid, uint64_t start_ns)
{
	(void)p, (void)pid, (void)start_ns;
	world.pools_in++;
}

void pools_leave(struct pools *p, uint32_t pid)
{
	(void)p, (void)pid;
	world.pools_out++;
}

uint64_t pools_step(struct pools *p, uint64_t now_ns)
{
	(void)p, (void)now_ns;
	return world.pools_due;
}

bool pools_holds(struct pools *p, uint32_t pid, uint64_t pool)
{
	(void)p, (void)pid;
	world.holds++;
	world.held_pool = pool;
	return world.pool_held;
}

uint64_t pools_bytes(const struct pools *p, uint32_t pid)
{
	(void)p, (void)pid;
	return world.pool_bytes;
}

double pools_scale(const struct pools *p, uint32_t pid)
{
	(void)p, (void)pid;
	return world.scale;
}

void pools_forget(struct pools *p, uint32_t pid, uint64_t pool)
{
	(void)p, (void)pid;
	world.forgotten++;
	world.forgotten_pool = pool;
}

void pools_forget_all(struct pools *p, uint32_t pid)
{
	(void)p, (void)pid;
}

void pools_note(struct pools *p, uint32_t pid, uint64_t pool)
{
	(void)p, (void)pid, (void)pool;
}

uint64_t pools_cost_ns(const struct pools *p)
{
	(void)p;
	return 5 * SECOND;
}

int readers_reported(struct readers *r, uint64_t sample, uint64_t *stack)
{
	(void)r;
	*stack = 0;
	if (sample > NAMED_MAX)
		return -EAGAIN;
	*stack = sample;
	return 0;
}

static void tell(void *context, struct ev_head *record)
{
	(void)context;
	switch (record->kind) {
	case EV_MEMORY:
		world.size = *(const struct ev_memory *)(const void *)record;
		world.sizes++;
		break;
	case EV_MEMORY_SITE:
		world.site = *(const struct ev_memory_site *)(const void *)record;
		world.sites++;
		break;
	case EV_GAP: {
		const struct ev_gap *gap = (const void *)record;

		/* That depends on the host, and on who runs the tests. */
		if (strstr(gap->text, "small huge pages") || strstr(gap->text, "page frames"))
			break;
		memcpy(world.gap, gap->text, sizeof(world.gap));
		world.gaps++;
	}
	}
}

static void ask(void *context, uint32_t pid)
{
	(void)context, (void)pid;
	world.asked++;
}

/* --- helpers --------------------------------------------------------------------------------- */

static int begin_with(bool eager, bool kernel, bool readers)
{
	const struct growth_host host = {.tell = tell,
					 .ask = ask,
					 .kernel = kernel ? (void *)&world : NULL,
					 .readers = readers ? (void *)&world : NULL,
					 .eager = eager};

	now = BEGUN;
	world = (struct world){.limit = UNKNOWN64, .scale = 1, .pools_due = EARLIER};
	return growth_open(&growth, &host);
}

static int begin(void **state)
{
	(void)state;
	return begin_with(false, true, true);
}

static int end(void **state)
{
	(void)state;
	growth_close(growth);
	growth = NULL;
	return 0;
}

static void uses(uint32_t pid, uint64_t start_ns, uint64_t bytes)
{
	const struct process_usage usage = {
		.anonymous_bytes = bytes, .swapped_bytes = 0, .file_bytes = MIB};

	growth_usage(growth, pid, start_ns, &usage);
}

/* --- suspects -------------------------------------------------------------------------------- */

static void a_process_is_sampled_once_it_has_grown_enough(void **state)
{
	(void)state;
	uses(1, OLD, 100 * MIB);
	uses(1, OLD, 99 * MIB);
	uses(1, OLD, 101 * MIB - 1);
	assert_false(growth_follows(growth, 1, OLD));
	assert_int_equal(world.entered, 0);
	uses(1, OLD, 101 * MIB);
	assert_true(growth_follows(growth, 1, OLD));
	assert_false(growth_follows(growth, 1, FRESH));
	assert_int_equal(world.entered, 1);
	assert_int_equal(world.how.start_ns, OLD);
	assert_int_equal(world.how.pages, 48);
	assert_int_equal(world.pools_in, 1);
	assert_int_equal(growth_next(growth), 0);
}

static void a_process_that_starts_in_the_watch_grows_from_nothing(void **state)
{
	(void)state;
	uses(1, OLD, 2 * MIB);
	assert_false(growth_follows(growth, 1, OLD));
	uses(2, FRESH, 2 * MIB);
	assert_true(growth_follows(growth, 2, FRESH));
}

static void swapped_memory_counts_as_grown(void **state)
{
	struct process_usage usage = {.anonymous_bytes = 8 * MIB, .swapped_bytes = UNKNOWN64};

	(void)state;
	growth_usage(growth, 1, OLD, &usage);
	usage.swapped_bytes = MIB;
	growth_usage(growth, 1, OLD, &usage);
	assert_false(growth_follows(growth, 1, OLD));
	usage.swapped_bytes = 2 * MIB;
	growth_usage(growth, 1, OLD, &usage);
	assert_true(growth_follows(growth, 1, OLD));
}

static void a_size_that_is_not_known_makes_no_suspect(void **state)
{
	(void)state;
	uses(2, FRESH, UNKNOWN64);
	assert_false(growth_follows(growth, 2, FRESH));
	assert_int_equal(world.sizes, 1);
}

static void a_calm_process_is_left_and_the_probe_goes_later(void **state)
{
	(void)state;
	uses(1, FRESH, 4 * MIB);
	now += 19 * SECOND;
	uses(1, FRESH, 4 * MIB + 300 * KIB); /* a new height */
	now += 19 * SECOND;
	uses(1, FRESH, 4 * MIB + 500 * KIB); /* none */
	assert_true(growth_follows(growth, 1, FRESH));
	now += 2 * SECOND;
	uses(1, FRESH, 4 * MIB);
	assert_false(growth_follows(growth, 1, FRESH));
	assert_int_equal(world.left, 1);
	assert_int_equal(world.pools_out, 1);
	now += 4 * SECOND;
	growth_sweep(growth, false);
	assert_int_equal(world.detached, 0);
	now += SECOND;
	growth_sweep(growth, false);
	assert_int_equal(world.detached, 1);
	/* From its new lowest it may become one again. */
	uses(1, FRESH, 6 * MIB);
	assert_true(growth_follows(growth, 1, FRESH));
	assert_int_equal(world.attached, 2);
}

static void processes_that_grow_share_the_samples(void **state)
{
	(void)state;
	uses(1, FRESH, 4 * MIB);
	assert_int_equal(world.how.gap_ns, 20000000);
	for (uint32_t pid = 2; pid <= 5; pid++)
		uses(pid, FRESH, 4 * MIB);
	growth_sweep(growth, false);
	assert_int_equal(world.how.gap_ns, 50000000);
	for (uint32_t pid = 6; pid <= 40; pid++)
		uses(pid, FRESH, 4 * MIB);
	growth_sweep(growth, false);
	assert_int_equal(world.how.gap_ns, 200000000);
	growth_gone(growth, 40, FRESH);
	assert_false(growth_follows(growth, 40, FRESH));
	uses(40, FRESH, 9 * MIB);
	assert_false(growth_follows(growth, 40, FRESH));
}

static void processes_without_room_are_told_once(void **state)
{
	(void)state;
	world.enter = -E2BIG;
	uses(1, FRESH, 4 * MIB);
	uses(2, FRESH, 4 * MIB);
	assert_false(growth_follows(growth, 1, FRESH));
	assert_int_equal(world.gaps, 1);
	assert_non_null(strstr(world.gap, "too many processes grow"));
}

static void a_program_still_loading_is_asked_for_again(void **state)
{
	(void)state;
	growth_begin(growth);
	assert_int_equal(world.begun, 1);
	world.attach = -EAGAIN;
	uses(1, FRESH, 4 * MIB);
	assert_false(growth_follows(growth, 1, FRESH));
	assert_int_equal(world.gaps, 0);
	world.attach = 0;
	uses(1, FRESH, 4 * MIB);
	assert_true(growth_follows(growth, 1, FRESH));
}

static void a_kernel_without_page_faults_is_told_once(void **state)
{
	(void)state;
	world.attach = -ENOENT;
	uses(1, FRESH, 4 * MIB);
	world.attach = 0;
	uses(1, FRESH, 8 * MIB);
	assert_false(growth_follows(growth, 1, FRESH));
	assert_int_equal(world.attached, 0);
	assert_int_equal(world.gaps, 1);
	assert_non_null(strstr(world.gap, "does not show page faults"));
}

static void short_programs_are_sampled_as_soon_as_met(void **state)
{
	(void)state;
	growth_close(growth);
	assert_int_equal(begin_with(true, true, true), 0);
	assert_int_equal(world.attached, 1);
	growth_met(growth, 1, FRESH);
	assert_true(growth_follows(growth, 1, FRESH));
	assert_int_equal(world.how.gap_ns, 6000000);
	now += 60 * SECOND;
	uses(1, FRESH, MIB);
	assert_true(growth_follows(growth, 1, FRESH));
}

static void sizes_alone_are_told_without_a_kernel_half(void **state)
{
	(void)state;
	growth_close(growth);
	assert_int_equal(begin_with(false, false, false), 0);
	growth_begin(growth);
	uses(1, FRESH, 40 * MIB);
	assert_int_equal(world.sizes, 1);
	assert_false(growth_follows(growth, 1, FRESH));
	assert_int_equal(growth_next(growth), UINT64_MAX);
	assert_int_equal(growth_cost_ns(growth, 10), 0);
	assert_int_equal(growth_pools_cost_ns(growth), 0);
}

/* --- sizes ----------------------------------------------------------------------------------- */

static void only_a_size_that_moved_is_told(void **state)
{
	(void)state;
	world.limit = 64 * MIB;
	uses(1, OLD, 8 * MIB);
	assert_int_equal(world.sizes, 1);
	assert_int_equal(world.size.anonymous_bytes, 8 * MIB);
	assert_int_equal(world.size.file_bytes, MIB);
	assert_int_equal(world.size.limit_bytes, 64 * MIB);
	assert_int_equal(world.size.limit_used_bytes, 7 * MIB);
	assert_int_equal(world.size.limit, EV_LIMIT_CGROUP);
	assert_int_equal(world.size.tier, EV_TIER_GROWTH);
	uses(1, OLD, 8 * MIB + 64 * KIB - 1);
	uses(1, OLD, 8 * MIB - 64 * KIB + 1);
	assert_int_equal(world.sizes, 1);
	uses(1, OLD, 8 * MIB - 64 * KIB);
	assert_int_equal(world.sizes, 2);
	growth_tier(growth, EV_TIER_CLIENT);
	uses(1, OLD, 8 * MIB - 64 * KIB);
	assert_int_equal(world.sizes, 3);
	assert_int_equal(world.size.tier, EV_TIER_CLIENT);
}

static void the_size_of_a_suspect_is_always_told(void **state)
{
	(void)state;
	uses(1, FRESH, 8 * MIB);
	uses(1, FRESH, 8 * MIB);
	uses(1, FRESH, 8 * MIB);
	assert_int_equal(world.sizes, 3);
}

/* --- samples --------------------------------------------------------------------------------- */

static void sample(uint64_t address, uint64_t stack, uint64_t bytes)
{
	const struct raw_growth raw = {.head = {.kind = RAW_GROWTH, .ns = now},
				       .start_ns = FRESH,
				       .bytes = bytes,
				       .address = address,
				       .stack = stack,
				       .pid = (uint32_t)getpid(),
				       .tid = (uint32_t)getpid()};

	growth_sample(growth, &raw.head);
}

static void sampled_pages_are_held_until_given_back(void **state)
{
	/* A pool is read whole.  Where one lay across the border of what is given back, the read
	 * would map zeros there; whoever may not see frames takes zeros for the memory of before.
	 */
	static uint8_t pages[64 * PAGE] __attribute__((aligned(16 << 10)));
	const size_t size = sizeof(pages);

	(void)state;
	memset(pages, 1, size);
	uses((uint32_t)getpid(), FRESH, 8 * MIB);
	for (size_t at = 0; at < size; at += PAGE)
		sample((uintptr_t)pages + at, 3, MIB);
	now += SECOND;
	growth_sweep(growth, false);
	assert_int_equal(world.asked, 1);
	assert_int_equal(world.sites, 1);
	assert_int_equal(world.site.stack, 3);
	assert_int_equal(world.site.pid, getpid());
	assert_int_equal(world.site.taken_bytes, 64 * MIB);
	assert_int_equal(world.site.held_bytes, 64 * MIB);
	assert_int_equal(madvise(pages, size / 2, MADV_DONTNEED), 0);
	now += 2 * SECOND;
	growth_sweep(growth, true);
	assert_int_equal(world.asked, 1);
	assert_int_equal(world.site.held_bytes, 32 * MIB);
	assert_int_equal(world.site.taken_bytes, 64 * MIB);
}

static void samples_of_a_process_never_met_are_dropped(void **state)
{
	(void)state;
	sample(0x1000, 3, MIB);
	growth_sweep(growth, true);
	assert_int_equal(world.sites, 0);
}

static void a_gone_process_is_kept_until_its_samples_have_names(void **state)
{
	uint32_t pid = (uint32_t)getpid();

	(void)state;
	uses(pid, FRESH, 8 * MIB);
	sample(0x7000000, NAMED_MAX + 1, MIB);
	growth_gone(growth, pid, FRESH);
	growth_sweep(growth, false);
	assert_int_equal(world.sites, 0);
	now += 6 * SECOND; /* no name comes any more */
	growth_sweep(growth, false);
	assert_int_equal(world.sites, 1);
	assert_int_equal(world.site.stack, 0);
	assert_int_equal(world.site.taken_bytes, MIB);
	sample(0x7000000, 3, MIB);
	growth_sweep(growth, true);
	assert_int_equal(world.sites, 1);
}

static void pages_that_cannot_be_looked_for_are_told(void **state)
{
	(void)state;
	uses((uint32_t)getpid(), FRESH, 8 * MIB);
	world.pagemap = -ESRCH;
	growth_sweep(growth, true);
	assert_int_equal(world.gaps, 0);
	world.pagemap = -EACCES;
	growth_sweep(growth, true);
	growth_sweep(growth, true);
	assert_int_equal(world.gaps, 1);
	assert_non_null(strstr(world.gap, "pagemap"));
}

/* --- pools of Python ------------------------------------------------------------------------- */

static uint8_t arena[4 * POOL] __attribute__((aligned(16 << 10)));

static void pool(uint64_t address, uint64_t bytes)
{
	const struct raw_growth raw = {.head = {.kind = RAW_POOL, .ns = now},
				       .start_ns = FRESH,
				       .bytes = bytes,
				       .address = address,
				       .stack = 5,
				       .pid = (uint32_t)getpid()};

	growth_pool(growth, &raw.head);
}

static void pools_count_once_the_process_is_sampled_for_them(void **state)
{
	uint32_t pid = (uint32_t)getpid();
	uint64_t at = (uintptr_t)arena;

	(void)state;
	pool(at + 48, MIB); /* nobody grows */
	uses(pid, FRESH, 8 * MIB);
	pool(at + 48, MIB); /* its pools are not sampled */
	world.pools_due = now + SECOND;
	growth_step(growth, now);
	assert_int_equal(growth_next(growth), now + SECOND);
	world.pool_bytes = POOL;
	world.scale = 4;
	world.pool_held = true;
	world.pools_due = EARLIER;
	pool(at + 48, MIB);
	now += SECOND;
	growth_step(growth, now);
	/* The next look comes at an irregular time. */
	assert_in_range(growth_next(growth), now + 1, now + SECOND);
	assert_int_equal(world.holds, 1);
	assert_int_equal(world.held_pool, at);
	/* The kernel half saw the pool given back: nobody asks for it again. */
	world.pool_held = false;
	for (int i = 0; i < 4; i++) {
		now += SECOND;
		growth_step(growth, now);
	}
	assert_int_equal(world.holds, 2);
}

static void a_pool_that_is_no_pool_any_longer_is_forgotten(void **state)
{
	uint64_t at = (uintptr_t)arena + POOL;

	(void)state;
	uses((uint32_t)getpid(), FRESH, 8 * MIB);
	world.pool_bytes = POOL;
	world.pool_held = true;
	memset(arena, 0xff, sizeof(arena));
	pool(at + 48, MIB);
	for (int i = 0; i < 4 && !world.forgotten; i++) {
		now += SECOND;
		growth_step(growth, now);
	}
	assert_int_equal(world.forgotten, 1);
	assert_int_equal(world.forgotten_pool, at);
}

/* --- costs ----------------------------------------------------------------------------------- */

static void the_cost_is_that_of_an_average_run(void **state)
{
	(void)state;
	assert_int_equal(growth_cost_ns(growth, 1000), 0);
	world.run_ns = 3000;
	world.runs = 10;
	assert_int_equal(growth_cost_ns(growth, 1000), 300000);
	assert_int_equal(growth_pools_cost_ns(growth), 5 * SECOND);
	growth_look(growth);
	assert_int_equal(world.looks, 1);
	growth_spoke(growth, 1, 1, 77, now);
	assert_int_equal(world.spoke, 77);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_process_is_sampled_once_it_has_grown_enough),
		TEST(a_process_that_starts_in_the_watch_grows_from_nothing),
		TEST(swapped_memory_counts_as_grown),
		TEST(a_size_that_is_not_known_makes_no_suspect),
		TEST(a_calm_process_is_left_and_the_probe_goes_later),
		TEST(processes_that_grow_share_the_samples),
		TEST(processes_without_room_are_told_once),
		TEST(a_program_still_loading_is_asked_for_again),
		TEST(a_kernel_without_page_faults_is_told_once),
		TEST(short_programs_are_sampled_as_soon_as_met),
		TEST(sizes_alone_are_told_without_a_kernel_half),
		TEST(only_a_size_that_moved_is_told),
		TEST(the_size_of_a_suspect_is_always_told),
		TEST(sampled_pages_are_held_until_given_back),
		TEST(samples_of_a_process_never_met_are_dropped),
		TEST(a_gone_process_is_kept_until_its_samples_have_names),
		TEST(pages_that_cannot_be_looked_for_are_told),
		TEST(pools_count_once_the_process_is_sampled_for_them),
		TEST(a_pool_that_is_no_pool_any_longer_is_forgotten),
		TEST(the_cost_is_that_of_an_average_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
