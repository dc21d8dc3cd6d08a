/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python_task.c - see python_task.h.
 *
 * sys.modules leads to the module asyncio.tasks, that to its WeakSet of tasks.  The walk along what
 * a task awaits goes from its own coroutine inward.  Each step checks the type of what it finds,
 * and that a coroutine is suspended; a task that fails is dropped whole.
 */
#include "user/capture/stack/python_task.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/host/memory_pages.h"
#include "user/capture/stack/python_heap.h"
#include "user/capture/stack/python_thread.h"

#define READS_MOST	  (1U << 18) /* of one look */
#define INTERPRETERS_MOST 8
#define CHAIN_MOST	  (4 * STACK_FRAMES)
#define HOPS_MOST	  CHAIN_MOST
#define LOCALS_MOST	  16
#define STACK_TOP_MOST	  4096
#define VALUES_MOST	  8  /* attributes of a WeakSet that are looked at */
#define BASIC_SIZE_AT	  32 /* in a type */
#define DICT_AT		  24 /* before an object that keeps its attributes there */
#define VALUES_AT	  32 /* and those without a dictionary, 3.11 */
#define INLINE_HEAD	  8
#define TASK_LOOP_AT	  16
#define GREENLET_BYTES	  256 /* looked at for its frame */
#define GREENLET_INNER	  32  /* the part of it that newer versions of greenlet keep apart */
#define FRAME_INNER_AT	  24  /* in a frame object */
#define C_STACK_BYTES	  (8UL << 20) /* the usual limit of a thread's stack */
#define REFERENCE_BYTES	  32
#define TASK_BYTES	  176
#define COROUTINE_BYTES	  256
#define AWAITS		  2 /* in the argument of RESUME: the coroutine awaits; see dis */

/* Coroutines that are more than they seem. */
enum role {
	ROLE_NONE = 0,
	ROLE_GREENLET = 1, /* SQLAlchemy's: runs code in a greenlet, and awaits for it */
	ROLE_WAIT_FOR = 2, /* before 3.12: awaits a future that stands for a task of its own */
};

#define ROLES_MOST 64

struct reading {
	struct python_heap heap;
	const struct python_row *row;
	const struct python_code_layout *code;
	const struct python_task_layout *layout;
	const struct python_tasks_at *at;
	struct python_tasks *out;
	struct {
		uint64_t code;
		enum role role;
	} roles[ROLES_MOST];
	size_t role_count;
	size_t frame_word; /* of a greenlet, its frame; 0 not known */
};

/* The frames of a task, the outermost first. */
struct task_chain {
	struct raw_frame frame[CHAIN_MOST];
	size_t count;
	uint64_t identity;
	uint64_t waits_for; /* the task that wait_for() stands for; 0: none */
	bool full;	    /* frames have no room */
};

static void chain_mix(struct task_chain *c, uint64_t value)
{
	c->identity = (c->identity ^ value) * 0x9e3779b97f4a7c15ULL;
	c->identity ^= c->identity >> 29;
}

static void chain_add(struct task_chain *c, const struct raw_frame *f)
{
	if (c->count < CHAIN_MOST)
		c->frame[c->count++] = *f;
	else
		c->full = true;
}

/* --- where the tasks are -----------------------------------------------------------------------
 */

/* The set in which a WeakSet keeps its references: the first attribute that is a set. */
static uint64_t set_among(struct reading *r, uint64_t values)
{
	for (uint64_t i = 0; values && i < VALUES_MOST; i++) {
		uint64_t value = python_heap_word(&r->heap, values + i * 8);

		if (python_heap_kind(&r->heap, value) == PYTHON_SET)
			return value;
	}
	return 0;
}

static uint64_t set_of_dict(struct reading *r, uint64_t dict)
{
	return python_heap_first(&r->heap, dict, PYTHON_SET);
}

