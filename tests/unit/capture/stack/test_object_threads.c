/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_object_threads.c - the questions about threads of Python and their frames, answered by a
 * worker, and by ones that lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/support/one_role.h"
#include "user/capture/host/parser_state.h"
#include "user/capture/stack/object_wire.h"
#include "user/capture/stack/objects_state.h"

#define ADDRESS(p) ((uint64_t)(uintptr_t)(p))
#define MOST	   3

static struct objects *objects;

static int begin(void **state)
{
	(void)state;
	return nursery_of(&object_role);
}

static int set_up(void **state)
{
	(void)state;
	return objects_open(&objects, nursery);
}

static int tear_down(void **state)
{
	(void)state;
	objects_close(objects);
	return 0;
}

/* --- a worker ----------------------------------------------------------------------------------
 */

/* An interpreter with two threads, the first of which runs a frame in another. */
static struct code {
	uint64_t count;
	const void *type;
	uint64_t names[2];
	const uint64_t *lines;
} code;

static struct frame_object {
	const struct code *code;
	struct frame_object *back;
	uint64_t at, owner;
} outer, inner;

static struct thread_object {
	struct thread_object *next;
	uint64_t self;
	struct frame_object *frame;
} threads[2];

static struct {
	void *next;
	struct thread_object *threads;
} interpreter;

static struct {
	void *interpreters;
	char code_type[8];
} runtime;

static const struct python_row row = {
	.code_type = offsetof(__typeof__(runtime), code_type),
	.at_mask = PYTHON_ADDRESS,
	.interpreter_next = offsetof(__typeof__(interpreter), next),
	.interpreter_threads = offsetof(__typeof__(interpreter), threads),
	.thread_next = offsetof(struct thread_object, next),
	.thread_id = offsetof(struct thread_object, self),
	.thread_frame = offsetof(struct thread_object, frame),
	.frame_bytes = sizeof(struct frame_object),
	.frame_back = offsetof(struct frame_object, back),
	.frame_code = offsetof(struct frame_object, code),
	.frame_at = offsetof(struct frame_object, at),
	.frame_owner = offsetof(struct frame_object, owner),
	.identity = offsetof(struct code, names),
};

static struct python_process own_process(void)
{
	return (struct python_process){1, (uint32_t)getpid()};
}

static int ask_threads(struct python_thread *out)
{
	const struct python_process process = own_process();

	return objects_threads(objects, &row, &process, ADDRESS(&runtime), out, MOST);
}

static int ask_frames(const uint64_t *frames, size_t n, struct python_frames *out)
{
	const struct python_process process = own_process();

	return objects_thread_frames(objects, &row, &process, ADDRESS(&runtime), frames, n, out);
}

static void make_interpreter(void)
{
	static const uint64_t lines[5] = {[2] = 4, [4] = 77};

	code = (struct code){.type = runtime.code_type, .names = {1, 2}, .lines = lines};
	outer = (struct frame_object){.code = &code, .at = 5};
	inner = (struct frame_object){.code = &code, .back = &outer, .at = 9};
	threads[0] = (struct thread_object){&threads[1], 11, &inner};
	threads[1] = (struct thread_object){.self = 22};
	interpreter.threads = &threads[0];
	runtime.interpreters = &interpreter;
}

static void a_worker_lists_threads_and_reads_their_frames(void **state)
{
	static struct python_frames f[PYTHON_FRAMES_MOST];
	struct python_thread out[MOST] = {};
	uint64_t at[PYTHON_FRAMES_MOST];

	(void)state;
	make_interpreter();
	assert_int_equal(ask_threads(out), 2);
	assert_int_equal(out[0].self, 11);
	assert_int_equal(out[0].frame, ADDRESS(&inner));
	assert_int_equal(out[1].self, 22);
	assert_int_equal(out[1].frame, 0);
	for (size_t i = 0; i < PYTHON_FRAMES_MOST; i++)
		at[i] = i % 2 ? ADDRESS(&outer) : ADDRESS(&inner);
	assert_int_equal(ask_frames(at, PYTHON_FRAMES_MOST, f), 0);
	for (size_t i = 0; i < PYTHON_FRAMES_MOST; i++) {
		assert_int_equal(f[i].result, 0);
		assert_int_equal(f[i].count, i % 2 ? 1 : 2);
		assert_int_equal(f[i].flags, 0);
		assert_int_equal(f[i].frame[0].at & PYTHON_ADDRESS, i % 2 ? 5 : 9);
		assert_int_equal(f[i].frame[0].code & PYTHON_ADDRESS, ADDRESS(&code));
	}
	assert_int_equal(ask_frames(at, PYTHON_FRAMES_MOST + 1, f), -EINVAL);
}

static void what_leads_nowhere_or_on_for_ever_ends(void **state)
{
	static struct python_frames f[2];
	const uint64_t at[2] = {ADDRESS(&inner), 0};
	struct python_thread out[MOST];
	uint32_t serial;

	(void)state;
	make_interpreter();
	assert_int_equal(ask_threads(out), 2);
	serial = objects->parser->worker.serial;
	threads[1].next = &threads[0];
	outer.back = &inner;
	assert_int_equal(ask_threads(out), MOST);
	assert_int_equal(ask_frames(at, 2, f), 0);
	assert_int_equal(f[0].count, STACK_FRAMES);
	assert_int_equal(f[0].flags, EV_STACK_CUT);
	assert_int_equal(f[1].result, -ENOENT);
	assert_int_equal(f[1].count, 0);
	outer.back = (void *)16;
	runtime.interpreters = (void *)16;
	assert_true(ask_threads(out) <= 0); /* a new look */
	assert_int_equal(ask_frames(at, 1, f), 0);
	assert_int_equal(f[0].result, -EFAULT);
	assert_int_equal(f[0].count, 0);
	assert_int_equal(objects->parser->worker.serial, serial);
}

