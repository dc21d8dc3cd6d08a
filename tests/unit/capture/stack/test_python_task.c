/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_python_task.c - tasks of asyncio in our own memory: what they await, and what is made to
 * mislead the reader.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "tests/unit/support/python_objects.h"
#include "user/capture/stack/python_task.h"

#define COROUTINES 8
#define LOCALS	   4
#define TASKS	   3
#define SUSPENDED  -1
#define YIELDED	   -2
#define RUNNING	   0

struct lines {
	uint64_t head[2], size, hash, begin;
};

struct code_object {
	uint64_t count;
	const struct type_object *type;
	const struct text_object *name;
	uint64_t names[2];
	const struct lines *lines;
};

struct inner_frame {
	const struct code_object *code;
	const struct inner_frame *back;
	uint64_t at;
	int32_t top;
	uint8_t padding[3], owner;
	const void *local[LOCALS];
};

struct coroutine {
	uint64_t count;
	const struct type_object *type;
	int8_t state;
	struct inner_frame frame;
};

struct task {
	uint64_t count;
	const struct type_object *type;
	uint64_t loop;
	struct coroutine *coroutine;
};

struct frame_object {
	uint64_t count;
	const struct type_object *type;
	uint64_t back;
	const struct inner_frame *inner;
};

struct greenlet {
	uint64_t count;
	const struct type_object *type;
	uint64_t more[2];
	const void *inner;
};

static const struct type_object type_coroutine = {.name = "coroutine"},
				type_generator = {.name = "async_generator"},
				type_awaitable = {.name = "coroutine_wrapper"},
				type_iterator = {.name = "_asyncio.FutureIter"},
				type_task = {.name = "_asyncio.Task"},
				type_frame = {.name = "frame"},
				type_greenlet = {.name = "greenlet.greenlet"},
				type_weak_set = {.name = "WeakSet", .basic_size = 56};

static const struct lines lines = {.size = 4, .begin = 77};
static struct plain_object future = {.type = &type_other};

/* What a story is made of. */
static struct {
	uint64_t interpreters;
} runtime;

static struct {
	uint64_t next;
	const struct dict_object *modules;
} interpreter;

static struct story {
	struct dict_object modules, module_dict, attributes;
	struct plain_object module, reference[TASKS], wait[TASKS];
	struct {
		const void *before[4]; /* values, dictionary, two words of the collector */
		struct plain_object object;
		const void *inline_values[16];
	} weak_set;
	const void *values[4];
	struct set_object set;
	struct set_entry table[64];
	struct task task[TASKS];
	struct coroutine coroutine[COROUTINES];
	struct code_object code[COROUTINES];
	struct text_object text[COROUTINES], tasks_name, set_name;
	uint8_t unit[4];
} s;

static const struct python_row row = {
	.at_mask = PYTHON_ADDRESS,
	.interpreters = 0,
	.interpreter_next = 0,
	.frame_bytes = offsetof(struct inner_frame, local),
	.frame_back = offsetof(struct inner_frame, back),
	.frame_code = offsetof(struct inner_frame, code),
	.frame_at = offsetof(struct inner_frame, at),
	.frame_owner = offsetof(struct inner_frame, owner),
	.owner_mask = 7,
	.strangers = 1 << 3,
	.identity = offsetof(struct code_object, names),
};

static const struct python_code_layout code = {
	.name = offsetof(struct code_object, name),
	.ascii = TEXT_ASCII,
};

static struct python_task_layout layout;
static struct python_tasks_at at;
static struct python_tasks out;

/* The coroutine runs a function of that name, and awaits that. */
static struct coroutine *awaits(int i, const char *name, const void *what)
{
	struct coroutine *c = &s.coroutine[i];

	text_set(&s.text[i], name);
	s.code[i] = (struct code_object){
		.type = &type_code, .name = &s.text[i], .names = {1, 2}, .lines = &lines};
	*c = (struct coroutine){
		.type = &type_coroutine,
		.state = SUSPENDED,
		.frame = {.code = &s.code[i], .at = ADDRESS(s.unit), .top = LOCALS, .owner = 1}};
	c->frame.local[LOCALS - 1] = what;
	return c;
}

static void runs(int i, struct coroutine *c)
{
	s.task[i] = (struct task){.type = &type_task, .loop = 99, .coroutine = c};
	s.reference[i] = (struct plain_object){.type = &type_reference, .held = &s.task[i]};
	s.table[11 * i].key = &s.reference[i];
}

static void *waits_for(int i, const void *what)
{
	s.wait[i] = (struct plain_object){.type = &type_iterator, .held = what};
	return &s.wait[i];
}

