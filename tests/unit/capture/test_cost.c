/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What is told of losses and of our own cost, and when sweeps become rarer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "user/capture/cost.h"
#include "user/capture/dsn/asker.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/probe/probe.h"
#include "user/capture/sources.h"
#include "user/capture/stack/reader.h"
#include "user/capture/worker/ceiling.h"
#include "user/capture/worker/fetcher.h"
#include "user/capture/worker/nursery.h"

#define MS    1000000ULL
#define BEGUN (1000 * SECOND_NS)

static struct capture *capture;
static struct world {
	uint64_t cpu_ns; /* of this process */
	uint64_t counters[COUNTERS];
	int refused;
	uint64_t missed, lost;
	bool sources_less, stats_off;
	int folder;
	unsigned int told;
	union {
		struct ev_head head;
		struct ev_loss loss;
		struct ev_cost cost;
		struct ev_gap gap;
	} last;
} world;

int getrusage(__rusage_who_t who, struct rusage *usage)
{
	(void)who;
	*usage = (struct rusage){
		.ru_utime = {(time_t)(world.cpu_ns / SECOND_NS), 0},
		.ru_stime = {0, (suseconds_t)(world.cpu_ns % SECOND_NS / 1000)},
	};
	return 0;
}

int kernel_counters(struct kernel *k, uint64_t *counters)
{
	(void)k;
	memcpy(counters, world.counters, sizeof(world.counters));
	return world.refused;
}

uint64_t kernel_missed(struct kernel *k)
{
	(void)k;
	return world.missed;
}

uint64_t kernel_bytes(struct kernel *k)
{
	(void)k;
	return 4096;
}

int kernel_run_time(struct kernel *k, uint64_t *ns, uint64_t *runs)
{
	(void)k;
	*ns = 5000;
	*runs = 10;
	return 0;
}

int kernel_stats(struct kernel *k, bool on)
{
	(void)k;
	world.stats_off = !on;
	return 0;
}

uint64_t readers_lost(const struct readers *r)
{
	(void)r;
	return world.lost;
}

uint64_t nursery_cpu_ns(const struct nursery *n)
{
	(void)n;
	return 30 * MS;
}

uint64_t fetcher_cpu_ns(const struct fetcher *f)
{
	(void)f;
	return 20 * MS;
}

uint64_t asker_cpu_ns(const struct asker *a)
{
	(void)a;
	return 10 * MS;
}

bool sources_stepped_down(const struct capture *c)
{
	(void)c;
	return world.sources_less;
}

double sources_cost_ns(struct capture *c, uint64_t faults)
{
	(void)c;
	return 2.0 * faults;
}

uint64_t ceiling_resident(void)
{
	return 8192;
}

int procfs_folder(const struct procfs *p)
{
	(void)p;
	return world.folder;
}

static int sink(void *context, const struct ev_head *record)
{
	(void)context;
	memcpy(&world.last, record, record->size);
	world.told++;
	return 0;
}

static int begin(void **state)
{
	(void)state;
	world = (struct world){.folder = AT_FDCWD};
	capture = calloc(1, sizeof(*capture));
	if (!capture)
		return -1;
	capture->options.sink = sink;
	capture->options.max_overhead = 10;
	capture->options.interval_ms = 1000;
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(capture);
	return 0;
}

static void losses_are_told_when_they_change(void **state)
{
	(void)state;
	cost_tell_losses(capture);
	assert_int_equal(world.told, 0);
	world.counters[COUNTER_LOSS + EV_LOSS_RING_FULL] = 3;
	world.missed = 2;
	cost_tell_losses(capture);
	cost_tell_losses(capture);
	assert_int_equal(world.told, 1);
	assert_int_equal(world.last.loss.count[EV_LOSS_RING_FULL], 3);
	assert_int_equal(world.last.loss.count[EV_LOSS_MISSED_RETURN], 2);
	capture->readers = (void *)&world;
	world.lost = 1;
	cost_tell_losses(capture);
	assert_int_equal(world.told, 2);
	assert_int_equal(world.last.loss.count[EV_LOSS_TRUNCATED], 1);
	world.refused = -EPERM;
	world.lost = 2;
	cost_tell_losses(capture);
	assert_int_equal(world.told, 2);
}

