/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Which files hold an interpreter, and which processes the kernel half hears of.  What a file
 * holds, the kernel half, /proc and the clock are our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "user/capture/kernel/kernel_stack.h"
#include "user/capture/probe/reach.h"
#include "user/capture/stack/perl.h"
#include "user/capture/stack/php.h"
#include "user/capture/stack/runtime.h"

#define SECOND	 1000000000ULL
#define BEGUN	 (1000 * SECOND)
#define START	 (900 * SECOND)
#define VARIABLE 0x9000 /* address of the interpreter's variable, as the file has it */
#define CODE_AT	 0x2000 /* offset and address of the file's code */
#define CODE_TO	 0x402000

static struct runtimes *runtimes;
static uint64_t now;
static struct world {
	/* what the files hold */
	int python, perl, php; /* 0, or an error */
	unsigned int minor;
	const char *refusal;
	uint64_t start; /* offset of the function that starts it */
	bool no_code;
	/* the kernel half and /proc */
	bool no_starts, taken, ended;
	int row_error;
	struct runtime_process old;
	/* what was asked for */
	unsigned int entered, forgotten, rows, probes, removed;
	uint32_t row, pid;
	struct runtime_process process;
	struct probe_place place;
} world;

/* --- fakes ----------------------------------------------------------------------------------- */

int clock_gettime(clockid_t clock, struct timespec *t)
{
	(void)clock;
	*t = (struct timespec){(time_t)(now / SECOND), (long)(now % SECOND)};
	return 0;
}

int python_identify(struct elf_file *elf, struct python_build *out)
{
	(void)elf;
	*out = (struct python_build){.minor = world.minor,
				     .refusal = world.refusal,
				     .runtime = VARIABLE,
				     .start = world.start};
	return world.python;
}

int perl_probe(struct elf_file *e, struct runtime_process *out, const char **why)
{
	(void)e;
	*out = (struct runtime_process){.address = VARIABLE, .runtime = RUNTIME_PERL};
	*why = world.refusal;
	return world.perl ? world.perl : world.refusal ? -ENOTSUP : 0;
}

int php_probe(struct elf_file *e, struct runtime_process *out, const char **why)
{
	(void)e, (void)why;
	*out = (struct runtime_process){.address = VARIABLE, .runtime = RUNTIME_PHP};
	return world.php;
}

int elf_open(struct elf_file **out, int fd)
{
	(void)out, (void)fd;
	return -ENOEXEC;
}

void elf_close(struct elf_file *e)
{
	(void)e;
}

int elf_code(struct elf_file *e, uint64_t *offset, uint64_t *address)
{
	(void)e;
	*offset = CODE_AT;
	*address = CODE_TO;
	return world.no_code ? -ENOENT : 0;
}

int kernel_python_row(struct kernel *k, uint32_t index, const struct python_row *row)
{
	(void)k, (void)row;
	world.rows++;
	world.row = index;
	return world.row_error;
}

int kernel_python_programs(struct kernel *k, struct probe_programs *programs)
{
	(void)k;
	*programs = (struct probe_programs){.entered = world.no_starts ? -1 : 7};
	return 0;
}

int kernel_runtime_get(struct kernel *k, uint32_t pid, struct runtime_process *runtime)
{
	(void)k, (void)pid;
	*runtime = world.old;
	return world.taken ? 0 : -ENOENT;
}

int kernel_runtime_set(struct kernel *k, uint32_t pid, const struct runtime_process *runtime)
{
	(void)k;
	world.entered++;
	world.pid = pid;
	world.process = *runtime;
	return 0;
}

int kernel_runtime_forget(struct kernel *k, uint32_t pid)
{
	(void)k, (void)pid;
	world.forgotten++;
	return 0;
}

int procfs_facts(const struct procfs *p, uint32_t pid, struct process_facts *facts)
{
	(void)p;
	if (world.ended && world.entered)
		return -ENOENT;
	*facts = (struct process_facts){.start_ns = START, .pid = pid};
	return 0;
}

bool procfs_same_start(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns == b_ns;
}

int reach_add(struct reach *r, struct reach_set **out, const struct probe_programs *programs,
	      const struct library_file *file, const struct probe_place *places, size_t n)
{
	(void)r, (void)programs, (void)file;
	assert_int_equal(n, 1);
	world.place = places[0];
	world.probes++;
	*out = (void *)&world;
	return 0;
}

void reach_remove(struct reach_set *set)
{
	world.removed += set != NULL;
}

void reach_remove_later(struct reach_set *set)
{
	world.removed += set != NULL;
}