static void begin(void)
{
	memset(&s, 0, sizeof(s));
	memset(&at, 0, sizeof(at));
	layout = (struct python_task_layout){
		.modules = offsetof(__typeof__(interpreter), modules),
		.frame = offsetof(struct coroutine, frame),
		.state = offsetof(struct coroutine, state),
		.stack_top = offsetof(struct inner_frame, top),
		.locals = offsetof(struct inner_frame, local),
		.coroutine = offsetof(struct task, coroutine),
		.attributes = PYTHON_VALUES_BEFORE,
		.awaits = SUSPENDED,
		.yields = YIELDED,
	};
	text_set(&s.tasks_name, "asyncio.tasks");
	text_set(&s.set_name, "_all_tasks");
	s.module = (struct plain_object){.type = &type_module, .held = &s.module_dict};
	dict_put(&s.modules, &s.tasks_name, &s.module, true);
	dict_put(&s.module_dict, &s.set_name, &s.weak_set.object, false);
	s.weak_set.object.type = &type_weak_set;
	s.weak_set.before[0] = s.values;
	s.values[1] = &s.set;
	s.set = (struct set_object){.type = &type_set, .mask = 63, .table = s.table};
	interpreter.modules = &s.modules;
	runtime.interpreters = ADDRESS(&interpreter);
	at.runtime = ADDRESS(&runtime);
}

static int look(void)
{
	struct memory m = memory_of_process((uint32_t)getpid());

	return python_tasks_read(&out, &m, &row, &code, &layout, &at);
}

static uint64_t code_at(const struct python_task *t, uint32_t i)
{
	return t->frame[i].code & PYTHON_ADDRESS;
}

static const struct python_task *told(const struct task *task)
{
	for (size_t i = 0; i < out.count; i++)
		if (out.task[i].task == ADDRESS(task))
			return &out.task[i];
	return NULL;
}

static void a_task_is_told_with_all_that_awaits(void **state)
{
	struct python_identity i = {.name = {1, 2, ADDRESS(&lines)}, .size = 4, .begin = 77};
	uint32_t check = python_check(&i);

	(void)state;
	begin();
	runs(0,
	     awaits(0, "request", awaits(1, "acquire", awaits(2, "get", waits_for(0, &future)))));
	assert_int_equal(look(), 0);
	assert_int_equal(out.count, 1);
	assert_int_equal(out.dropped, 0);
	assert_int_equal(out.task[0].count, 3);
	assert_int_equal(out.task[0].loop, 99);
	assert_int_equal(out.task[0].flags, 0);
	assert_int_equal(code_at(&out.task[0], 0), ADDRESS(&s.code[2]));
	assert_int_equal(code_at(&out.task[0], 2), ADDRESS(&s.code[0]));
	assert_int_equal(out.task[0].frame[0].code >> PYTHON_ADDRESS_BITS, check & 0xffff);
	assert_int_equal(out.task[0].frame[0].at & PYTHON_ADDRESS, ADDRESS(s.unit));
	assert_int_equal(at.set, ADDRESS(&s.set));
}

/* The set is searched for once. */
static void the_place_of_the_tasks_is_kept(void **state)
{
	(void)state;
	begin();
	runs(0, awaits(0, "request", waits_for(0, &future)));
	assert_int_equal(look(), 0);
	interpreter.modules = NULL;
	assert_int_equal(look(), 0);
	assert_int_equal(out.count, 1);
	s.set.type = &type_other; /* another object is there now */
	assert_int_equal(look(), -ENOENT);
	assert_int_equal(at.set, 0);
}

static void each_version_keeps_attributes_elsewhere(void **state)
{
	(void)state;
	begin();
	runs(0, awaits(0, "request", waits_for(0, &future)));
	s.weak_set.before[0] = NULL;
	assert_int_equal(look(), -ENOENT);
	dict_put(&s.attributes, &s.set_name, &s.set, false);
	s.weak_set.before[1] = &s.attributes;
	assert_int_equal(look(), 0);
	at.set = 0;
	layout.attributes = PYTHON_VALUES_MARKED;
	assert_int_equal(look(), 0);
	at.set = 0;
	s.weak_set.before[1] = (const char *)s.values - 1;
	assert_int_equal(look(), 0);
	at.set = 0;
	layout.attributes = PYTHON_VALUES_INLINE;
	s.weak_set.before[1] = NULL;
	assert_int_equal(look(), -ENOENT);
	s.weak_set.inline_values[3] = &s.set;
	assert_int_equal(look(), 0);
	assert_int_equal(out.count, 1);
}

static void the_same_wait_has_the_same_identity(void **state)
{
	static struct plain_object another = {.type = &type_other};
	uint64_t identity;

	(void)state;
	begin();
	runs(0, awaits(0, "request", waits_for(0, &future)));
	assert_int_equal(look(), 0);
	identity = out.task[0].identity;
	assert_int_equal(look(), 0);
	assert_int_equal(out.task[0].identity, identity);
	waits_for(0, &another);
	assert_int_equal(look(), 0);
	assert_int_not_equal(out.task[0].identity, identity);
	waits_for(0, &future);
	s.coroutine[0].frame.at++;
	assert_int_equal(look(), 0);
	assert_int_not_equal(out.task[0].identity, identity);
}

