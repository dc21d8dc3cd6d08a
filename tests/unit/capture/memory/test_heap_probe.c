/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Probes of allocators: which files get them, what each probe carries, who is told of what cannot
 * be followed, and once.  The files are empty; what is in them, and who maps them, we say
 * ourselves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/capture/host/library.h"
#include "user/capture/host/memory.h"
#include "user/capture/kernel/kernel_heap.h"
#include "user/capture/memory/allocator.h"
#include "user/capture/memory/heap_probe.h"
#include "user/capture/probe/file_exit.h"
#include "user/capture/probe/reach.h"

#define SECOND	 1000000000ULL
#define PID	 77
#define COMMAND	 88
#define STRANGER 99

/* A file, and what its ELF says. */
enum file_number { LIBC, STATIC, STRIPPED, GO, THROWS, TEXT, FILES };

static struct file {
	int fd; /* -1: closed by us */
	uint64_t device, inode;
	bool no_elf, exports, program, go, refused;
	int err; /* of the search for an allocator */
	size_t ends;
	unsigned int searched, followed;
	bool deep, at_entry; /* how it was searched */
} files[FILES];

static struct world {
	int libraries_err, reach_err, watch_err, kernel_err, add_err;
	library_mapping_fn on_mapping;
	library_fn on_file;
	void *context;
	char comm[EV_COMM_LEN];
	/* the last set of probes */
	unsigned int sets, numbers, removed, closed, joined, met, gaps, made_ready, steps;
	uint32_t joined_pid, held;
	struct probe_place places[8];
	size_t count;
	uint64_t inode;
	enum reach_how how;
	char gap[EV_TEXT_LEN];
} world;

static struct heap_probes *probes;
static char folder[] = "/tmp/dbleak-heap-XXXXXX";

/* NULL: a file of the host. */
static struct file *file_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	for (size_t i = 0; i < FILES; i++)
		if (files[i].inode == st.st_ino && files[i].device == st.st_dev)
			return &files[i];
	return NULL;
}

/* --- what is in the files --------------------------------------------------------------------- */

int elf_open(struct elf_file **out, int fd)
{
	struct file *f = file_of(fd);

	*out = (struct elf_file *)f;
	return !f || f->no_elf ? -EBADMSG : 0;
}

void elf_close(struct elf_file *e)
{
	(void)e;
}

int elf_find(struct elf_file *e, const char *const *names, size_t n, bool deep,
	     struct elf_symbol *out)
{
	const struct file *f = (const void *)e;

	assert_int_equal(n, 2);
	assert_string_equal(names[0], "malloc");
	assert_string_equal(names[1], "free");
	assert_false(deep);
	if (!f->exports)
		return 0;
	out[0].offset = 0x1000;
	out[1].offset = 0x2000;
	return 2;
}

bool elf_is_program(const struct elf_file *e)
{
	return ((const struct file *)(const void *)e)->program;
}

uint64_t elf_section(struct elf_file *e, const char *name)
{
	assert_string_equal(name, ".go.buildinfo");
	return ((const struct file *)(const void *)e)->go ? 0x5000 : 0;
}

int allocator_find(struct elf_file *elf, bool deep, bool at_entry, struct allocator *out)
{
	struct file *f = (void *)elf;

	f->searched++;
	f->deep = deep;
	f->at_entry = at_entry;
	memset(out, 0, sizeof(*out));
	if (f->err)
		return f->err;
	out->refused = f->refused;
	out->count = 2;
	out->probe[0].offset = 0x1010;
	out->probe[0].before = 0x10;
	out->probe[0].kind = HEAP_MALLOC;
	out->probe[0].returns = true;
	out->probe[0].cheap = true;
	out->probe[1].offset = 0x3000;
	out->probe[1].before = 0x2000;
	out->probe[1].kind = HEAP_ALIGNED;
	out->probe[1].throws = f->ends > 0;
	out->exit_count = f->ends;
	for (size_t i = 0; i < f->ends; i++)
		out->exit[i].address = 0x3040 + i;
	return 0;
}

