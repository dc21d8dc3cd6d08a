/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_object_tasks.c - the question about tasks of asyncio, answered by a worker, and by ones that
 * lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/unit/support/one_role.h"
#include "tests/unit/support/python_objects.h"
#include "user/capture/host/parser_state.h"
#include "user/capture/stack/object_wire.h"
#include "user/capture/stack/objects_state.h"

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

struct told {
	size_t count;
	struct python_task last;
};

static void on_told(void *context, const struct python_task *task)
{
	struct told *t = context;

	assert_in_range(task->count, 1, STACK_FRAMES);
	t->count++;
	memcpy(&t->last, task, offsetof(struct python_task, frame[task->count]));
}

/* --- a worker ----------------------------------------------------------------------------------
 */

struct small_code {
	uint64_t count;
	const struct type_object *type;
	uint64_t names[2];
	const uint64_t *lines;
	const struct text_object *name;
};

/* A coroutine that runs that code and awaits nothing, and the task of it. */
static struct {
	struct {
		uint64_t count;
		const struct type_object *type;
		int64_t state;
		const struct small_code *code;
		uint64_t back, at;
		int32_t top, owner;
	} coroutine;
	struct {
		uint64_t count;
		const struct type_object *type;
		uint64_t loop;
		const void *coroutine;
	} task;
	struct plain_object reference;
	struct set_entry entry;
	struct set_object set;
	struct small_code code;
	struct text_object name;
} s;

static const struct type_object type_coroutine = {.name = "coroutine"},
				type_task = {.name = "_asyncio.Task"};
static const uint64_t lines[5] = {[2] = 4, [4] = 77};

static const struct python_build build = {
	.row = {.at_mask = PYTHON_ADDRESS,
		.frame_bytes = 32,
		.frame_code = 0,
		.frame_back = 8,
		.frame_at = 16,
		.frame_owner = 28,
		.owner_mask = 7,
		.identity = offsetof(struct small_code, names)},
	.code = {.name = offsetof(struct small_code, name), .ascii = TEXT_ASCII},
	.task = {.modules = 8,
		 .frame = 24,
		 .state = 16,
		 .stack_top = 24,
		 .locals = 32,
		 .coroutine = 24,
		 .attributes = PYTHON_VALUES_BEFORE,
		 .awaits = -1,
		 .yields = -2},
};

static void a_worker_reads_tasks(void **state)
{
	const struct python_process process = {1, (uint32_t)getpid()};
	struct python_tasks_at at = {.set = ADDRESS(&s.set)};
	struct told told = {};
	uint32_t dropped = 7;

	(void)state;
	memset(&s, 0, sizeof(s));
	text_set(&s.name, "request");
	s.code = (struct small_code){
		.type = &type_code, .names = {1, 2}, .lines = lines, .name = &s.name};
	s.coroutine.type = &type_coroutine;
	s.coroutine.state = -2;
	s.coroutine.code = &s.code;
	s.coroutine.at = 4711;
	s.task.type = &type_task;
	s.task.loop = 99;
	s.task.coroutine = &s.coroutine;
	s.reference = (struct plain_object){.type = &type_reference, .held = &s.task};
	s.entry.key = &s.reference;
	s.set = (struct set_object){.type = &type_set, .table = &s.entry};
	assert_int_equal(objects_tasks(objects, &build, &process, &at, &dropped, on_told, &told),
			 0);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.last.task, ADDRESS(&s.task));
	assert_int_equal(told.last.loop, 99);
	assert_int_equal(told.last.count, 1);
	assert_int_equal(told.last.frame[0].code & PYTHON_ADDRESS, ADDRESS(&s.code));
	assert_int_equal(told.last.frame[0].at & PYTHON_ADDRESS, 4711);
	assert_int_equal(dropped, 0);
	assert_int_equal(at.set, ADDRESS(&s.set));
	at.set = 0; /* without it the interpreters lead there, and there are none */
	assert_int_equal(objects_tasks(objects, &build, &process, &at, &dropped, on_told, &told),
			 -ENOENT);
}

/* --- answers that lie --------------------------------------------------------------------------
 */

struct task_answer {
	struct object_task task;
	struct object_tasks_end end;
};

