/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Probes of Python's allocator: in which processes, for how much of the time, and what is said
 * where they cannot be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/capture/host/memory.h"
#include "user/capture/kernel/kernel_stack.h"
#include "user/capture/memory/pool_code.h"
#include "user/capture/memory/pools.h"
#include "user/capture/probe/file_exit.h"
#include "user/capture/stack/python_build.h"

#define SECOND	1000000000ULL
#define START	(100 * SECOND)
#define EXIT_NS 1000

struct probe_links {
	int unused;
};

static struct probe_links links;
static struct world {
	int runtime;	/* of the process; negative: none known */
	int load, find; /* errors */
	unsigned int minor;
	struct probe_cost cost;
	uint64_t takes;
	uint64_t run_ns, runs;
	bool in; /* the probe */
	int attach;
	unsigned int attached, entered, left, gaps, files;
	uint64_t bytes; /* of a pool, as the kernel half was told */
	size_t places;
	char gap[EV_TEXT_LEN];
} world;

static struct procfs *procfs;

int kernel_pool_open(struct kernel_pool **out, struct kernel *kernel)
{
	(void)kernel;
	*out = (void *)&world;
	return 0;
}

void kernel_pool_close(struct kernel_pool *p)
{
	(void)p;
}

int kernel_pool_load(struct kernel_pool *p, struct probe_programs *programs)
{
	(void)p;
	*programs = (struct probe_programs){.left = 9, .multi = true};
	return world.load;
}

uint64_t kernel_pool_canaries(void *kernel_pool, uint32_t cookie)
{
	(void)kernel_pool, (void)cookie;
	return 0;
}

int kernel_pool_enter(struct kernel_pool *p, uint32_t pid, const struct pool_taker *how)
{
	(void)p;
	assert_int_equal(pid, getpid());
	assert_int_equal(how->start_ns, START);
	world.bytes = how->bytes;
	world.entered++;
	return 0;
}

int kernel_pool_state(struct kernel_pool *p, uint32_t pid, struct pool_taker *state)
{
	(void)p, (void)pid;
	*state = (struct pool_taker){.takes = world.takes};
	return 0;
}

void kernel_pool_leave(struct kernel_pool *p, uint32_t pid)
{
	(void)p, (void)pid;
	world.left++;
}

bool kernel_pool_is_sampled(struct kernel_pool *p, uint32_t pid, uint64_t pool)
{
	(void)p, (void)pid;
	return pool == 0x4000;
}

void kernel_pool_note(struct kernel_pool *p, uint32_t pid, uint64_t pool)
{
	(void)p, (void)pid, (void)pool;
}

void kernel_pool_forget(struct kernel_pool *p, uint32_t pid, uint64_t pool)
{
	(void)p, (void)pid, (void)pool;
}

void kernel_pool_forget_all(struct kernel_pool *p, uint32_t pid)
{
	(void)p, (void)pid;
}

int kernel_pool_run_time(struct kernel_pool *p, uint64_t *ns, uint64_t *runs)
{
	(void)p;
	*ns = world.run_ns * world.runs;
	*runs = world.runs;
	return 0;
}

int kernel_runtime_get(struct kernel *k, uint32_t pid, struct runtime_process *runtime)
{
	(void)k, (void)pid;
	if (world.runtime < 0)
		return -ENOENT;
	*runtime = (struct runtime_process){.runtime = (uint32_t)world.runtime};
	return 0;
}

int probes_calibrate(struct probe_cost *cost, const struct probe_programs *programs, uint32_t first,
		     uint64_t (*hits)(void *context, uint32_t cookie), void *context)
{
	(void)programs, (void)first, (void)hits, (void)context;
	*cost = world.cost;
	return 0;
}

int probes_attach(struct probe_links **out, const struct probe_programs *programs, int fd,
		  const struct probe_place *places, size_t n)
{
	assert_int_equal(programs->pid, getpid());
	assert_true(fd >= 0);
	assert_false(world.in);
	if (world.attach)
		return world.attach;
	for (size_t i = 0; i < n; i++)
		assert_true(places[i].leaves);
	world.places = n;
	world.in = true;
	world.attached++;
	*out = &links;
	return 0;
}

void probes_detach(struct probe_links *l)
{
	if (l)
		world.in = false;
}

void probes_detach_later(struct probe_links *l)
{
	probes_detach(l);
}

