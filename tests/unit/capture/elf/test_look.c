/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What the process that looks into ELF files says is what we would find ourselves; and what becomes
 * of us when it dies, is late or lies.
 */
#include "user/capture/elf/elf.h"
#include "user/capture/elf/elf_question.h"
#include "user/capture/elf/look.h"
#include "user/capture/elf/look_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "user/system/clock.h"

static struct nursery *nursery;
static const char *const names[] = {"malloc", "free", "no_such_function", "printf", "realloc"};

/* One that lies in a way of its own, in the place of the other. */
static uint32_t lie;

static int open_library(void)
{
	int fd = open("/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static struct elf_file *open_by(int fd, bool through)
{
	struct elf_file *e;

	look_all.nursery = through ? nursery : NULL;
	assert_int_equal(elf_open(&e, fd), 0);
	look_all.nursery = nursery;
	return e;
}

static void all_answers_are_as_our_own(void **state)
{
	int fd = open_library();
	struct elf_file *there = open_by(fd, true), *own = open_by(fd, false);
	struct elf_symbol a[5], b[5];
	uint64_t x[4] = {0}, y[4] = {0};
	uint8_t bytes[2][200000];
	char id[2][80];

	(void)state;
	assert_int_equal(elf_find(own, names, 5, false, a), 4);
	assert_int_equal(elf_find(there, names, 5, false, b), 4);
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(elf_find(there, names + 2, 1, false, b), 0);
	assert_int_equal(elf_read(own, 1000, bytes[0], sizeof(bytes[0])), sizeof(bytes[0]));
	assert_int_equal(elf_read(there, 1000, bytes[1], sizeof(bytes[1])), sizeof(bytes[1]));
	assert_memory_equal(bytes[0], bytes[1], sizeof(bytes[0]));
	assert_int_equal(elf_read(there, 1ULL << 40, bytes[1], 100), 0);
	assert_true(elf_read_address(there, 1ULL << 60, bytes[1], 100) < 0);
	assert_int_equal(elf_code(own, &x[0], &x[1]), 0);
	assert_int_equal(elf_code(there, &y[0], &y[1]), 0);
	assert_int_equal(elf_segment(own, a[0].offset, &x[2], &x[3]), 0);
	assert_int_equal(elf_segment(there, a[0].offset, &y[2], &y[3]), 0);
	assert_memory_equal(x, y, sizeof(x));
	assert_true(elf_code_address(own, a[0].offset) == elf_code_address(there, a[0].offset));
	assert_true(elf_section(own, ".eh_frame_hdr") == elf_section(there, ".eh_frame_hdr"));
	assert_int_equal(elf_section(there, ".none"), 0);
	assert_int_equal(elf_is_program(own), elf_is_program(there));
	elf_build_id(own, id[0], sizeof(id[0]));
	elf_build_id(there, id[1], sizeof(id[1]));
	assert_string_equal(id[0], id[1]);
	assert_int_equal(strlen(id[0]), 40);
	assert_int_equal(elf_bias(own, 0x10000, 0, &x[0]), elf_bias(there, 0x10000, 0, &y[0]));
	assert_true(x[0] == y[0]);
	assert_false(elf_given_up(there));
	elf_close(own);
	elf_close(there);
	close(fd);
}

static void count_functions(void *context, const char *name, const struct elf_symbol *symbol)
{
	uint64_t *sum = context;

	sum[0]++;
	sum[1] += strlen(name);
	sum[2] += symbol->offset ^ symbol->size;
}

static void all_functions_are_told(void **state)
{
	char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 64);
	uint64_t a[3] = {0}, b[3] = {0};
	struct elf_file *own, *there;
	int fd;

	(void)state;
	assert_true(length > 0);
	path[length] = '\0';
	strcpy(strrchr(path, '/'), "/programs/stack-static");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	own = open_by(fd, false);
	there = open_by(fd, true);
	assert_int_equal(elf_each(own, count_functions, a), 0);
	assert_int_equal(elf_each(there, count_functions, b), 0);
	assert_true(a[0] * sizeof(struct look_function) + a[1] > LOOK_PACKET_MAX / 4 * 3);
	assert_memory_equal(a, b, sizeof(a));
	elf_close(own);
	elf_close(there);
	close(fd);
}

/* What was learned with the first file is told with the next, in one packet. */
static void first_questions_are_answered_with_the_file(void **state)
{
	static const char *const none[] = {"no_such_a", "no_such_b"};
	int fd = open_library();
	struct elf_file *e = open_by(fd, true);
	struct elf_symbol out[2];
	pid_t pid;

	(void)state;
	assert_int_equal(elf_find(e, none, 2, false, out), 0);
	elf_close(e);
	e = open_by(fd, true);
	pid = look_all.shared.worker.pid;
	assert_int_equal(pid, 0);
	shutdown(look_all.shared.worker.wire, SHUT_RDWR); /* nothing more can be asked */
	assert_int_equal(elf_find(e, none, 2, false, out), 0);
	assert_false(elf_given_up(e));
	elf_close(e);
	looker_stop(&look_all.shared);
	close(fd);
}

/* Its own, for the worker of all has seen others. */
static void what_is_found_comes_of_a_worker_of_its_own(void **state)
{
	int fd = open_library();
	struct look *l;
	struct elf_symbol out[2];

	(void)state;
	look_all.nursery = nursery;
	assert_int_equal(look_open(&l, fd), 0);
	assert_ptr_equal(l->at, &look_all.shared);
	assert_int_equal(look_find(l, names + 2, 1, false, false, out), 0);
	assert_ptr_equal(l->at, &look_all.shared);
	assert_int_equal(look_find(l, names, 2, false, false, out), 2);
	assert_ptr_equal(l->at, &l->own);
	look_close(l);
	close(fd);
}

static void a_file_that_a_worker_died_of_is_given_up(void **state)
{
	int fd = open_library(), other = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct elf_file *e = open_by(fd, true), *f = open_by(other, true);
	struct elf_symbol out[5];

	(void)state;
	shutdown(look_all.shared.worker.wire, SHUT_RDWR);
	assert_true(elf_find(e, names, 5, false, out) <= 0);
	assert_true(elf_given_up(e));
	assert_true(elf_find(f, names, 5, false, out) <= 0); /* its worker is gone */
	assert_true(elf_given_up(f));
	elf_close(e);
	elf_close(f);
	e = open_by(fd, true);
	assert_true(elf_given_up(e));
	assert_true(elf_find(e, names, 5, false, out) <= 0);
	elf_close(e);
	f = open_by(other, true); /* it was not its doing */
	assert_false(elf_given_up(f));
	assert_true(elf_find(f, names, 5, false, out) >= 0);
	elf_close(f);
	look_all.given_up_count = 0;
	close(fd);
	close(other);
}

static void a_file_that_takes_too_long_is_given_up(void **state)
{
	int fd = open_library();
	struct elf_symbol out[5];
	struct nursling idle;
	struct look *l;
	uint64_t begun;

	(void)state;
	look_all.nursery = nursery;
	assert_int_equal(nursery_start(nursery, NURSERY_NATIVE, &idle), 0);
	assert_int_equal(look_open(&l, fd), 0);
	looker_stop(&look_all.shared);
	look_all.shared.worker = idle;
	look_all.shared.nursery = nursery;
	l->generation = look_all.shared.generation;
	begun = clock_monotonic_ms();
	assert_true(look_find(l, names, 5, false, false, out) <= 0);
	assert_true(clock_monotonic_ms() - begun >= ANSWERS_MS / 2 &&
		    clock_monotonic_ms() - begun < 2 * ANSWERS_MS);
	assert_true(look_given_up(l));
	look_close(l);
	look_all.given_up_count = 0;
	close(fd);
}

static void answers_that_make_no_sense_are_none(void **state)
{
	(void)state;
	for (lie = 0; lie < 8; lie++) {
		int fd = open_library(), pair[2];
		uint64_t sum[3] = {0};
		struct elf_symbol out[5];
		struct look *l;
		char hex[80];

		look_all.nursery = nursery;
		assert_int_equal(look_open(&l, fd), 0);
		looker_stop(&look_all.shared);
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
		l->own.worker = (struct nursling){pair[0], -1, 0, 0};
		l->own.nursery = nursery;
		l->at = &l->own;
		l->generation = l->own.generation;
		look_all.in.reply = (struct look_reply){.result = 0};
		memset(look_all.in.reply.bytes, 0xff, 4096);
		switch (lie) {
		case 0:
			look_all.in.reply.result = INT64_MAX;
			look_all.in.reply.size = sizeof(out);
			break;
		case 1:
			look_all.in.reply.result = 5;
			look_all.in.reply.size = 8;
			break;
		case 2:
			look_all.in.reply.size = 4096;
			break;
		default:
			look_all.in.reply.size = lie * 24;
		}
		assert_true(send(pair[1], &look_all.in,
				 sizeof(look_all.in.reply) + look_all.in.reply.size, 0) > 0);
		if (lie < 2)
			assert_true(look_find(l, names, 5, false, false, out) < 0);
		else if (lie < 4)
			assert_int_equal(look_each(l, count_functions, sum), 0);
		else if (lie < 6)
			assert_true(look_read(l, 0, out, 8) < 0);
		else
			look_build_id(l, hex, sizeof(hex));
		assert_int_equal(sum[0], 0);
		assert_int_equal(lie < 6, l->given_up);
		close(pair[1]);
		look_close(l);
		look_all.given_up_count = 0;
		close(fd);
	}
}

/* --- questions of other rooms ----------------------------------------------------------------- */

enum test_question { HONEST = 1, LIES, DIES, NEVER_ENDS, FAILS, FAILS_BEYOND_ERRORS };

struct told {
	uint32_t question;
	int32_t pid;
	uint64_t code;
};

static int told_answer(struct elf_file *e, const void *in, void *out)
{
	uint32_t question = *(const uint32_t *)in;
	struct told *told = out;
	uint64_t offset;

	told->question = question == LIES ? 0 : question;
	told->pid = getpid();
	if (question == DIES)
		_exit(0);
	while (question == NEVER_ENDS)
		;
	if (question >= FAILS)
		return question == FAILS ? -ENOMSG : -5000;
	return elf_code(e, &offset, &told->code);
}

static bool told_check(struct elf_file *e, const void *in, const void *out)
{
	(void)e;
	return ((const struct told *)out)->question == *(const uint32_t *)in;
}

static const struct elf_question question = {sizeof(uint32_t), sizeof(struct told), told_answer,
					     told_check};
static const struct elf_question unknown = {sizeof(uint32_t), sizeof(struct told), told_answer,
					    told_check};
static const struct elf_question *const all_questions[] = {&question};

static void a_question_is_answered_where_the_file_is_read(void **state)
{
	int fd = open_library();
	struct elf_file *there = open_by(fd, true), *own = open_by(fd, false);
	const uint32_t honest = HONEST, fails = FAILS;
	struct told a, b;

	(void)state;
	assert_int_equal(elf_ask(own, &question, &honest, &a), 0);
	assert_int_equal(elf_ask(there, &question, &honest, &b), 0);
	assert_int_equal(a.pid, getpid());
	assert_int_not_equal(b.pid, getpid());
	assert_true(a.code == b.code);
	assert_int_equal(elf_ask(there, &question, &fails, &b), -ENOMSG);
	assert_int_equal(b.pid, 0);
	assert_int_equal(elf_ask(there, &unknown, &honest, &b), -ENOTSUP);
	assert_false(elf_given_up(there)); /* none of that is the file's doing */
	elf_close(own);
	elf_close(there);
	close(fd);
}

/* The file is given up, and so is what its worker could have said next. */
static void a_worker_that_lies_dies_or_hangs_is_asked_no_more(void **state)
{
	static const struct {
		uint32_t question;
		int err;
	} cases[] = {{LIES, -EPROTO},
		     {DIES, -EDQUOT},
		     {NEVER_ENDS, -EDQUOT},
		     {FAILS_BEYOND_ERRORS, -EPROTO}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = open_library();
		struct elf_file *e = open_by(fd, true);
		const uint32_t honest = HONEST;
		uint64_t begun = clock_monotonic_ms();
		struct told told = {.pid = 1};

		assert_int_equal(elf_ask(e, &question, &cases[i].question, &told), cases[i].err);
		assert_true(clock_monotonic_ms() - begun < 2 * ANSWERS_MS);
		assert_int_equal(told.pid, 0);
		assert_true(elf_given_up(e));
		assert_int_equal(elf_ask(e, &question, &honest, &told), -EDQUOT);
		elf_close(e);
		e = open_by(fd, true);
		assert_true(elf_given_up(e));
		elf_close(e);
		look_all.given_up_count = 0;
		close(fd);
	}
}

/* Reads, and says nothing. */
static void sleep_on(int wire, int asking, void *shared)
{
	char bytes[16];

	(void)asking;
	(void)shared;
	while (read(wire, bytes, sizeof(bytes)) > 0)
		;
}

static const struct nursery_role idle_role = {"test-idle", NULL, sleep_on};

static int open_all(void **state)
{
	static const struct nursery_role *const roles[] = {
		[NURSERY_LOOK] = &look_role, [NURSERY_NATIVE] = &idle_role};

	(void)state;
	elf_questions_use(all_questions, 1);
	return nursery_open(&nursery, roles, 2);
}

static int close_all(void **state)
{
	(void)state;
	look_through(NULL);
	nursery_close(nursery);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_answers_are_as_our_own),
		cmocka_unit_test(all_functions_are_told),
		cmocka_unit_test(first_questions_are_answered_with_the_file),
		cmocka_unit_test(what_is_found_comes_of_a_worker_of_its_own),
		cmocka_unit_test(a_file_that_a_worker_died_of_is_given_up),
		cmocka_unit_test(a_file_that_takes_too_long_is_given_up),
		cmocka_unit_test(answers_that_make_no_sense_are_none),
		cmocka_unit_test(a_question_is_answered_where_the_file_is_read),
		cmocka_unit_test(a_worker_that_lies_dies_or_hangs_is_asked_no_more),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