uint64_t probe_exit_cookie(const struct probe_exit *exit, uint32_t cookie)
{
	assert_int_equal(cookie, 0);
	return exit->address << 16;
}

int kernel_heap_file(struct kernel *k, uint32_t file, const struct heap_file *where)
{
	(void)k, (void)where;
	assert_int_equal(file, world.numbers); /* one after the other */
	world.numbers += !world.kernel_err;
	return world.kernel_err;
}

/* --- who maps them ---------------------------------------------------------------------------- */

int libraries_open(struct libraries **out, const struct procfs *procfs)
{
	(void)procfs;
	*out = (struct libraries *)1;
	return world.libraries_err;
}

void libraries_close(struct libraries *l)
{
	(void)l;
	world.closed++;
}

void libraries_on_mapping(struct libraries *l, library_mapping_fn fn)
{
	(void)l;
	world.on_mapping = fn;
}

int libraries_watch(struct libraries *l)
{
	(void)l;
	return world.watch_err;
}

int libraries_fd(const struct libraries *l)
{
	(void)l;
	return 41;
}

void libraries_follow(struct libraries *l, const struct library_file *file)
{
	(void)l;
	file_of(file->fd)->followed++;
}

int libraries_scan(struct libraries *l, library_fn fn, void *context)
{
	(void)l;
	world.on_file = fn;
	world.context = context;
	return 0;
}

int libraries_poll(struct libraries *l, library_fn fn, void *context)
{
	(void)l, (void)fn, (void)context;
	return 5;
}

int memory_open_mapped(uint32_t pid, uint64_t start, uint64_t end)
{
	(void)pid;
	assert_int_equal(end, start + 0x1000);
	return files[start >> 12].fd < 0 ? -ENOENT : dup(files[start >> 12].fd);
}

uint32_t memory_maps_locked(void)
{
	return 1234;
}

int procfs_facts(const struct procfs *p, uint32_t pid, struct process_facts *facts)
{
	(void)p;
	memset(facts, 0, sizeof(*facts));
	facts->pid = pid;
	memcpy(facts->comm, world.comm, sizeof(facts->comm));
	return *world.comm ? 0 : -ESRCH;
}

/* --- where the probes go ---------------------------------------------------------------------- */

int reach_open(struct reach **out, enum reach_how how, const struct reach_host *host)
{
	(void)host;
	world.how = how;
	*out = (struct reach *)1;
	return world.reach_err;
}

void reach_close(struct reach *r)
{
	(void)r;
	world.closed++;
}

int reach_add(struct reach *r, struct reach_set **out, const struct probe_programs *programs,
	      const struct library_file *file, const struct probe_place *places, size_t n)
{
	(void)r, (void)programs;
	if (world.add_err)
		return world.add_err;
	assert_true(n <= 8);
	memcpy(world.places, places, n * sizeof(*places));
	world.count = n;
	world.inode = file->inode;
	*out = (struct reach_set *)(uintptr_t)++world.sets;
	return 0;
}

void reach_remove_all(struct reach_set *const *sets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		world.removed += sets[i] != NULL;
}

void reach_hold(struct reach *r, uint32_t locked)
{
	(void)r;
	world.held = locked;
}

void reach_join(struct reach *r, uint32_t pid)
{
	(void)r;
	world.joined++;
	world.joined_pid = pid;
}

void reach_make_ready(struct reach *r)
{
	(void)r;
	assert_int_equal(world.sets, 0);
	world.made_ready++;
}

void reach_step(struct reach *r, const struct procfs *procfs, uint64_t now_ns)
{
	(void)r, (void)procfs, (void)now_ns;
	assert_int_equal(world.held, 1234); /* locked maps are left alone first */
	world.steps++;
}

bool reach_is_at(struct reach *r, uint64_t inode, uint64_t offset)
{
	(void)r;
	return inode == 10 && offset == 20;
}

/* --- helpers ---------------------------------------------------------------------------------- */

static void on_gap(void *context, const char *text)
{
	(void)context;
	snprintf(world.gap, sizeof(world.gap), "%s", text);
	world.gaps++;
}