/* The kernel opens mapped files for few; what is in them is made up below. */
int memory_open_mapped(uint32_t pid, uint64_t start, uint64_t end)
{
	assert_int_equal(pid, getpid());
	assert_true(start < end);
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Each file that the process maps as code is a Python. */
int elf_open(struct elf_file **out, int fd)
{
	assert_true(fd >= 0);
	*out = (void *)&world;
	world.files++;
	return 0;
}

void elf_close(struct elf_file *e)
{
	(void)e;
}

int elf_bias(struct elf_file *e, uint64_t start, uint64_t offset, uint64_t *bias)
{
	(void)e;
	*bias = start - offset;
	return 0;
}

int python_identify(struct elf_file *elf, struct python_build *out)
{
	(void)elf;
	*out = (struct python_build){.minor = world.minor};
	return world.minor ? 0 : -ENOENT;
}

int pool_code_find(struct elf_file *elf, uint64_t bias, const struct memory *m, uint64_t *offset)
{
	(void)elf, (void)bias, (void)m;
	*offset = 0x1234;
	return world.find;
}

int file_exits_find(struct elf_file *elf, const struct file_function *function,
		    struct probe_exits *out)
{
	(void)elf;
	assert_true(function->returns_only);
	assert_int_equal(function->offset, 0x1234);
	out->count = 2;
	out->all[0].address = 0x1240;
	out->all[1].address = 0x1250;
	return 0;
}

static void hear_gap(void *context, const char *text)
{
	(void)context;
	world.gaps++;
	strcpy(world.gap, text);
}

static struct pools *start(double max_overhead)
{
	const struct pools_host host = {
		.gap = hear_gap, .procfs = procfs, .max_overhead = max_overhead};
	struct pools *p;

	world = (struct world){.runtime = RUNTIME_PYTHON,
			       .minor = 11,
			       .cost = {.fires = true, .exit_ns = EXIT_NS}};
	assert_int_equal(pools_open(&p, &host), 0);
	assert_true(pools_step(p, START) == UINT64_MAX);
	pools_enter(p, (uint32_t)getpid(), START);
	return p;
}

static void a_python_that_has_begun_gets_the_probe(void **state)
{
	struct pools *p = start(1);
	uint64_t now = START + SECOND / 4;

	(void)state;
	assert_true(pools_step(p, now) > now);
	assert_int_equal(world.attached, 0); /* too young */
	assert_int_equal(pools_bytes(p, (uint32_t)getpid()), 0);
	pools_step(p, START + SECOND);
	assert_true(world.in);
	assert_int_equal(world.places, 2); /* both of its ends */
	assert_int_equal(world.bytes, 16 << 10);
	assert_int_equal(pools_bytes(p, (uint32_t)getpid()), 16 << 10);
	pools_enter(p, (uint32_t)getpid(), START); /* said again */
	pools_step(p, START + 2 * SECOND);
	assert_int_equal(world.attached, 1);
	assert_int_equal(world.entered, 1);
	assert_true(pools_holds(p, (uint32_t)getpid(), 0x4000));
	assert_false(pools_holds(p, (uint32_t)getpid(), 0x8000));
	pools_leave(p, (uint32_t)getpid());
	assert_false(world.in);
	assert_int_equal(world.left, 1);
	assert_int_equal(world.gaps, 0);
	pools_close(p);
}

static void an_old_python_has_small_pools(void **state)
{
	struct pools *p = start(1);

	(void)state;
	world.minor = 9;
	pools_step(p, START + SECOND);
	assert_int_equal(world.bytes, 4 << 10);
	pools_close(p);
	assert_false(world.in);
}

static void a_process_of_another_kind_is_left_alone(void **state)
{
	static const int runtimes[] = {-1, RUNTIME_PERL, RUNTIME_NATIVE};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct pools *p = start(1);

		world.runtime = runtimes[i];
		pools_step(p, START + SECOND);
		assert_int_equal(world.attached + world.files + world.gaps, 0);
		world.runtime = RUNTIME_PYTHON; /* it starts one later */
		pools_step(p, START + 2 * SECOND);
		assert_int_equal(world.attached, 1);
		pools_close(p);
	}
}

/* A process that is told of as Python may have hardly mapped it. */
static void a_python_that_is_not_there_yet_is_looked_for_again(void **state)
{
	struct pools *p = start(1);

	(void)state;
	world.minor = 0;
	for (unsigned int i = 1; i < 4; i++)
		pools_step(p, START + i * SECOND);
	world.minor = 12;
	pools_step(p, START + 5 * SECOND);
	assert_int_equal(world.attached, 1);
	pools_close(p);
	p = start(1);
	world.minor = 0;
	for (unsigned int i = 1; i < 20; i++)
		pools_step(p, START + i * SECOND);
	world.minor = 12;
	world.files = 0;
	pools_step(p, START + 30 * SECOND); /* given up */
	assert_int_equal(world.files + world.attached, 0);
	assert_int_equal(world.gaps, 0);
	pools_close(p);
}