/* One frame is told of. */
#define TASK_SIZE offsetof(struct object_task, task.frame[1])

static struct task_answer good;

/* The worker sends these bytes as its answer. */
static int answer_with(const void *bytes, size_t size, struct told *told)
{
	const struct python_process process = {1, (uint32_t)getpid()};
	struct python_tasks_at at = {};
	uint32_t dropped;
	int pair[2], err;
	pid_t child;

	table_free_values(&objects->parser->owners);
	objects->parser->failures = (struct credit){};
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	if (objects->parser->worker.wire >= 0)
		close(objects->parser->worker.wire);
	objects->parser->worker = (struct nursling){pair[0], -1, 0, 0};
	objects->parser->heard = true;
	*told = (struct told){};
	child = fork();
	if (!child) {
		uint8_t in[4096];

		close(pair[0]);
		alarm(10);
		recv(pair[1], in, sizeof(in), 0);
		send(pair[1], bytes, size, 0);
		recv(pair[1], in, sizeof(in), 0);
		_exit(0);
	}
	close(pair[1]);
	err = objects_tasks(objects, &build, &process, &at, &dropped, on_told, told);
	waitpid(child, NULL, 0);
	return err;
}

/* Puts the end behind the frames of the task. */
static size_t packed(uint8_t *to, const struct task_answer *a)
{
	memcpy(to, &a->task, TASK_SIZE);
	memcpy(to + TASK_SIZE, &a->end, sizeof(a->end));
	return TASK_SIZE + sizeof(a->end);
}

static void answers_that_make_no_sense_end_their_worker(void **state)
{
	static const struct {
		size_t at;
		uint32_t value;
	} lies[] = {
		{offsetof(struct object_task, head.kind), OBJECT_CODE},
		{offsetof(struct object_task, head.size), TASK_SIZE - 8},
		{offsetof(struct object_task, task.count), 0},
		{offsetof(struct object_task, task.count), STACK_FRAMES},
		{offsetof(struct object_task, task.count), STACK_FRAMES + 1},
		{offsetof(struct object_task, task.flags), EV_STACK_GREENLET},
	};
	struct task_answer lie;
	uint8_t bytes[sizeof(lie)];
	struct told told;
	size_t size;

	(void)state;
	good.task.head = (struct parser_head){OBJECT_TASK, TASK_SIZE, 0, 0};
	good.task.task.count = 1;
	good.end.head = (struct parser_head){OBJECT_TASKS_END, sizeof(good.end), 0, 0};
	size = packed(bytes, &good);
	assert_int_equal(answer_with(bytes, size, &told), 0);
	assert_int_equal(told.count, 1);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		lie = good;
		memcpy((char *)&lie.task + lies[i].at, &lies[i].value, sizeof(lies[i].value));
		size = packed(bytes, &lie);
		assert_int_equal(answer_with(bytes, size, &told), -EIO);
		assert_int_equal(told.count, 0);
	}
	lie = good;
	lie.end.head.result = 1;
	size = packed(bytes, &lie);
	assert_int_equal(answer_with(bytes, size, &told), -EIO);
	lie.end.head.result = 0;
	lie.end.head.size = sizeof(lie.end.head);
	size = packed(bytes, &lie);
	assert_int_equal(answer_with(bytes, size, &told), -EIO);
}

static void tasks_without_an_end_end_their_worker(void **state)
{
	static uint8_t bytes[PARSER_PACKET_MAX];
	size_t n = sizeof(bytes) / TASK_SIZE;
	struct told told;

	(void)state;
	good.task.head = (struct parser_head){OBJECT_TASK, TASK_SIZE, 0, 0};
	good.task.task.count = 1;
	for (size_t i = 0; i < n; i++)
		memcpy(bytes + i * TASK_SIZE, &good.task, TASK_SIZE);
	assert_int_equal(answer_with(bytes, n * TASK_SIZE, &told), -EIO);
	assert_true(told.count <= PYTHON_TASKS_MOST);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		TEST(a_worker_reads_tasks),
		TEST(answers_that_make_no_sense_end_their_worker),
		TEST(tasks_without_an_end_end_their_worker),
	};
#undef TEST

	return cmocka_run_group_tests(tests, begin, nursery_finish);
}