static bool wanted(void *context, uint32_t pid)
{
	(void)context;
	return pid != STRANGER;
}

static void on_met(void *context, uint32_t pid)
{
	(void)context, (void)pid;
	world.met++;
}

static const char *path_of(enum file_number i)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/%d", folder, i);
	return path;
}

static int open_probes(int left, bool at_entry)
{
	static const struct heap_probes_host host = {
		.gap = on_gap, .wanted = wanted, .met = on_met};
	const struct probe_programs programs = {.entered = 1, .left = left};

	return heap_probes_open(&probes, NULL, NULL, &programs, at_entry, &host);
}

static int begin(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	for (enum file_number i = 0; i < FILES; i++) {
		struct stat st;
		int fd = open(path_of(i), O_RDWR | O_CREAT | O_CLOEXEC, 0700);

		assert_true(fd >= 0);
		assert_int_equal(fstat(fd, &st), 0);
		files[i] = (struct file){.fd = fd, .device = st.st_dev, .inode = st.st_ino};
	}
	files[LIBC].exports = true;
	files[STATIC].program = files[STRIPPED].program = files[GO].program = true;
	files[STRIPPED].err = files[GO].err = -ENOENT;
	files[GO].go = true;
	files[THROWS].exports = true;
	files[THROWS].ends = 2;
	files[TEXT].no_elf = true;
	strcpy(world.comm, "api");
	assert_int_equal(open_probes(9, false), 0);
	assert_int_equal(heap_probes_scan(probes, false), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	heap_probes_close(probes);
	probes = NULL;
	for (size_t i = 0; i < FILES; i++)
		if (files[i].fd >= 0)
			close(files[i].fd);
	return 0;
}

static void found(enum file_number i)
{
	const struct library_file file = {
		.device = files[i].device, .inode = files[i].inode, .fd = files[i].fd};

	world.on_file(world.context, &file);
}

static void maps(uint32_t pid, enum file_number i)
{
	const struct library_mapping m = {.device = files[i].device,
					  .inode = files[i].inode,
					  .start = (uint64_t)i << 12,
					  .end = (uint64_t)(i + 1) << 12,
					  .pid = pid};

	world.on_mapping(world.context, &m);
}

/* --- which files ------------------------------------------------------------------------------ */

static void only_files_that_may_have_an_allocator_are_followed(void **state)
{
	(void)state;
	for (enum file_number i = 0; i < FILES; i++)
		found(i);
	assert_int_equal(files[LIBC].followed, 1);
	assert_int_equal(files[STATIC].followed, 1);
	assert_int_equal(files[TEXT].followed, 0);
	files[LIBC].exports = false; /* a library with neither */
	found(LIBC);
	assert_int_equal(files[LIBC].followed, 1);
	for (size_t i = 0; i < FILES; i++)
		assert_int_equal(files[i].searched, 0); /* nobody maps them yet */
}

static void a_file_is_probed_when_a_wanted_process_maps_it_and_once(void **state)
{
	(void)state;
	maps(PID, LIBC); /* nobody found it: not ours */
	assert_int_equal(world.met, 0);
	found(LIBC);
	maps(STRANGER, LIBC);
	assert_int_equal(world.met + world.joined + files[LIBC].searched, 0);
	maps(PID, LIBC);
	assert_int_equal(world.sets, 1);
	assert_int_equal(world.inode, files[LIBC].inode);
	assert_int_equal(world.joined_pid, PID);
	maps(PID + 1, LIBC);
	assert_int_equal(world.sets, 1);
	assert_int_equal(files[LIBC].searched, 1);
	assert_int_equal(world.met, 2);
	assert_int_equal(world.joined, 2);
	assert_int_equal(world.gaps, 0);
}

static void a_copy_inside_a_program_needs_its_full_symbol_table(void **state)
{
	(void)state;
	found(LIBC);
	found(STATIC);
	maps(PID, LIBC);
	maps(PID, STATIC);
	assert_false(files[LIBC].deep);
	assert_true(files[STATIC].deep);
}

static void a_file_that_cannot_be_opened_any_more_is_tried_at_the_next_mapping(void **state)
{
	int fd = files[LIBC].fd;

	(void)state;
	found(LIBC);
	files[LIBC].fd = -1;
	maps(PID, LIBC);
	assert_int_equal(world.sets, 0);
	files[LIBC].fd = fd;
	maps(PID, LIBC);
	assert_int_equal(world.sets, 1);
}

/* --- what a probe carries --------------------------------------------------------------------- */

static void a_probe_says_which_function_it_sits_in(void **state)
{
	(void)state;
	found(LIBC);
	maps(PID, LIBC);
	assert_int_equal(world.count, 2);
	assert_int_equal(world.places[0].offset, 0x1010);
	assert_true(world.places[0].cookie == HEAP_COOKIE(HEAP_MALLOC, 0, 0, 0x10));
	assert_true(world.places[0].returns);
	assert_true(world.places[1].cookie == HEAP_COOKIE(HEAP_ALIGNED, HEAP_DEAR, 0, 0x2000));
	assert_false(world.places[1].returns || world.places[1].begins);
	found(THROWS); /* the second file has the number 1 */
	maps(PID, THROWS);
	assert_true(world.places[0].cookie == HEAP_COOKIE(HEAP_MALLOC, 0, 1, 0x10));
}

static void ends_are_probed_where_an_exception_may_leave(void **state)
{
	(void)state;
	found(THROWS);
	maps(PID, THROWS);
	assert_int_equal(world.count, 4);
	assert_true(world.places[1].begins);
	assert_true(world.places[1].cookie >> 8 & HEAP_ENDS);
	assert_true(world.places[2].leaves && world.places[3].leaves);
	assert_int_equal(world.places[3].offset, 0x3041);
	assert_int_equal(world.places[3].cookie, 0x30410000);
	assert_int_equal(world.gaps, 0);
}

static void without_ends_such_a_function_is_left_out_and_told_once(void **state)
{
	(void)state;
	heap_probes_close(probes);
	assert_int_equal(open_probes(0, true), 0); /* probes at ends would do harm on this kernel */
	heap_probes_scan(probes, false);
	found(THROWS);
	maps(PID, THROWS);
	assert_true(files[THROWS].at_entry);
	assert_int_equal(world.count, 1);
	assert_int_equal(world.places[0].offset, 0x1010);
	assert_int_equal(world.gaps, 1);
	assert_string_equal(world.gap, "api[77]: allocations by some operator new are not counted: "
				       "the code of the allocator cannot be read");
	maps(PID + 1, THROWS);
	assert_int_equal(world.gaps, 1);
}

static void what_cannot_be_probed_is_told_with_its_reason(void **state)
{
	(void)state;
	found(LIBC);
	world.add_err = -EPERM;
	maps(PID, LIBC);
	assert_int_equal(world.gaps, 1);
	assert_string_equal(world.gap, "cannot watch the allocator in "
				       "/proc/77/map_files/0-1000: Operation not permitted");
	found(THROWS);
	world.add_err = 0;
	world.kernel_err = -E2BIG;
	maps(PID, THROWS);
	assert_int_equal(world.gaps, 2);
	assert_int_equal(world.sets, 0);
	maps(PID, THROWS); /* not tried again */
	assert_int_equal(world.gaps, 2);
}

static void files_past_the_last_number_are_told_of(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < HEAP_FILES + 1; i++) {
		const struct library_file file = {.device = files[LIBC].device,
						  .inode = 1ULL << 40 | i,
						  .fd = files[LIBC].fd};
		const struct library_mapping m = {
			.device = file.device, .inode = file.inode, .end = 0x1000, .pid = PID};

		world.on_file(world.context, &file);
		assert_int_equal(world.gaps, 0);
		world.on_mapping(world.context, &m);
	}
	assert_int_equal(world.sets, HEAP_FILES);
	assert_int_equal(world.gaps, 1);
	assert_non_null(strstr(world.gap, "No space left"));
}