static void each_reason_is_told_once(void **state)
{
	static const struct {
		int load, find, attach;
		struct probe_cost cost;
		const char *word;
	} rows[] = {
		{.load = -ENOTSUP, .cost = {.fires = true}, .word = "cannot remove probes quickly"},
		{.cost = {.fires = false}, .word = "cannot remove probes quickly"},
		{.cost = {.fires = true, .kills = true}, .word = "kill"},
		{.cost = {.fires = true, .exits_kill = true}, .word = "kill"},
		{.find = -EPERM, .cost = {.fires = true}, .word = "another allocator"},
		{.find = -ENOTSUP, .cost = {.fires = true}, .word = "not recognised"},
		{.attach = -E2BIG, .cost = {.fires = true}, .word = "Argument list too long"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pools *p = start(1);

		world.load = rows[i].load;
		world.find = rows[i].find;
		world.attach = rows[i].attach;
		world.cost = rows[i].cost;
		for (unsigned int step = 1; step < 5; step++) {
			pools_leave(p, (uint32_t)getpid());
			pools_enter(p, (uint32_t)getpid(), START);
			pools_step(p, START + step * SECOND);
		}
		assert_int_equal(world.attached, 0);
		assert_int_equal(world.gaps, 1);
		assert_non_null(strstr(world.gap, rows[i].word));
		pools_close(p);
	}
}

static void programs_that_are_being_loaded_are_waited_for(void **state)
{
	struct pools *p = start(1);

	(void)state;
	world.load = -EAGAIN;
	pools_step(p, START + SECOND);
	assert_int_equal(world.gaps + world.attached, 0);
	world.load = 0;
	pools_step(p, START + 2 * SECOND);
	assert_int_equal(world.gaps, 0);
	assert_int_equal(world.attached, 1);
	pools_close(p);
}

/* With so many takes a second for the time given, in quarters: how much of it the probe was in. */
static double share(struct pools *p, uint64_t takes, uint64_t seconds, uint64_t *now)
{
	uint64_t in = 0, quarters = seconds * 4;

	for (uint64_t i = 0; i < quarters; i++) {
		if (world.in)
			world.takes += takes / 4;
		in += world.in;
		*now += SECOND / 4;
		pools_step(p, *now);
	}
	return (double)in / (double)quarters;
}

static void a_process_pays_no_more_than_its_budget(void **state)
{
	struct pools *p = start(1); /* percent: 10 ms a second */
	uint64_t now = START + SECOND;
	double busy;

	(void)state;
	world.runs = 1000;
	world.run_ns = 1000;
	pools_step(p, now);
	assert_true(share(p, 1000, 30, &now) == 1); /* 2 ms a second */
	assert_true(pools_scale(p, (uint32_t)getpid()) == 1);
	busy = share(p, 50000, 400, &now); /* 100 ms a second: for a tenth of the time */
	assert_true(busy > 0.05 && busy < 0.2);
	assert_true(pools_cost_ns(p) < (now - START) / 80);
	assert_true(pools_scale(p, (uint32_t)getpid()) > 3);
	pools_close(p);
}

static void who_allows_all_pays_all(void **state)
{
	struct pools *p = start(100);
	uint64_t now = START + SECOND;

	(void)state;
	pools_step(p, now);
	assert_true(share(p, 10000000, 20, &now) == 1);
	assert_true(pools_cost_ns(p) >= 20 * 10000000ULL * EXIT_NS);
	pools_close(p);
}

static void a_program_s_time_is_guessed_until_it_is_measured(void **state)
{
	struct pools *p = start(100);

	(void)state;
	pools_step(p, START + SECOND);
	world.takes = 10;
	pools_step(p, START + 2 * SECOND);
	assert_int_equal(pools_cost_ns(p), 10 * (EXIT_NS + 1000));
	world.takes = 20;
	world.runs = 100;
	world.run_ns = 500;
	pools_step(p, START + 3 * SECOND);
	assert_int_equal(pools_cost_ns(p), 10 * (EXIT_NS + 1000) + 10 * (EXIT_NS + 500));
	pools_close(p);
}

static int set_up(void **state)
{
	(void)state;
	return procfs_open(&procfs, "");
}

static int tear_down(void **state)
{
	(void)state;
	procfs_close(procfs);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_python_that_has_begun_gets_the_probe),
		cmocka_unit_test(an_old_python_has_small_pools),
		cmocka_unit_test(a_process_of_another_kind_is_left_alone),
		cmocka_unit_test(a_python_that_is_not_there_yet_is_looked_for_again),
		cmocka_unit_test(each_reason_is_told_once),
		cmocka_unit_test(programs_that_are_being_loaded_are_waited_for),
		cmocka_unit_test(a_process_pays_no_more_than_its_budget),
		cmocka_unit_test(who_allows_all_pays_all),
		cmocka_unit_test(a_program_s_time_is_guessed_until_it_is_measured),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