/* --- answers that lie --------------------------------------------------------------------------
 */

static int ask_for_threads(void)
{
	struct python_thread out[MOST];

	return ask_threads(out);
}

#define ASKED 2

static int ask_for_frames(void)
{
	static struct python_frames f[ASKED];
	const uint64_t at[ASKED] = {8, 16};

	return ask_frames(at, ASKED, f);
}

/* The worker answers with these bytes. */
static int lie_with(int (*question)(void), const void *bytes, size_t size)
{
	struct parser *p = objects->parser;
	int pair[2], err;
	pid_t child;

	table_free_values(&p->owners);
	p->failures = (struct credit){};
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	if (p->worker.wire >= 0)
		close(p->worker.wire);
	p->worker = (struct nursling){pair[0], -1, 0, 0};
	p->heard = true;
	child = fork();
	if (!child) { /* an answer before the question would be seen as such */
		uint8_t in[4096];

		close(pair[0]);
		alarm(10);
		recv(pair[1], in, sizeof(in), 0);
		send(pair[1], bytes, size, 0);
		recv(pair[1], in, sizeof(in), 0);
		_exit(0);
	}
	close(pair[1]);
	err = question();
	waitpid(child, NULL, 0);
	return err;
}

static void lists_that_make_no_sense_end_their_worker(void **state)
{
	static struct object_threads_end m;
	const uint32_t whole = offsetof(struct object_threads_end, thread[MOST]);
	static const struct parser_head lies[] = {
		{OBJECT_THREADS_END, offsetof(struct object_threads_end, thread[MOST + 1]),
		 MOST + 1, MOST + 1},
		{OBJECT_THREADS_END, offsetof(struct object_threads_end, thread[1]), 2, 2},
		{OBJECT_THREADS_END, offsetof(struct object_threads_end, thread[MOST]), 1, 2},
		{OBJECT_THREADS_END, offsetof(struct object_threads_end, thread[MOST]), -3, 2},
		{OBJECT_THREADS_END, offsetof(struct object_threads_end, thread[0]), -5000, 0},
		{OBJECT_THREAD_END, offsetof(struct object_threads_end, thread[MOST]), 0, 0},
	};

	(void)state;
	m.head = (struct parser_head){OBJECT_THREADS_END, whole, MOST, MOST};
	assert_int_equal(lie_with(ask_for_threads, &m, whole), MOST);
	m.head = (struct parser_head){OBJECT_THREADS_END, sizeof(m.head), -ESRCH, 0};
	assert_int_equal(lie_with(ask_for_threads, &m, sizeof(m.head)), -ESRCH);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		m.head = lies[i];
		assert_int_equal(lie_with(ask_for_threads, &m, m.head.size), -EIO);
		assert_int_equal(objects->parser->worker.wire, -1);
	}
}

static void frames_that_make_no_sense_end_their_worker(void **state)
{
	static struct object_thread_end m;
	const uint32_t whole = offsetof(struct object_thread_end, of[ASKED]);
	static const struct parser_head heads[] = {
		{OBJECT_THREAD_END, offsetof(struct object_thread_end, of[ASKED]), 0, ASKED - 1},
		{OBJECT_THREAD_END, offsetof(struct object_thread_end, of[ASKED + 1]), 0,
		 ASKED + 1},
		{OBJECT_THREAD_END, offsetof(struct object_thread_end, of[ASKED - 1]), 0, ASKED},
		{OBJECT_THREADS_END, offsetof(struct object_thread_end, of[ASKED]), 0, ASKED},
	};
	static const struct python_frames lies[] = {
		{.count = STACK_FRAMES + 1},
		{.count = 0},
		{.result = -ESRCH, .count = 1},
		{.result = 1},
		{.result = -5000},
		{.count = 1, .flags = RAW_STACK_PRESENT},
	};

	(void)state;
	m.head = (struct parser_head){OBJECT_THREAD_END, whole, 0, ASKED};
	m.of[0] = (struct python_frames){.count = STACK_FRAMES, .flags = EV_STACK_CUT};
	m.of[1] = (struct python_frames){.result = -ENOENT};
	assert_int_equal(lie_with(ask_for_frames, &m, whole), 0);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		m.of[1] = lies[i];
		assert_int_equal(lie_with(ask_for_frames, &m, whole), -EIO);
		assert_int_equal(objects->parser->worker.wire, -1);
	}
	m.of[1] = (struct python_frames){.result = -ENOENT};
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		m.head = heads[i];
		assert_int_equal(lie_with(ask_for_frames, &m, m.head.size), -EIO);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_worker_lists_threads_and_reads_their_frames),
		TEST(what_leads_nowhere_or_on_for_ever_ends),
		TEST(lists_that_make_no_sense_end_their_worker),
		TEST(frames_that_make_no_sense_end_their_worker),
	};
#undef TEST

	return cmocka_run_group_tests(tests, begin, nursery_finish);
}