/* --- who is blind ----------------------------------------------------------------------------- */

static void a_program_without_allocator_is_told_after_a_second(void **state)
{
	(void)state;
	found(STRIPPED);
	maps(PID, STRIPPED);
	assert_int_equal(world.gaps, 0);
	heap_probes_tell_blind(probes, 10 * SECOND, false);
	heap_probes_tell_blind(probes, 11 * SECOND - 1, false);
	assert_int_equal(world.gaps, 0);
	heap_probes_tell_blind(probes, 11 * SECOND, false);
	assert_int_equal(world.gaps, 1);
	assert_non_null(strstr(world.gap, "api[77]: allocator not found"));
	heap_probes_tell_blind(probes, 12 * SECOND, true);
	maps(PID + 1, STRIPPED); /* the same program */
	heap_probes_tell_blind(probes, 20 * SECOND, true);
	assert_int_equal(world.gaps, 1);
}

static void a_program_that_maps_an_allocator_in_time_is_not_blind(void **state)
{
	(void)state;
	found(STRIPPED);
	found(LIBC);
	maps(PID, STRIPPED);
	heap_probes_tell_blind(probes, 10 * SECOND, false);
	maps(PID, LIBC);
	heap_probes_tell_blind(probes, 20 * SECOND, true);
	assert_int_equal(world.gaps, 0);
}