static uint64_t set_of(struct reading *r, uint64_t weak_set)
{
	uint64_t dict, set, type;

	if (python_heap_kind(&r->heap, weak_set) != PYTHON_WEAK_SET)
		return 0;
	dict = python_heap_word(&r->heap, weak_set - DICT_AT);
	switch (r->layout->attributes) {
	case PYTHON_VALUES_BEFORE:
		set = set_among(r, python_heap_word(&r->heap, weak_set - VALUES_AT));
		return set ? set : set_of_dict(r, dict);
	case PYTHON_VALUES_MARKED:
		return dict & 1 ? set_among(r, dict + 1) : set_of_dict(r, dict);
	case PYTHON_VALUES_INLINE:
		type = python_heap_word(&r->heap, weak_set + 8);
		set = set_among(r,
				weak_set + INLINE_HEAD +
					(python_heap_word(&r->heap, type + BASIC_SIZE_AT) & 0xfff));
		return set ? set : set_of_dict(r, dict);
	}
	return 0;
}

static uint64_t set_in_modules(struct reading *r, uint64_t modules)
{
	uint64_t module = python_heap_get(&r->heap, modules, "asyncio.tasks"), dict, tasks;

	if (python_heap_kind(&r->heap, module) != PYTHON_MODULE)
		return 0;
	dict = python_heap_word(&r->heap, module + PYTHON_HELD_AT);
	tasks = python_heap_get(&r->heap, dict, "_scheduled_tasks"); /* from 3.12 on */
	if (!tasks)
		tasks = python_heap_get(&r->heap, dict, "_all_tasks");
	return set_of(r, tasks);
}

static uint64_t set_find(struct reading *r)
{
	uint64_t interpreter = python_heap_word(&r->heap, r->at->runtime + r->row->interpreters);
	uint64_t set = 0;

	for (int i = 0; i < INTERPRETERS_MOST && interpreter && !set; i++) {
		set = set_in_modules(r,
				     python_heap_word(&r->heap, interpreter + r->layout->modules));
		interpreter = python_heap_word(&r->heap, interpreter + r->row->interpreter_next);
	}
	return set;
}

/* --- frames ------------------------------------------------------------------------------------
 */

static enum role role_named(struct reading *r, uint64_t code)
{
	uint64_t name = python_heap_word(&r->heap, code + r->code->name);

	if (python_heap_says(&r->heap, name, "greenlet_spawn"))
		return ROLE_GREENLET;
	return python_heap_says(&r->heap, name, "wait_for") ? ROLE_WAIT_FOR : ROLE_NONE;
}

static enum role role_of(struct reading *r, uint64_t code)
{
	enum role role;

	for (size_t i = 0; i < r->role_count && i < ROLES_MOST; i++)
		if (r->roles[i].code == code)
			return r->roles[i].role;
	role = role_named(r, code);
	r->roles[r->role_count % ROLES_MOST].code = code;
	r->roles[r->role_count++ % ROLES_MOST].role = role;
	return role;
}

/* Reads a frame with its check; false: it runs no code of Python. */
static bool task_frame(struct reading *r, uint64_t at, struct raw_frame *f, uint64_t *back)
{
	uint32_t owner;

	if (python_heap_count(&r->heap, 0) ||
	    python_heap_count(&r->heap, python_frame_read(r->heap.memory, r->row, at, f, back)))
		return false;
	owner = (uint32_t)(f->at >> PYTHON_OWNER_SHIFT);
	return (owner >= 8 || !(r->row->strangers >> owner & 1)) &&
	       python_heap_kind(&r->heap, f->code) == PYTHON_CODE_OBJECT &&
	       !python_heap_count(&r->heap, python_frame_check(r->heap.memory, r->row, f));
}

/* An object of that kind among the local variables of a frame. */
static uint64_t local_of(struct reading *r, uint64_t frame, uint32_t count, enum python_kind kind)
{
	for (uint32_t i = 0; i < count && i < LOCALS_MOST; i++) {
		uint64_t local = python_heap_word(&r->heap, frame + r->layout->locals + i * 8);

		if (python_heap_kind(&r->heap, local) == kind)
			return local;
	}
	return 0;
}

/* The frame object that a greenlet keeps, in the same place as the one before if it is there. */
static uint64_t frame_among(struct reading *r, uint64_t at)
{
	uint64_t words[GREENLET_BYTES / 8];
	size_t i = r->frame_word;

	if (!at || at % 8 || python_heap_read(&r->heap, at, words, sizeof(words)))
		return 0;
	if (i && python_heap_kind(&r->heap, words[i]) == PYTHON_FRAME)
		return words[i];
	for (i = 2; i < GREENLET_BYTES / 8; i++) {
		if (python_heap_kind(&r->heap, words[i]) != PYTHON_FRAME)
			continue;
		r->frame_word = i;
		return words[i];
	}
	return 0;
}

