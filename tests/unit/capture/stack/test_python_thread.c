/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_python_thread.c - threads and frames of an interpreter, laid out in our own memory.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "user/capture/stack/python_thread.h"

#define ADDRESS(p) ((uint64_t)(uintptr_t)(p))

struct interpreter {
	struct interpreter *next;
	struct thread *threads;
};

struct thread {
	struct thread *next;
	uint64_t self;
	struct python_frame *frame;
};

struct lines {
	uint64_t head[2], size, hash, begin;
};

struct code {
	uint64_t count;
	const void *type;
	uint64_t names[2];
	const struct lines *lines;
};

struct python_frame {
	const struct code *code;
	struct python_frame *back;
	uint64_t at;
	uint8_t padding[7], owner;
};

static struct {
	struct interpreter *interpreters;
	char code_type[8];
} runtime;

static const struct lines lines = {.size = 4, .begin = 77};
static const struct code code = {.type = runtime.code_type, .names = {1, 2}, .lines = &lines};
static const struct code strange = {.type = &runtime, .names = {1, 2}, .lines = &lines};

static const struct python_row row = {
	.code_type = offsetof(__typeof__(runtime), code_type),
	.at_mask = PYTHON_ADDRESS,
	.interpreters = 0,
	.interpreter_next = offsetof(struct interpreter, next),
	.interpreter_threads = offsetof(struct interpreter, threads),
	.thread_next = offsetof(struct thread, next),
	.thread_id = offsetof(struct thread, self),
	.thread_frame = offsetof(struct thread, frame),
	.window = sizeof(struct python_frame),
	.frame_bytes = sizeof(struct python_frame),
	.frame_back = offsetof(struct python_frame, back),
	.frame_code = offsetof(struct python_frame, code),
	.frame_at = offsetof(struct python_frame, at),
	.frame_owner = offsetof(struct python_frame, owner),
	.owner_mask = 7,
	.strangers = 1 << 3,
	.identity = offsetof(struct code, names),
};

static struct memory own(void)
{
	return memory_of_process((uint32_t)getpid());
}

static void threads_of_all_interpreters_are_listed(void **state)
{
	struct python_frame f = {.code = &code};
	struct thread b = {.self = 22}, a = {&b, 11, &f}, c = {.self = 33, .frame = &f};
	struct interpreter second = {NULL, &c}, first = {&second, &a};
	struct python_thread out[8];
	struct memory m = own();

	(void)state;
	runtime.interpreters = &first;
	assert_int_equal(python_threads(&m, &row, ADDRESS(&runtime), out, 8), 3);
	assert_int_equal(out[0].self, 11);
	assert_int_equal(out[0].frame, ADDRESS(&f));
	assert_int_equal(out[1].self, 22);
	assert_int_equal(out[1].frame, 0);
	assert_int_equal(out[2].self, 33);
	assert_int_equal(python_threads(&m, &row, ADDRESS(&runtime), out, 2), 2);
}

static void lists_without_an_end_are_cut(void **state)
{
	struct thread a = {.self = 1};
	struct interpreter i = {NULL, &a};
	static struct python_thread out[PYTHON_THREADS_MOST];
	struct memory m = own();

	(void)state;
	a.next = &a;
	runtime.interpreters = &i;
	assert_int_equal(python_threads(&m, &row, ADDRESS(&runtime), out, PYTHON_THREADS_MOST),
			 PYTHON_THREADS_MOST);
	a.next = (void *)16;
	assert_int_equal(python_threads(&m, &row, ADDRESS(&runtime), out, 8), 1);
	runtime.interpreters = (void *)16;
	assert_true(python_threads(&m, &row, ADDRESS(&runtime), out, 8) <= 0);
	assert_int_equal(python_threads(&m, &row, 16, out, 8), -EFAULT);
}

static void frames_are_walked_with_their_checks(void **state)
{
	struct python_frame outer = {.code = &code, .at = 5};
	struct python_frame shim = {.code = &strange, .back = &outer, .owner = 3};
	struct python_frame inner = {.code = &code, .back = &shim, .at = 9};
	struct python_identity i = {.name = {1, 2, ADDRESS(&lines)}, .size = 4, .begin = 77};
	uint32_t check = python_check(&i);
	static struct raw_stack s;
	struct memory m = own();

	(void)state;
	memset(&s, 0, sizeof(s));
	assert_int_equal(python_thread_frames(&m, &row, ADDRESS(&runtime), ADDRESS(&inner), &s), 0);
	assert_int_equal(s.count, 3);
	assert_int_equal(s.flags, 0);
	assert_int_equal(s.frame[0].code, ADDRESS(&code) | (uint64_t)(check & 0xffff)
								   << PYTHON_ADDRESS_BITS);
	assert_int_equal(s.frame[0].at, 9 | (uint64_t)(check >> 16) << PYTHON_ADDRESS_BITS);
	assert_int_equal(s.frame[1].code, ADDRESS(&strange));
	assert_int_equal(s.frame[1].at >> PYTHON_OWNER_SHIFT, 3);
	assert_int_equal(s.frame[2].at & PYTHON_ADDRESS, 5);
}

static void endless_frames_are_cut(void **state)
{
	struct python_frame f = {.code = &code};
	static struct raw_stack s;
	struct memory m = own();

	(void)state;
	f.back = &f;
	memset(&s, 0, sizeof(s));
	assert_int_equal(python_thread_frames(&m, &row, ADDRESS(&runtime), ADDRESS(&f), &s), 0);
	assert_int_equal(s.count, STACK_FRAMES);
	assert_int_equal(s.flags, EV_STACK_CUT);
}

static void what_is_no_code_is_not_believed(void **state)
{
	struct python_frame outer = {.code = &strange}, f = {.code = &strange, .back = &outer};
	struct python_frame torn = {.code = &code, .back = (void *)16};
	static struct raw_stack s;
	struct memory m = own();

	(void)state;
	memset(&s, 0, sizeof(s));
	assert_int_equal(python_thread_frames(&m, &row, ADDRESS(&runtime), ADDRESS(&f), &s),
			 -ENOENT);
	assert_int_equal(python_thread_frames(&m, &row, ADDRESS(&runtime), ADDRESS(&torn), &s),
			 -EFAULT);
	assert_int_equal(python_thread_frames(&m, &row, ADDRESS(&runtime), 0, &s), -ENOENT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_of_all_interpreters_are_listed),
		cmocka_unit_test(lists_without_an_end_are_cut),
		cmocka_unit_test(frames_are_walked_with_their_checks),
		cmocka_unit_test(endless_frames_are_cut),
		cmocka_unit_test(what_is_no_code_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