static void at_the_end_nobody_is_waited_for(void **state)
{
	(void)state;
	found(STRIPPED);
	maps(PID, STRIPPED);
	heap_probes_tell_blind(probes, 10 * SECOND, true);
	assert_int_equal(world.gaps, 1);
}

/* Its C library does not help: it allocates beside it. */
static void a_go_program_is_blind_even_with_a_c_library(void **state)
{
	(void)state;
	found(GO);
	found(LIBC);
	maps(PID, GO);
	maps(PID, LIBC);
	heap_probes_tell_blind(probes, 10 * SECOND, true);
	assert_int_equal(world.gaps, 1);
	assert_string_equal(world.gap,
			    "api[77]: uses Go's own allocator, which dbleak cannot follow");
}

/* What was probed in the shell does not count for the program that the shell becomes. */
static void a_process_that_starts_another_program_is_judged_anew(void **state)
{
	(void)state;
	found(STATIC);
	found(STRIPPED);
	strcpy(world.comm, "shell");
	maps(PID, STATIC);
	strcpy(world.comm, "worker");
	maps(PID, STRIPPED);
	heap_probes_tell_blind(probes, 10 * SECOND, true);
	assert_int_equal(world.gaps, 1);
	assert_non_null(strstr(world.gap, "worker[77]: allocator not found"));
}

/* --- a command that is about to start --------------------------------------------------------- */

/* Points what is read of the environment to our files. */
static void environment(const char *path, const char *preload)
{
	assert_int_equal(setenv("PATH", path, 1), 0);
	if (preload)
		assert_int_equal(setenv("LD_PRELOAD", preload, 1), 0);
	else
		unsetenv("LD_PRELOAD");
}

static void what_is_mapped_before_the_go_is_probed_at_the_go(void **state)
{
	(void)state;
	heap_probes_scan(probes, true);
	found(LIBC);
	maps(PID, LIBC);
	assert_int_equal(world.sets, 0);
	heap_probes_go(probes);
	assert_int_equal(world.sets, 1);
	assert_int_equal(world.inode, files[LIBC].inode);
	heap_probes_go(probes);
	assert_int_equal(world.sets, 1);
}

/* --- life ------------------------------------------------------------------------------------- */

static void what_cannot_be_opened_leaves_nothing(void **state)
{
	(void)state;
	heap_probes_close(probes);
	world.closed = 0;
	world.reach_err = -ENOMEM;
	assert_int_equal(open_probes(9, false), -ENOMEM);
	assert_null(probes);
	world.reach_err = 0;
	world.libraries_err = -EMFILE;
	assert_int_equal(open_probes(9, false), -EMFILE);
	assert_null(probes);
	assert_int_equal(world.closed, 2);
	world.libraries_err = 0;
	world.watch_err = -EPERM;
	assert_int_equal(open_probes(9, false), 0);
	assert_int_equal(world.how, REACH_CHOSEN);
	assert_int_equal(world.gaps, 1);
	assert_non_null(strstr(world.gap, "found with delay"));
}