/* Awaitables of C stand between coroutines: __await__(), an asynchronous generator. */
static void awaitables_lead_on(void **state)
{
	struct plain_object wrapper = {.type = &type_awaitable};

	(void)state;
	begin();
	wrapper.held = awaits(1, "acquire", waits_for(0, &future));
	s.coroutine[1].type = &type_generator;
	runs(0, awaits(0, "request", &wrapper));
	assert_int_equal(look(), 0);
	assert_int_equal(out.task[0].count, 2);
	wrapper.type = &type_other; /* of a library that is not known */
	assert_int_equal(look(), 0);
	assert_int_equal(out.task[0].count, 1);
}

static void a_task_that_is_awaited_is_told_inside_the_other(void **state)
{
	(void)state;
	begin();
	runs(0, awaits(0, "request", waits_for(0, &s.task[1])));
	runs(1, awaits(1, "acquire", waits_for(1, &future)));
	assert_int_equal(look(), 0);
	assert_int_equal(out.count, 1);
	assert_non_null(told(&s.task[0]));
	assert_int_equal(out.task[0].count, 2);
	assert_int_equal(code_at(&out.task[0], 0), ADDRESS(&s.code[1]));
}

/* Before 3.12 it awaits a future of its own, and its task is a local variable. */
static void wait_for_stands_for_its_task(void **state)
{
	(void)state;
	begin();
	runs(0, awaits(0, "request", awaits(1, "wait_for", waits_for(0, &future))));
	runs(1, awaits(2, "get", waits_for(1, &future)));
	s.coroutine[1].frame.local[1] = &s.task[1];
	assert_int_equal(look(), 0);
	assert_int_equal(out.count, 1);
	assert_int_equal(out.task[0].count, 3);
	assert_int_equal(code_at(&out.task[0], 0), ADDRESS(&s.code[2]));
	awaits(1, "gather", waits_for(0, &future));
	s.coroutine[1].frame.local[1] = &s.task[1];
	assert_int_equal(look(), 0);
	assert_int_equal(out.count, 2);
}

static void frames_of_a_greenlet_stand_where_it_was_spawned(void **state)
{
	struct inner_frame outer = {.code = &s.code[6], .at = 1};
	struct inner_frame inner = {.code = &s.code[7], .at = 2, .back = &outer};
	struct frame_object frame = {.type = &type_frame, .inner = &inner};
	const void *kept[40] = {[9] = &frame};
	struct greenlet greenlet = {.type = &type_greenlet, .inner = kept};

	(void)state;
	begin();
	awaits(6, "connect", NULL);
	awaits(7, "await_only", NULL);
	runs(0, awaits(0, "request",
		       awaits(1, "greenlet_spawn", awaits(2, "get", waits_for(0, &future)))));
	s.coroutine[1].frame.local[0] = &greenlet;
	assert_int_equal(look(), 0);
	assert_int_equal(out.task[0].count, 5);
	assert_int_equal(code_at(&out.task[0], 0), ADDRESS(&s.code[2]));
	assert_int_equal(code_at(&out.task[0], 1), ADDRESS(&s.code[7]));
	assert_int_equal(code_at(&out.task[0], 2), ADDRESS(&s.code[6]));
	assert_int_equal(code_at(&out.task[0], 3), ADDRESS(&s.code[1]));
	outer.owner = 3; /* the interpreter's own: what is outside lies on the thread's stack */
	assert_int_equal(look(), 0);
	assert_int_equal(out.task[0].count, 4);
	at.stack = ADDRESS(&outer);
	assert_int_equal(look(), 0);
	assert_int_equal(out.task[0].count, 3);
}

static void what_is_not_suspended_is_not_told(void **state)
{
	(void)state;
	begin();
	runs(0, awaits(0, "request", awaits(1, "acquire", waits_for(0, &future))));
	s.coroutine[1].state = RUNNING;
	assert_int_equal(look(), 0);
	assert_int_equal(out.count, 0);
	s.coroutine[1].state =
		YIELDED; /* asyncio.sleep(0): what lies on its stack is no awaitable */
	assert_int_equal(look(), 0);
	assert_int_equal(out.task[0].count, 2);
	s.coroutine[0].state = YIELDED;
	assert_int_equal(look(), 0);
	assert_int_equal(out.task[0].count, 1);
	s.task[0].coroutine = NULL; /* it is done */
	assert_int_equal(look(), 0);
	assert_int_equal(out.count, 0);
}

