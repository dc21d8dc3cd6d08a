/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Processes that carry the probes at their collector's start: what is told of them, and when the
 * probes go.  The target is this process, which maps a file that is named as a Python.
 */
#include "user/capture/memory/collections.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/capture/host/memory.h"
#include "user/capture/kernel/kernel_collections.h"
#include "user/capture/probe/usdt.h"

#define SECOND_NS 1000000000ULL
#define START_NS  77

static struct procfs *procfs;
static struct collections *source;
static struct ev_collections told;
static size_t tellings;
static struct {
	int load, found; /* errors */
	bool carries;
	uint64_t cookie, semaphore;
	struct collecting counts;
} fake;
static char path[] = "/tmp/python-of-a-test-XXXXXX";
static void *mapped;

int kernel_collections_load(struct kernel *k, struct probe_programs *programs)
{
	(void)k;
	*programs = (struct probe_programs){.entered = 3, .multi = true};
	return fake.load;
}

int kernel_collections_enter(struct kernel *k, uint32_t pid)
{
	(void)k;
	assert_int_equal(pid, getpid());
	return 0;
}

int kernel_collections_read(struct kernel *k, uint32_t pid, struct collecting *out)
{
	(void)k;
	(void)pid;
	*out = fake.counts;
	return 0;
}

void kernel_collections_leave(struct kernel *k, uint32_t pid)
{
	(void)k;
	(void)pid;
}

int probes_attach(struct probe_links **out, const struct probe_programs *programs, int fd,
		  const struct probe_place *places, size_t n)
{
	static char links;

	assert_int_equal(programs->pid, getpid());
	assert_true(fd >= 0);
	assert_int_equal(n, 1);
	fake.carries = true;
	fake.cookie = places[0].cookie;
	fake.semaphore = places[0].semaphore;
	*out = (void *)&links;
	return 0;
}

void probes_detach(struct probe_links *links)
{
	assert_non_null(links);
	fake.carries = false;
}

void probes_detach_later(struct probe_links *links)
{
	probes_detach(links);
}