/* From 3.12 on the interpreter's own frames lie on the stack of the thread.  What was there while
 * the greenlet ran is overwritten by now. */
static bool is_on_stack(const struct reading *r, uint64_t frame)
{
	return frame - (r->at->stack - C_STACK_BYTES) < 2 * C_STACK_BYTES;
}

/* Adds the frames of a greenlet that waits, as far as they can be read. */
static void chain_greenlet(struct reading *r, struct task_chain *c, uint64_t greenlet)
{
	struct raw_frame frames[STACK_FRAMES];
	uint64_t object = frame_among(r, python_heap_word(&r->heap, greenlet + GREENLET_INNER));
	uint64_t at;
	size_t n = 0;

	if (!object)
		object = frame_among(r, greenlet);
	at = object ? python_heap_word(&r->heap, object + FRAME_INNER_AT) : 0;
	while (at && at % 8 == 0 && n < STACK_FRAMES && !is_on_stack(r, at) &&
	       task_frame(r, at, &frames[n], &at))
		n++;
	while (n)
		chain_add(c, &frames[--n]);
}

/* --- chains ------------------------------------------------------------------------------------
 */

/* Does the coroutine await, or has it yielded by itself? */
static bool chain_awaits(struct reading *r, int8_t state, const struct raw_frame *f)
{
	uint8_t unit[4];

	if (r->layout->awaits != r->layout->yields)
		return state == r->layout->awaits;
	return !python_heap_read(&r->heap, f->at & PYTHON_ADDRESS, unit, sizeof(unit)) &&
	       (unit[3] & 3) >= AWAITS;
}

/* Adds the frame of a coroutine, and sets *next to what it awaits; 0: it yielded. */
static bool chain_coroutine(struct reading *r, struct task_chain *c, uint64_t coroutine,
			    uint64_t *next)
{
	uint64_t frame = coroutine + r->layout->frame, back, held;
	struct raw_frame f;
	enum role role;
	int32_t top;
	int8_t state;

	if (python_heap_read(&r->heap, coroutine + r->layout->state, &state, sizeof(state)) ||
	    (state != r->layout->awaits && state != r->layout->yields) ||
	    !task_frame(r, frame, &f, &back) ||
	    python_heap_read(&r->heap, frame + r->layout->stack_top, &top, sizeof(top)) ||
	    top < 0 || top > STACK_TOP_MOST)
		return false;
	chain_add(c, &f);
	chain_mix(c, coroutine);
	chain_mix(c, f.at);
	*next = 0;
	c->waits_for = 0;
	if (!top || !chain_awaits(r, state, &f))
		return true;
	*next = python_heap_word(&r->heap, frame + r->layout->locals + (uint64_t)(top - 1) * 8);
	role = role_of(r, f.code & PYTHON_ADDRESS);
	if (role == ROLE_GREENLET) {
		held = local_of(r, frame, (uint32_t)top, PYTHON_GREENLET);
		if (held)
			chain_greenlet(r, c, held);
	}
	if (role == ROLE_WAIT_FOR)
		c->waits_for = local_of(r, frame, (uint32_t)top, PYTHON_TASK);
	return true;
}

static uint64_t coroutine_of(struct reading *r, uint64_t task)
{
	return python_heap_word(&r->heap, task + r->layout->coroutine);
}

/* The task is told inside the one that awaits it. */
static void is_inner(struct reading *r, uint64_t task)
{
	if (r->out->inner_count < PYTHON_TASKS_MOST)
		r->out->inner[r->out->inner_count++] = task;
}

/* Goes from what a task awaits to what that awaits, to the end.  False: it makes no sense. */
static bool chain_walk(struct reading *r, struct task_chain *c, uint64_t object)
{
	for (int i = 0; i < HOPS_MOST; i++) {
		switch (python_heap_kind(&r->heap, object)) {
		case PYTHON_COROUTINE:
		case PYTHON_GENERATOR:
		case PYTHON_ASYNC_GENERATOR:
			if (!chain_coroutine(r, c, object, &object))
				return false;
			break;
		case PYTHON_AWAITABLE:
			object = python_heap_word(&r->heap, object + PYTHON_HELD_AT);
			break;
		case PYTHON_TASK:
			is_inner(r, object);
			object = coroutine_of(r, object);
			break;
		default: /* a future, or what another library awaits by itself */
			chain_mix(c, object);
			if (!c->waits_for)
				return c->count > 0 && !c->full;
			object = c->waits_for;
			c->waits_for = 0;
		}
	}
	return false; /* it goes round in circles, or has no end */
}

