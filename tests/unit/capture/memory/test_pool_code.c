/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Where Python's allocator takes pools: in code written out here as compilers make it, and in the
 * Pythons that are installed, each running; and what looks much like it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/capture/elf/elf.h"
#include "user/capture/elf/elf_question.h"
#include "user/capture/host/memory.h"
#include "user/capture/memory/pool_code.h"
#include "user/capture/memory/pool_code_state.h"

static uint64_t words[8]; /* what the code reads */

static struct pool_finder finder_of(const void *code, size_t size)
{
	struct pool_finder f = {.size = size};

	memcpy(f.code, code, size);
	ZydisDecoderInit(&f.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	return f;
}

/* The slot that code at this address reads, with the words of memory that the code may read; 0
 * none. */
static uint64_t slot_in(const void *code, size_t size, uint64_t start)
{
	const struct pool_word known = {(uintptr_t)words, words[0], 1};
	struct pool_finder f = finder_of(code, size);
	struct pool_instruction in;
	struct pool_reading r = {};
	uint64_t slot;

	f.words = &known;
	f.word_count = 1;
	for (size_t at = 0; pool_code_decode(&f, at, start, &in); at += in.is.length) {
		if (pool_code_note_jump(&r, &in), pool_code_follow(&r, &f, &in),
		    pool_code_pair_in(&r, &slot))
			return slot;
	}
	return 0;
}

#define SLOT(code, start) slot_in(code, sizeof(code) - 1, start)

static void a_context_and_a_function_side_by_side_are_the_allocator(void **state)
{
	(void)state;
	/* mov 0x1000(%rip),%rdi; jmp *0x1002(%rip) */
	assert_int_equal(SLOT("\x48\x8b\x3d\x00\x10\x00\x00\xff\x25\x02\x10\x00\x00", 0x400000),
			 0x401007);
	/* sub $24,%rsp; mov 0x1008(%rip),%rax; mov %rdi,%rsi; mov 0xff6(%rip),%rdi; cmp
	 * $0x4d0be0,%rax */
	assert_int_equal(SLOT("\x48\x83\xec\x18\x48\x8b\x05\x08\x10\x00\x00\x48\x89\xfe"
			      "\x48\x8b\x3d\xf6\x0f\x00\x00\x48\x3d\xe0\x0b\x4d\x00",
			      0x400000),
			 0x40100b);
	/* both, but far from each other */
	assert_int_equal(SLOT("\x48\x8b\x3d\x00\x10\x00\x00\xff\x25\x12\x10\x00\x00", 0x400000), 0);
	/* mov 0xb0(%rax),%rdi; jmp *0xb8(%rax): of whatever the caller gave */
	assert_int_equal(SLOT("\x48\x8b\xb8\xb0\x00\x00\x00\xff\xa0\xb8\x00\x00\x00", 0x400000), 0);
}

static void it_may_be_reached_through_a_pointer(void **state)
{
	/* mov 0(%rip),%rax; mov 0xb0(%rax),%rdi; jmp *0xb8(%rax) */
	static const char code[] = "\x48\x8b\x05\x00\x00\x00\x00\x48\x8b\xb8\xb0\x00\x00\x00"
				   "\xff\xa0\xb8\x00\x00\x00";
	/* the same, with %rax changed in between */
	static const char lost[] =
		"\x48\x8b\x05\x00\x00\x00\x00\x31\xc0\x48\x8b\xb8\xb0\x00\x00\x00"
		"\xff\xa0\xb8\x00\x00\x00";

	(void)state;
	words[0] = 0x7000;
	assert_int_equal(SLOT(code, (uintptr_t)words - 7), 0x70b0);
	assert_int_equal(SLOT(lost, (uintptr_t)words - 7), 0);
}

static bool is_taker(const void *code, size_t size)
{
	struct pool_finder f = finder_of(code, size);

	return pool_code_is_taker(&f);
}

#define TAKER(code) is_taker(code, sizeof(code) - 1)
#define COUNTS	    "\xc7\x02\x01\x00\x00\x00"	   /* movl $1,(%rdx) */
#define CARVES	    "\xc7\x42\x24\xff\xff\x00\x00" /* movl $0xffff,0x24(%rdx) */

static void who_counts_and_carves_takes_pools(void **state)
{
	(void)state;
	assert_true(TAKER("\x55" COUNTS "\x90" CARVES "\xc3"));
	assert_true(TAKER(CARVES COUNTS "\xc3"));
	assert_false(TAKER(COUNTS "\xc3"));
	assert_false(TAKER(CARVES "\xc3"));
	/* movl $1,8(%rdx): another field */
	assert_false(TAKER("\xc7\x42\x08\x01\x00\x00\x00" CARVES "\xc3"));
	/* cmp $0x1ff,%rax: who asks how large a block is hands out each of them */
	assert_false(TAKER("\x48\x3d\xff\x01\x00\x00" COUNTS CARVES "\xc3"));
	/* something that is no code */
	assert_false(TAKER(COUNTS CARVES "\x06"));
}

/* --- real ones ------------------------------------------------------------------------------- */

static pid_t started(char *const argv[])
{
	char byte;
	int out[2];
	pid_t pid;

	if (access(argv[0], X_OK) || pipe(out))
		return 0;
	pid = fork();
	if (!pid) {
		dup2(out[1], 1);
		execv(argv[0], argv);
		_exit(127);
	}
	close(out[1]);
	if (read(out[0], &byte, 1) != 1)
		byte = 0;
	close(out[0]);
	return pid;
}

static int find_in_line(pid_t pid, const char *line, uint64_t *offset)
{
	struct memory memory = memory_of_process((uint32_t)pid);
	unsigned long start, end, at;
	char path[96], code;
	struct elf_file *elf;
	int fd, err = -ENOENT;
	uint64_t bias;

	if (sscanf(line, "%lx-%lx %*c%*c%c%*c %lx", &start, &end, &code, &at) != 4 || code != 'x')
		return -ENOENT;
	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", pid, start, end);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -ENOENT;
	if (!elf_open(&elf, fd)) {
		if (!elf_bias(elf, start, at, &bias))
			err = pool_code_find(elf, bias, &memory, offset);
		elf_close(elf);
	}
	close(fd);
	return err;
}

static int find_in(char *const argv[], uint64_t *offset)
{
	pid_t pid = started(argv);
	char path[32], line[4096];
	int err = -ENOENT;
	FILE *f;

	if (!pid)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	while (f && err == -ENOENT && fgets(line, sizeof(line), f))
		err = find_in_line(pid, line, offset);
	if (f)
		fclose(f);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return err;
}

#define WAITS "import sys,time; sys.stdout.write('x'); sys.stdout.flush(); time.sleep(60)"

static void the_installed_python_has_it(void **state)
{
	char *own[] = {"/usr/bin/python3", "-c", WAITS, NULL};
	char *traced[] = {"/usr/bin/python3", "-X", "tracemalloc", "-c", WAITS, NULL};
	uint64_t offset = 0;

	(void)state;
	if (geteuid() || access(own[0], X_OK))
		skip();
	assert_int_equal(find_in(own, &offset), 0);
	assert_true(offset > 0);
	assert_int_equal(find_in(traced, &offset), -EPERM);
	setenv("PYTHONMALLOC", "malloc", 1);
	assert_int_equal(find_in(own, &offset), -EPERM);
	unsetenv("PYTHONMALLOC");
}

static void another_program_has_none(void **state)
{
	char *argv[] = {"/bin/sh", "-c", "echo x; exec sleep 60", NULL};
	uint64_t offset = 0;

	(void)state;
	if (geteuid())
		skip();
	assert_int_equal(find_in(argv, &offset), -ENOENT);
}

/* --- a worker's answers ---------------------------------------------------------------------- */

static void a_word_is_asked_for_once(void **state)
{
	struct slot_search search = {.count = 1, .words = {{.address = 0x1000}}};
	struct slot_answer answer = {.address = 0x1000};

	(void)state;
	assert_true(pool_slot_question.check(NULL, &search, &answer));
	answer.lacks = 1;
	assert_false(pool_slot_question.check(NULL, &search, &answer));
	answer.address = 0x1008;
	assert_true(pool_slot_question.check(NULL, &search, &answer));
	answer.lacks = 2;
	assert_false(pool_slot_question.check(NULL, &search, &answer));
}

static void the_function_that_takes_pools_lies_in_the_code(void **state)
{
	int fd = open("/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY);
	uint64_t code, address, start, size, offset, allocator = 0;
	struct elf_file *e;

	(void)state;
	assert_int_equal(elf_open(&e, fd), 0);
	assert_int_equal(elf_code(e, &code, &address), 0);
	assert_int_equal(elf_segment(e, code, &start, &size), 0);
	offset = start;
	assert_true(pool_taker_question.check(e, &allocator, &offset));
	offset = start + size - 1;
	assert_true(pool_taker_question.check(e, &allocator, &offset));
	offset = start + size;
	assert_false(pool_taker_question.check(e, &allocator, &offset));
	offset = 0;
	assert_false(pool_taker_question.check(e, &allocator, &offset));
	elf_close(e);
	close(fd);
}

/* The first word that the code reads, until the asking side has told it. */
static void code_that_reads_unknown_memory_says_where(void **state)
{
	/* mov 0(%rip),%rax; mov 0xb0(%rax),%rdi */
	static const char code[] = "\x48\x8b\x05\x00\x00\x00\x00\x48\x8b\xb8\xb0\x00\x00\x00";
	struct pool_finder f = finder_of(code, sizeof(code) - 1);
	struct pool_word word = {0x400007, 0x7000, 1};
	struct pool_instruction in;
	struct pool_reading r = {};

	(void)state;
	assert_true(pool_code_decode(&f, 0, 0x400000, &in));
	pool_code_follow(&r, &f, &in);
	assert_true(f.lacks);
	assert_int_equal(f.lacked, 0x400007);
	f.lacks = false;
	f.words = &word;
	f.word_count = 1;
	pool_code_follow(&r, &f, &in);
	assert_false(f.lacks);
	assert_true(pool_code_decode(&f, in.is.length, 0x400000, &in));
	pool_code_follow(&r, &f, &in);
	assert_int_equal(f.lacked, 0x70b0);
	word.is_read = 0; /* the process has no memory there */
	f.lacks = false;
	memset(&r, 0, sizeof(r));
	assert_true(pool_code_decode(&f, 0, 0x400000, &in));
	pool_code_follow(&r, &f, &in);
	assert_false(f.lacks || r.registers[0].known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_context_and_a_function_side_by_side_are_the_allocator),
		cmocka_unit_test(it_may_be_reached_through_a_pointer),
		cmocka_unit_test(who_counts_and_carves_takes_pools),
		cmocka_unit_test(the_installed_python_has_it),
		cmocka_unit_test(another_program_has_none),
		cmocka_unit_test(a_word_is_asked_for_once),
		cmocka_unit_test(the_function_that_takes_pools_lies_in_the_code),
		cmocka_unit_test(code_that_reads_unknown_memory_says_where),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