/* --- helpers --------------------------------------------------------------------------------- */

static int begin(void **state)
{
	(void)state;
	now = BEGUN;
	world = (struct world){.python = -ENOENT, .perl = -ENOENT, .php = -ENOENT, .minor = 11};
	return runtimes_open(&runtimes, NULL, NULL, NULL);
}

static int end(void **state)
{
	(void)state;
	runtimes_close(runtimes);
	return 0;
}

static bool file(uint64_t inode)
{
	const struct library_file f = {.device = 1, .inode = inode, .path = "/usr/bin/program"};

	return runtimes_file(runtimes, NULL, &f);
}

/* A mapping of the file's pages from that offset on, at 0x500000 and one page long. */
static struct library_mapping mapping(uint64_t inode, uint64_t offset)
{
	return (struct library_mapping){.device = 1,
					.inode = inode,
					.start = 0x500000,
					.end = 0x501000,
					.offset = offset,
					.pid = 42};
}

static void maps(uint64_t inode)
{
	struct library_mapping m = mapping(inode, CODE_AT);

	runtimes_mapped(runtimes, &m);
}

/* --- files ----------------------------------------------------------------------------------- */

static void a_file_without_an_interpreter_is_nothing(void **state)
{
	(void)state;
	assert_false(file(5));
	assert_false(runtimes_has(runtimes, 1, 5));
	maps(5);
	assert_int_equal(world.entered, 0);
	world.python = 0;
	world.no_code = true;
	assert_false(file(6));
	world.no_code = false;
	world.row_error = -E2BIG;
	assert_false(file(6));
}

static void a_process_with_python_is_entered_where_it_is_loaded(void **state)
{
	(void)state;
	world.python = 0;
	world.start = 0x2abc;
	assert_true(file(5));
	assert_true(file(5)); /* seen before */
	assert_int_equal(world.rows, 1);
	assert_int_equal(world.probes, 1);
	assert_int_equal(world.place.offset, 0x2abc);
	assert_int_equal(world.place.cookie, 0);
	assert_int_equal(runtimes_python(runtimes, 0)->minor, 11);
	assert_null(runtimes_python(runtimes, 1));
	maps(5);
	assert_int_equal(world.entered, 1);
	assert_int_equal(world.pid, 42);
	assert_int_equal(world.process.start_ns, START);
	assert_int_equal(world.process.runtime, RUNTIME_PYTHON);
	/* The code at 0x402000 lies at 0x500000 now, and all else as far from it. */
	assert_int_equal(world.process.address, VARIABLE + 0x500000ULL - CODE_TO);
	assert_int_equal(world.forgotten, 0);
}

static void only_the_piece_with_the_first_code_tells_the_address(void **state)
{
	struct library_mapping before = mapping(5, CODE_AT - 0x1000);
	struct library_mapping behind = mapping(5, CODE_AT + 0x1000);

	(void)state;
	world.python = 0;
	file(5);
	runtimes_mapped(runtimes, &before);
	runtimes_mapped(runtimes, &behind);
	assert_int_equal(world.entered, 0);
	before.end = 0x502000;
	runtimes_mapped(runtimes, &before);
	assert_int_equal(world.entered, 1);
	assert_int_equal(world.process.address, VARIABLE + 0x501000ULL - CODE_TO);
}

static void perl_and_php_are_entered_too(void **state)
{
	(void)state;
	world.perl = 0;
	assert_true(file(5));
	maps(5);
	assert_int_equal(world.process.runtime, RUNTIME_PERL);
	world.perl = -ENOENT;
	world.php = 0;
	assert_true(file(6));
	maps(6);
	assert_int_equal(world.process.runtime, RUNTIME_PHP);
	assert_int_equal(world.rows, 0);
}

static void starts_are_not_probed_where_the_kernel_cannot(void **state)
{
	(void)state;
	runtimes_close(runtimes);
	world.no_starts = true;
	assert_int_equal(runtimes_open(&runtimes, NULL, NULL, NULL), 0);
	world.python = 0;
	world.start = 0x2abc;
	assert_true(file(5));
	assert_int_equal(world.probes, 0);
}

/* --- processes ------------------------------------------------------------------------------- */

static void frames_that_are_not_read_are_told_with_the_reason(void **state)
{
	char text[80];

	(void)state;
	world.python = 0;
	world.minor = 15;
	world.refusal = "its version is not known";
	assert_true(file(5));
	maps(5);
	assert_int_equal(world.entered, 0);
	assert_true(runtimes_gap(runtimes, 42, text, sizeof(text)));
	assert_string_equal(text, "Python 3.15: its version is not known");
	assert_false(runtimes_gap(runtimes, 43, text, sizeof(text)));
	/* The name is gone with the file. */
	runtimes_gone(runtimes, 1, 5);
	assert_false(runtimes_gap(runtimes, 42, text, sizeof(text)));
}