/* Copies the innermost frames. */
static void chain_tell(const struct task_chain *c, struct python_task *out)
{
	out->identity = c->identity;
	out->count = (uint32_t)(c->count < STACK_FRAMES ? c->count : STACK_FRAMES);
	out->flags = c->count > STACK_FRAMES ? EV_STACK_CUT : 0;
	for (uint32_t i = 0; i < out->count; i++)
		out->frame[i] = c->frame[c->count - 1 - i];
}

/* Tells one task, if it is suspended and makes sense. */
static void task_take(struct reading *r, uint64_t task)
{
	struct python_tasks *out = r->out;
	struct python_task *t = &out->task[out->count];
	struct task_chain chain = {};

	if (python_heap_kind(&r->heap, task) != PYTHON_TASK ||
	    !chain_walk(r, &chain, coroutine_of(r, task)))
		return;
	chain_tell(&chain, t);
	t->task = task;
	t->loop = python_heap_word(&r->heap, task + TASK_LOOP_AT);
	out->count++;
}

/* --- all of them -------------------------------------------------------------------------------
 */

static int by_task(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void drop_inner(struct python_tasks *t)
{
	size_t kept = 0;

	qsort(t->inner, t->inner_count, sizeof(t->inner[0]), by_task);
	for (size_t i = 0; i < t->count; i++)
		if (!bsearch(&t->task[i].task, t->inner, t->inner_count, sizeof(t->inner[0]),
			     by_task))
			t->task[kept++] = t->task[i];
	t->count = kept;
}

static bool on_reference(void *context, uint64_t reference)
{
	struct reading *r = context;
	struct python_tasks *out = r->out;

	if (out->found_count == PYTHON_TASKS_MOST)
		out->dropped++;
	else
		out->found[out->found_count++] = reference;
	return r->heap.reads > 0;
}

/* From the references to the tasks; the pages of each kind are read together. */
static void follow_references(struct reading *r)
{
	struct python_tasks *out = r->out;
	size_t kept = 0;

	memory_pages_ahead(r->heap.memory, out->found, out->found_count, REFERENCE_BYTES);
	for (size_t i = 0; i < out->found_count; i++)
		if (python_heap_kind(&r->heap, out->found[i]) == PYTHON_WEAK_REFERENCE)
			out->found[kept++] = python_heap_word(&r->heap,
							      out->found[i] + PYTHON_HELD_AT);
	out->found_count = kept;
}

/* The coroutines of the tasks are likely to be needed next. */
static void look_ahead(struct reading *r)
{
	struct python_tasks *out = r->out;

	memory_pages_ahead(r->heap.memory, out->found, out->found_count, TASK_BYTES);
	for (size_t i = 0; i < out->found_count; i++)
		out->inner[i] = coroutine_of(r, out->found[i]);
	memory_pages_ahead(r->heap.memory, out->inner, out->found_count, COROUTINE_BYTES);
}

int python_tasks_read(struct python_tasks *out, const struct memory *m,
		      const struct python_row *row, const struct python_code_layout *code,
		      const struct python_task_layout *layout, struct python_tasks_at *at)
{
	struct reading r = {.heap = {.memory = m, .reads = READS_MOST, .ascii = code->ascii},
			    .row = row,
			    .code = code,
			    .layout = layout,
			    .at = at,
			    .out = out};
	int err;

	out->count = out->inner_count = out->found_count = 0;
	out->dropped = 0;
	if (!layout->modules)
		return -ENOTSUP;
	if (python_heap_kind(&r.heap, at->set) != PYTHON_SET)
		at->set = set_find(&r);
	if (!at->set)
		return -ENOENT;
	err = python_heap_each(&r.heap, at->set, on_reference, &r);
	follow_references(&r);
	look_ahead(&r);
	for (size_t i = 0; i < out->found_count && r.heap.reads; i++)
		task_take(&r, out->found[i]);
	drop_inner(out);
	out->dropped += !r.heap.reads;
	return out->count || !r.heap.reads ? 0 : err;
}