static void a_detached_tier_probes_nobody_any_more(void **state)
{
	(void)state;
	found(LIBC);
	found(THROWS);
	maps(PID, LIBC);
	assert_int_equal(world.joined, 1);
	heap_probes_detach(probes);
	assert_int_equal(world.removed, 1);
	maps(PID, THROWS);
	heap_probes_follow(probes, PID);
	assert_int_equal(world.joined, 1);
	assert_int_equal(world.sets, 1);
	assert_int_equal(heap_probes_poll(probes), 0);
	heap_probes_detach(probes);
	assert_int_equal(world.removed, 1);
}

static void a_step_leaves_locked_processes_alone(void **state)
{
	(void)state;
	world.held = 0;
	heap_probes_step(probes, 5);
	assert_int_equal(world.steps, 1);
	assert_true(heap_probes_is_at(probes, 10, 20));
	assert_false(heap_probes_is_at(probes, 10, 21));
	assert_int_equal(heap_probes_fd(probes), 41);
	assert_int_equal(heap_probes_poll(probes), 0); /* how many is nobody's business */
}

static void what_a_command_maps_is_probed_before_it_starts(void **state)
{
	char command[64], preload[128];

	(void)state;
	files[STATIC].exports = true;
	snprintf(command, sizeof(command), "%s", path_of(STATIC));
	snprintf(preload, sizeof(preload), "%s", path_of(THROWS));
	environment("/nowhere", preload);
	heap_probes_head_start(probes, command, COMMAND);
	assert_int_equal(world.joined_pid, COMMAND);
	assert_int_equal(files[STATIC].searched, 1);
	assert_int_equal(files[THROWS].searched, 1);
	heap_probes_head_start(probes, command, COMMAND); /* once is enough */
	assert_int_equal(files[STATIC].searched, 1);
}

static void a_command_is_searched_for_as_the_shell_does(void **state)
{
	char folders[128], name[8];

	(void)state;
	snprintf(folders, sizeof(folders), "/nowhere:%s:/bin", folder);
	snprintf(name, sizeof(name), "%d", STATIC);
	environment(folders, NULL);
	heap_probes_head_start(probes, name, COMMAND);
	assert_int_equal(files[STATIC].searched, 1);
	assert_int_equal(files[LIBC].searched, 0);
}

static int remove_files(void **state)
{
	(void)state;
	for (enum file_number i = 0; i < FILES; i++)
		unlink(path_of(i));
	return rmdir(folder);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(only_files_that_may_have_an_allocator_are_followed),
		CASE(a_file_is_probed_when_a_wanted_process_maps_it_and_once),
		CASE(a_copy_inside_a_program_needs_its_full_symbol_table),
		CASE(a_file_that_cannot_be_opened_any_more_is_tried_at_the_next_mapping),
		CASE(a_probe_says_which_function_it_sits_in),
		CASE(ends_are_probed_where_an_exception_may_leave),
		CASE(without_ends_such_a_function_is_left_out_and_told_once),
		CASE(what_cannot_be_probed_is_told_with_its_reason),
		CASE(files_past_the_last_number_are_told_of),
		CASE(a_program_without_allocator_is_told_after_a_second),
		CASE(a_program_that_maps_an_allocator_in_time_is_not_blind),
		CASE(at_the_end_nobody_is_waited_for),
		CASE(a_go_program_is_blind_even_with_a_c_library),
		CASE(a_process_that_starts_another_program_is_judged_anew),
		CASE(what_is_mapped_before_the_go_is_probed_at_the_go),
		CASE(what_a_command_maps_is_probed_before_it_starts),
		CASE(a_command_is_searched_for_as_the_shell_does),
		CASE(what_cannot_be_opened_leaves_nothing),
		CASE(a_detached_tier_probes_nobody_any_more),
		CASE(a_step_leaves_locked_processes_alone),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_files);
}