static void the_first_interpreter_of_a_process_counts(void **state)
{
	(void)state;
	world.python = 0;
	file(5);
	world.taken = true;
	world.old = (struct runtime_process){.start_ns = START, .runtime = RUNTIME_PERL};
	maps(5);
	assert_int_equal(world.entered, 0);
	world.old.start_ns = START - 1; /* of a process that had the pid before */
	maps(5);
	assert_int_equal(world.entered, 1);
	world.old = (struct runtime_process){.start_ns = START, .runtime = RUNTIME_PYTHON};
	maps(5);
	assert_int_equal(world.entered, 2);
}

static void a_process_that_ended_meanwhile_is_taken_out(void **state)
{
	(void)state;
	world.python = 0;
	file(5);
	world.ended = true;
	maps(5);
	assert_int_equal(world.entered, 1);
	assert_int_equal(world.forgotten, 1);
}

/* A mapping of this program's file by this process, as /proc/self/map_files names it. */
static struct library_mapping own_mapping(void)
{
	struct library_mapping m = mapping(5, CODE_AT);
	FILE *maps_file = fopen("/proc/self/maps", "re");
	char line[512] = "";

	assert_non_null(maps_file);
	while (fgets(line, sizeof(line), maps_file) && !strchr(line, '/'))
		;
	fclose(maps_file);
	assert_int_equal(sscanf(line, "%" SCNx64 "-%" SCNx64, &m.start, &m.end), 2);
	m.pid = (uint32_t)getpid();
	return m;
}

static void a_mapping_is_entered_again_a_little_later(void **state)
{
	struct library_mapping m = own_mapping();

	(void)state;
	world.python = 0;
	file(5);
	runtimes_mapped(runtimes, &m);
	assert_int_equal(world.entered, 1);
	runtimes_step(runtimes, now);
	runtimes_step(runtimes, now + SECOND / 5 - 1);
	assert_int_equal(world.entered, 1);
	runtimes_step(runtimes, now + SECOND / 5);
	runtimes_step(runtimes, now + SECOND);
	assert_int_equal(world.entered, 2);
}

static void a_mapping_that_is_gone_is_not_entered_again(void **state)
{
	(void)state;
	world.python = 0;
	file(5);
	maps(5);
	runtimes_step(runtimes, now);
	runtimes_step(runtimes, now + SECOND);
	assert_int_equal(world.entered, 1);
}

/* --- rows ------------------------------------------------------------------------------------ */

static void a_row_rests_before_it_serves_another_python(void **state)
{
	char text[80];

	(void)state;
	world.python = 0;
	world.start = 0x2abc;
	for (uint64_t i = 0; i < PYTHON_ROWS; i++)
		assert_true(file(100 + i));
	assert_int_equal(world.row, PYTHON_ROWS - 1);
	assert_true(file(50));
	assert_int_equal(world.rows, PYTHON_ROWS);
	maps(50);
	assert_true(runtimes_gap(runtimes, 42, text, sizeof(text)));
	assert_non_null(strstr(text, "too many different builds"));
	runtimes_gone(runtimes, 1, 103);
	assert_int_equal(world.removed, 1);
	now += SECOND;
	runtimes_gone(runtimes, 1, 102);
	runtimes_gone(runtimes, 1, 50);
	file(51); /* too soon */
	assert_int_equal(world.rows, PYTHON_ROWS);
	now += 9 * SECOND;
	assert_true(file(52));
	assert_int_equal(world.row, 3); /* free for longest */
	now += SECOND;
	assert_true(file(53));
	assert_int_equal(world.row, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_file_without_an_interpreter_is_nothing),
		TEST(a_process_with_python_is_entered_where_it_is_loaded),
		TEST(only_the_piece_with_the_first_code_tells_the_address),
		TEST(perl_and_php_are_entered_too),
		TEST(starts_are_not_probed_where_the_kernel_cannot),
		TEST(frames_that_are_not_read_are_told_with_the_reason),
		TEST(the_first_interpreter_of_a_process_counts),
		TEST(a_process_that_ended_meanwhile_is_taken_out),
		TEST(a_mapping_is_entered_again_a_little_later),
		TEST(a_mapping_that_is_gone_is_not_entered_again),
		TEST(a_row_rests_before_it_serves_another_python),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