static void the_cost_is_that_of_all_our_processes(void **state)
{
	(void)state;
	world.cpu_ns = 100 * MS;
	cost_tell(capture);
	assert_int_equal(world.last.cost.cpu_ns, 100 * MS);
	capture->nursery = (void *)&world;
	capture->fetcher = (void *)&world;
	capture->options.asker = (void *)&world;
	cost_tell(capture);
	assert_int_equal(world.last.cost.cpu_ns, 160 * MS);
	assert_int_equal(world.last.cost.rss_bytes, 8192);
	assert_int_equal(world.last.cost.kernel_bytes, 4096);
	assert_int_equal(world.last.cost.stepped_down, 0);
	world.sources_less = true;
	cost_tell(capture);
	assert_int_equal(world.last.cost.stepped_down, 1);
	assert_int_equal(world.told, 3);
	world.refused = -EPERM;
	cost_tell(capture);
	assert_int_equal(world.told, 3);
}

static void the_cost_of_our_programs_is_that_of_an_average_run(void **state)
{
	(void)state;
	world.counters[COUNTER_MESSAGES] = 70;
	world.counters[COUNTER_OTHER_MESSAGES] = 30;
	world.counters[COUNTER_FAULTS] = 7;
	cost_tell(capture);
	assert_int_equal(world.last.cost.bpf_ns, 14);
	capture->stats_until_ns = BEGUN;
	cost_sample(capture, BEGUN - 1);
	assert_false(world.stats_off);
	cost_sample(capture, BEGUN);
	assert_true(world.stats_off);
	cost_tell(capture);
	assert_int_equal(world.last.cost.bpf_ns, 100 * 500 + 14);
	world.stats_off = false;
	cost_sample(capture, BEGUN + SECOND_NS);
	assert_false(world.stats_off);
}

static void over_the_budget_sweeps_become_rarer_up_to_a_limit(void **state)
{
	uint64_t now = BEGUN;

	(void)state;
	cost_keep_budget(capture, now);
	/* A second of processor time may be taken in advance. */
	world.cpu_ns = 1090 * MS;
	cost_keep_budget(capture, now += SECOND_NS);
	assert_int_equal(capture->options.interval_ms, 1000);
	world.cpu_ns += 150 * MS;
	cost_keep_budget(capture, now += SECOND_NS);
	assert_int_equal(capture->options.interval_ms, 2000);
	assert_true(capture->stepped_down);
	for (int i = 0; i < 6; i++) {
		world.cpu_ns += 500 * MS;
		cost_keep_budget(capture, now += SECOND_NS);
	}
	assert_int_equal(capture->options.interval_ms, 8000);
}

static void more_processes_have_more_budget(void **state)
{
	(void)state;
	capture->owners.count = 4;
	cost_keep_budget(capture, BEGUN);
	for (int i = 1; i <= 20; i++) {
		world.cpu_ns += 390 * MS;
		cost_keep_budget(capture, BEGUN + (uint64_t)i * SECOND_NS);
	}
	assert_int_equal(capture->options.interval_ms, 1000);
	assert_false(capture->stepped_down);
}

static void where_any_cost_is_allowed_none_is_too_much(void **state)
{
	(void)state;
	capture->options.max_overhead = OVERHEAD_ANY;
	for (uint64_t i = 0; i < 10; i++) {
		world.cpu_ns += 10 * SECOND_NS;
		cost_keep_budget(capture, BEGUN + i * SECOND_NS);
	}
	assert_int_equal(capture->options.interval_ms, 1000);
}

static void a_full_table_of_files_is_told_once(void **state)
{
	struct rlimit before, none;

	(void)state;
	world.folder = open("/proc", O_PATH | O_CLOEXEC);
	cost_tell_full(capture);
	assert_int_equal(world.told, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){3, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	cost_tell_full(capture);
	cost_tell_full(capture);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(world.told, 1);
	assert_non_null(strstr(world.last.gap.text, "cannot open more files"));
	close(world.folder);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(losses_are_told_when_they_change),
		TEST(the_cost_is_that_of_all_our_processes),
		TEST(the_cost_of_our_programs_is_that_of_an_average_run),
		TEST(over_the_budget_sweeps_become_rarer_up_to_a_limit),
		TEST(more_processes_have_more_budget),
		TEST(where_any_cost_is_allowed_none_is_too_much),
		TEST(a_full_table_of_files_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