/* Where both states are one, the argument of the next instruction tells. */
static void the_code_tells_what_the_state_does_not(void **state)
{
	(void)state;
	begin();
	layout.yields = SUSPENDED;
	runs(0, awaits(0, "request", awaits(1, "acquire", waits_for(0, &future))));
	s.unit[3] = 3;
	assert_int_equal(look(), 0);
	assert_int_equal(out.task[0].count, 2);
	s.unit[3] = 1;
	assert_int_equal(look(), 0);
	assert_int_equal(out.task[0].count, 1);
}

static void what_makes_no_sense_is_dropped(void **state)
{
	(void)state;
	begin();
	runs(0, awaits(0, "request", awaits(1, "acquire", &s.coroutine[0]))); /* in a circle */
	runs(1, awaits(2, "request", waits_for(1, &future)));
	runs(2, awaits(3, "request", waits_for(2, &future)));
	s.coroutine[3].frame.top = INT32_MAX;
	assert_int_equal(look(), 0);
	assert_int_equal(out.count, 1);
	assert_non_null(told(&s.task[1]));
	s.coroutine[2].frame.code = (void *)16;
	assert_int_equal(look(), 0);
	assert_int_equal(out.count, 0);
	runs(1, (void *)&s.task[1]); /* a task as its own coroutine */
	s.reference[2].held = (void *)0x7ffffffff000;
	assert_int_equal(look(), 0);
	assert_int_equal(out.count, 0);
}

static void long_chains_keep_their_innermost_frames(void **state)
{
	static struct inner_frame deep[3 * STACK_FRAMES];
	struct frame_object frame = {.type = &type_frame, .inner = deep};
	struct greenlet greenlet = {.type = &type_greenlet, .inner = &frame};
	const void *kept[40] = {[9] = &frame};

	(void)state;
	begin();
	greenlet.inner = kept;
	awaits(7, "deep", NULL);
	for (size_t i = 0; i < 3 * STACK_FRAMES; i++)
		deep[i] = (struct inner_frame){
			.code = &s.code[7], .at = i, .back = &deep[(i + 1) % (3 * STACK_FRAMES)]};
	runs(0, awaits(0, "request", awaits(1, "greenlet_spawn", waits_for(0, &future))));
	s.coroutine[1].frame.local[0] = &greenlet;
	assert_int_equal(look(), 0);
	assert_int_equal(out.task[0].count, STACK_FRAMES);
	assert_int_equal(out.task[0].flags, EV_STACK_CUT);
	assert_int_equal(out.task[0].frame[0].at & PYTHON_ADDRESS, 0);
}

static void more_tasks_than_are_read_are_counted(void **state)
{
	static struct set_entry many[2 * PYTHON_TASKS_MOST];
	size_t n = PYTHON_TASKS_MOST + 5;

	(void)state;
	begin();
	runs(0, awaits(0, "request", waits_for(0, &future)));
	for (size_t i = 0; i < n; i++)
		many[i].key = &s.reference[0];
	s.set.table = many;
	s.set.mask = 2 * PYTHON_TASKS_MOST - 1;
	assert_int_equal(look(), 0);
	assert_int_equal(out.count, PYTHON_TASKS_MOST);
	assert_int_equal(out.dropped, 5);
}

static void processes_without_asyncio_have_none(void **state)
{
	(void)state;
	begin();
	s.tasks_name.text[0] = 'x';
	assert_int_equal(look(), -ENOENT);
	layout.modules = 0;
	assert_int_equal(look(), -ENOTSUP);
	begin();
	interpreter.next = ADDRESS(&interpreter);
	interpreter.modules = NULL;
	assert_int_equal(look(), -ENOENT);
	at.runtime = 16;
	assert_int_equal(look(), -ENOENT);
	interpreter.next = 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_task_is_told_with_all_that_awaits),
		cmocka_unit_test(the_place_of_the_tasks_is_kept),
		cmocka_unit_test(each_version_keeps_attributes_elsewhere),
		cmocka_unit_test(the_same_wait_has_the_same_identity),
		cmocka_unit_test(awaitables_lead_on),
		cmocka_unit_test(a_task_that_is_awaited_is_told_inside_the_other),
		cmocka_unit_test(wait_for_stands_for_its_task),
		cmocka_unit_test(frames_of_a_greenlet_stand_where_it_was_spawned),
		cmocka_unit_test(what_is_not_suspended_is_not_told),
		cmocka_unit_test(the_code_tells_what_the_state_does_not),
		cmocka_unit_test(what_makes_no_sense_is_dropped),
		cmocka_unit_test(long_chains_keep_their_innermost_frames),
		cmocka_unit_test(more_tasks_than_are_read_are_counted),
		cmocka_unit_test(processes_without_asyncio_have_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