/* The kernel opens mapped files for few, and would open this one at that place. */
int memory_open_mapped(uint32_t pid, uint64_t start, uint64_t end)
{
	assert_int_equal(pid, getpid());
	assert_int_equal(start, (uintptr_t)mapped);
	assert_int_equal(end - start, 4096);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int elf_open(struct elf_file **out, int fd)
{
	(void)fd;
	*out = NULL;
	return 0;
}

void elf_close(struct elf_file *e)
{
	(void)e;
}

int usdt_find(struct elf_file *elf, const char *provider, const char *name, struct usdt_places *out)
{
	(void)elf;
	assert_string_equal(provider, "python");
	assert_string_equal(name, "gc__start");
	*out = (struct usdt_places){.count = 1,
				    .all = {{.offset = 0x40,
					     .semaphore = 0x80,
					     .how = USDT_MEMORY,
					     .base = 4,
					     .size = 4,
					     .value = -112}}};
	return fake.found;
}

static void take_told(void *context, struct ev_head *record)
{
	(void)context;
	assert_int_equal(record->kind, EV_COLLECTIONS);
	told = *(struct ev_collections *)(void *)record;
	tellings++;
}

static int begin_probes(void **state)
{
	struct collections_host host = {.tell = take_told, .hit_ns = 700, .max_overhead = 1};
	int fd;

	(void)state;
	memset(&fake, 0, sizeof(fake));
	memset(&told, 0, sizeof(told));
	tellings = 0;
	strcpy(path + sizeof(path) - 7, "XXXXXX");
	fd = mkstemp(path);
	if (fd < 0 || ftruncate(fd, 4096))
		return -1;
	mapped = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	close(fd);
	if (mapped == MAP_FAILED || procfs_open(&procfs, ""))
		return -1;
	host.procfs = procfs;
	return collections_open(&source, &host);
}

static int end_probes(void **state)
{
	(void)state;
	collections_close(source);
	assert_false(fake.carries);
	procfs_close(procfs);
	munmap(mapped, 4096);
	unlink(path);
	return 0;
}

static void met_and_looked_into(void)
{
	collections_met(source, (uint32_t)getpid(), START_NS);
	assert_true(collections_next(source) != UINT64_MAX);
	collections_step(source, SECOND_NS);
}

static void a_process_is_counted_and_told_when_it_changed(void **state)
{
	struct stat st;

	(void)state;
	met_and_looked_into();
	assert_true(collections_next(source) == UINT64_MAX);
	assert_true(fake.carries);
	assert_int_equal(fake.semaphore, 0x80);
	assert_int_equal(COLLECTION_ARGUMENT(fake.cookie), COLLECTION_MEMORY);
	assert_int_equal(COLLECTION_BASE(fake.cookie), 4);
	assert_int_equal(COLLECTION_LEAST(fake.cookie), 2);
	assert_int_equal(COLLECTION_NUMBER(fake.cookie), -112);
	assert_int_equal(tellings, 1);
	assert_int_equal(told.collector, EV_COLLECTOR_PYTHON);
	assert_int_equal(told.start_ns, START_NS);
	assert_int_not_equal(told.since_ns, 0);
	assert_int_equal(stat(path, &st), 0);
	assert_true(collections_is_at(source, st.st_ino, 0x40));
	assert_false(collections_is_at(source, st.st_ino, 0x42));
	assert_false(collections_is_at(source, st.st_ino + 1, 0x40));
	collections_sweep(source, 2 * SECOND_NS);
	assert_int_equal(tellings, 1);
	fake.counts = (struct collecting){.full = 2, .partial = 5, .full_ns = 8, .last_ns = 9};
	collections_sweep(source, 3 * SECOND_NS);
	assert_int_equal(tellings, 2);
	assert_int_equal(told.full, 2);
	assert_int_equal(told.partial, 5);
	assert_int_equal(told.full_ns, 8);
	assert_int_equal(told.last_ns, 9);
	fake.counts.full = 3;
	collections_gone(source, (uint32_t)getpid(), START_NS + 1); /* another one of that pid */
	assert_true(fake.carries);
	collections_gone(source, (uint32_t)getpid(), START_NS);
	assert_false(fake.carries);
	assert_int_equal(told.full, 3);
}

static void a_process_without_the_probe_is_told_once(void **state)
{
	(void)state;
	fake.found = -ENOENT;
	met_and_looked_into();
	assert_false(fake.carries);
	assert_int_equal(tellings, 1);
	assert_int_equal(told.collector, EV_COLLECTOR_UNKNOWN);
	assert_int_equal(told.since_ns, 0);
	fake.counts.full = 5;
	collections_sweep(source, 2 * SECOND_NS);
	collections_met(source, (uint32_t)getpid(), START_NS);
	collections_step(source, 3 * SECOND_NS);
	assert_int_equal(tellings, 1);
}

static void a_process_waits_for_the_program(void **state)
{
	(void)state;
	fake.load = -EAGAIN;
	met_and_looked_into();
	assert_int_equal(tellings, 0);
	assert_true(collections_next(source) != UINT64_MAX);
	fake.load = 0;
	collections_step(source, 2 * SECOND_NS);
	assert_true(fake.carries);
}

static void a_kernel_that_refuses_leaves_all_unknown(void **state)
{
	(void)state;
	fake.load = -ENOTSUP;
	met_and_looked_into();
	assert_false(fake.carries);
	assert_int_equal(tellings, 1);
	assert_int_equal(told.collector, EV_COLLECTOR_UNKNOWN);
}

static void probes_that_cost_too_much_go_for_good(void **state)
{
	uint64_t now;

	(void)state;
	met_and_looked_into();
	now = told.since_ns;
	for (int i = 1; i <= 5; i++) { /* a fifth of what may be */
		fake.counts.partial += 2000;
		collections_sweep(source, now + (uint64_t)i * SECOND_NS);
	}
	assert_true(fake.carries);
	assert_false(collections_stepped_down(source));
	assert_true(collections_cost_ns(source) > 0);
	fake.counts.partial += 1000000;
	collections_sweep(source, now + 6 * SECOND_NS);
	assert_false(fake.carries);
	assert_true(collections_stepped_down(source));
	assert_int_equal(told.flags, EV_COLLECTIONS_STOPPED);
	fake.counts.partial++;
	collections_sweep(source, now + 7 * SECOND_NS);
	assert_int_equal(told.partial, 1010000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_probes, end_probes)
	const struct CMUnitTest tests[] = {
		TEST(a_process_is_counted_and_told_when_it_changed),
		TEST(a_process_without_the_probe_is_told_once),
		TEST(a_process_waits_for_the_program),
		TEST(a_kernel_that_refuses_leaves_all_unknown),
		TEST(probes_that_cost_too_much_go_for_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
