/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * reader.c - routes samples to readers, and their answers to stack.c.
 *
 * A worker process names copied stacks, so their answers come later.  Another reads the objects of
 * interpreted stacks, and is waited for, while these objects still exist.
 */
#include "user/capture/stack/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/table.h"
#include "user/capture/kernel/kernel_stack.h"
#include "user/capture/worker/looking.h"
#include "user/capture/stack/native/native.h"
#include "user/capture/stack/node.h"
#include "user/capture/stack/objects.h"
#include "user/capture/stack/python.h"
#include "user/capture/stack/runtime.h"
#include "user/capture/stack/source_line.h"
#include "user/capture/stack/stack.h"

#define REPORTED_MOST (1 << 17) /* sites, and processes */
/* Low bits of the ids made here for callers.  In the ids of the kernel half they hold the CPU's
 * number, which is never so high. */
#define SITE_SAMPLE 0xfffe
struct readers {
	struct kernel *kernel;
	struct readers_host host;
	struct stacks *stacks;
	struct native *native;
	struct objects *objects;
	struct nodes *nodes;
	struct pythons *pythons;
	const struct runtimes *runtimes; /* NULL: not known yet */
	struct table refused;		 /* processes whose EV_GAP was reported: frames not read */
	struct table sites;		 /* sites that have a place; the value has no meaning */
	uint64_t asked;
	struct texts texts;
	int err; /* of an answer that could not be kept; 0 none */
};

static void reader_forget(void *context, uint64_t sample)
{
	struct readers *r = context;

	kernel_stack_forget(r->kernel, sample);
}

static void reader_tell(void *context, struct ev_head *record)
{
	struct readers *r = context;

	r->host.tell(r->host.context, record);
}

int readers_open(struct readers **out, struct kernel *kernel, struct nursery *nursery,
		 const struct readers_host *host)
{
	struct readers *r = calloc(1, sizeof(*r));
	const struct stacks_host reported = {
		.context = r, .tell = reader_tell, .forget = reader_forget};
	int err;

	*out = NULL;
	if (!r)
		return -ENOMEM;
	r->kernel = kernel;
	r->host = *host;
	err = stacks_open(&r->stacks, &reported);
	if (!err)
		err = native_open(&r->native, nursery);
	if (!err)
		err = objects_open(&r->objects, nursery);
	if (!err)
		err = nodes_open(&r->nodes, r->objects);
	if (!err)
		err = pythons_open(&r->pythons, r->objects);
	if (err) {
		readers_close(r);
		return err;
	}
	*out = r;
	return 0;
}

void readers_close(struct readers *r)
{
	if (!r)
		return;
	native_close(r->native);
	nodes_close(r->nodes);
	pythons_close(r->pythons);
	objects_close(r->objects);
	table_free(&r->refused);
	stacks_close(r->stacks);
	table_free(&r->sites);
	free(r);
}

void readers_runtimes(struct readers *r, const struct runtimes *runtimes)
{
	r->runtimes = runtimes;
}

int readers_fd(const struct readers *r)
{
	return native_fd(r->native);
}

static void on_answer(void *context, const struct native_answer *answer)
{
	const struct stack_owner owner = {.start_ns = answer->start_ns, .pid = answer->pid};
	struct readers *r = context;
	int err = stacks_named(r->stacks, answer->id, &owner, answer->frames, answer->count,
			       answer->flags);

	if (err)
		r->err = err;
	/* A stack without names may have some the next time, so the kernel half must copy it
	 * again. */
	if (!answer->count)
		kernel_stack_forget(r->kernel, answer->id);
	else if (answer->shape_key && answer->shape)
		kernel_stack_shape(r->kernel, answer->shape_key, answer->shape);
}

int readers_step(struct readers *r)
{
	int n = native_step(r->native, on_answer, r);

	return r->err ? r->err : n < 0 ? n : 0;
}

void readers_finish(struct readers *r, int timeout_ms)
{
	native_flush(r->native, timeout_ms, on_answer, r);
}

/* Gives a lost stack no frames, so that evidence does not wait for it. */
static void unnamed(struct readers *r, uint64_t id, uint32_t pid, uint64_t start_ns)
{
	const struct stack_owner owner = {.start_ns = start_ns, .pid = pid};

	stacks_named(r->stacks, id, &owner, NULL, 0, 0);
}

static int read_python(struct readers *r, const struct raw_stack *raw, struct frame *frames,
		       uint32_t *flags)
{
	const struct python_build *build = r->runtimes ? runtimes_python(r->runtimes, raw->row)
						       : NULL;

	return build ? python_read(r->pythons, build, raw, frames, flags) : -ENOENT;
}

/* Names the frames of an interpreter, or of Node's JavaScript in a copied stack, at once and from
 * the memory of the process. */
static int read_frames(struct readers *r, const struct raw_stack *raw, struct frame *frames,
		       uint32_t *flags)
{
	r->texts.used = 0;
	switch (raw->runtime) {
	case RUNTIME_PYTHON:
		return read_python(r, raw, frames, flags);
	case RUNTIME_PERL:
	case RUNTIME_PHP:
		return objects_stack(r->objects, raw, NULL, &r->texts, frames, flags);
	case RUNTIME_NATIVE:
		return nodes_read(r->nodes, raw, &r->texts, frames, flags);
	}
	return -ENOTSUP;
}

/* Empties a table that processes fill as they come and go for days.  Its entries only save repeated
 * reports, and a repeated report does no harm. */
static void bound(struct table *t)
{
	if (t->count >= REPORTED_MOST)
		table_free(t);
}

/* Reports once for each process why its frames cannot be read. */
static void tell_gap(struct readers *r, uint32_t pid, uint64_t start_ns, struct ev_gap *gap)
{
	struct table_key key = {pid, start_ns};

	if (table_get(&r->refused, key))
		return;
	bound(&r->refused);
	if (table_put(&r->refused, key, r))
		return;
	gap->head = (struct ev_head){.kind = EV_GAP, .size = sizeof(*gap)};
	gap->start_ns = start_ns;
	gap->pid = pid;
	reader_tell(r, &gap->head);
}

/* ... if its interpreter is not one that is read. */
static void tell_refusal(struct readers *r, const struct raw_stack *raw)
{
	struct ev_gap gap = {};

	if (r->runtimes && runtimes_gap(r->runtimes, raw->pid, gap.text, sizeof(gap.text)))
		tell_gap(r, raw->pid, raw->start_ns, &gap);
}

/* ... if its objects are not read any more. */
static void tell_objects(struct readers *r, uint32_t pid, uint64_t start_ns)
{
	struct ev_gap gap = {};

	if (objects_gap(r->objects, pid, start_ns, gap.text, sizeof(gap.text)))
		tell_gap(r, pid, start_ns, &gap);
}

/* Names an interpreted stack.  False: a copied stack without interpreted frames. */
static bool interpreted(struct readers *r, const struct raw_stack *raw)
{
	const struct stack_owner owner = {.start_ns = raw->start_ns, .pid = raw->pid};
	struct frame frames[STACK_FRAMES];
	uint32_t flags = 0;
	int n, err;

	looking_at(raw->pid, "the memory");
	n = read_frames(r, raw, frames, &flags);
	if (n > 0 && (raw->flags & RAW_STACK_PRESENT))
		source_line_mark(raw->pid, frames, (size_t)n);
	looking_over();
	if (n < 0 || flags & EV_STACK_NAMELESS)
		tell_objects(r, raw->pid, raw->start_ns);
	if (n == -EBUSY && raw->runtime == RUNTIME_NATIVE) {
		unnamed(r, raw->id, raw->pid, raw->start_ns);
		return true;
	}
	if (n <= 0 && raw->runtime == RUNTIME_NATIVE)
		return false;
	/* A stack that could not be named may be named the next time, so it must not count as
	 * known. */
	if (n <= 0)
		kernel_stack_forget(r->kernel, raw->id);
	err = stacks_named(
		r->stacks, raw->id, &owner, frames, n > 0 ? n : 0,
		flags & ~(uint32_t)(RAW_STACK_RETURNED | RAW_STACK_PRESENT | RAW_STACK_TASK));
	if (err)
		r->err = err;
	return true;
}

/* An answer about a process, or the lack of one, which is reported where it stays so. */
static int answered(struct readers *r, const struct python_process *process, int result)
{
	if (result == -EIO || result == -EDQUOT)
		tell_objects(r, process->pid, process->start_ns);
	return result;
}

int readers_threads(struct readers *r, const struct python_build *build,
		    const struct python_process *process, uint64_t runtime,
		    struct python_thread *out, size_t most)
{
	return answered(r, process,
			objects_threads(r->objects, &build->row, process, runtime, out, most));
}

int readers_thread_frames(struct readers *r, const struct python_build *build,
			  const struct python_process *process, uint64_t runtime,
			  const uint64_t *frames, size_t n, struct python_frames *out)
{
	return answered(
		r, process,
		objects_thread_frames(r->objects, &build->row, process, runtime, frames, n, out));
}

int readers_tasks(struct readers *r, const struct python_build *build,
		  const struct python_process *process, struct python_tasks_at *at,
		  uint32_t *dropped, python_task_fn *fn, void *context)
{
	return answered(r, process,
			objects_tasks(r->objects, build, process, at, dropped, fn, context));
}

void readers_process(struct readers *r, uint32_t pid, uint64_t start_ns)
{
	objects_prepare(r->objects);
	native_process(r->native, pid, start_ns);
}

void readers_stack(struct readers *r, const struct ev_head *record)
{
	const struct raw_stack *raw = (const void *)record;

	if (interpreted(r, raw))
		return;
	tell_refusal(r, raw);
	if (native_stack(r->native, raw))
		unnamed(r, raw->id, raw->pid, raw->start_ns);
}

void readers_evidence(struct readers *r, const struct ev_head *record)
{
	const struct ev_evidence *evidence = (const void *)record;
	int err;

	err = stacks_evidence(r->stacks, evidence);
	if (err)
		r->err = err;
}

/* Asks for the name of the address that a library's call returns to, as a sample of its own. */
static void ask_caller(struct readers *r, const struct ev_site *site, struct ev_evidence *evidence)
{
	evidence->stack = ++r->asked << 16 | SITE_SAMPLE;
	readers_evidence(r, &evidence->head);
	if (native_caller(r->native, evidence->stack, site->pid, site->start_ns, site->caller))
		unnamed(r, evidence->stack, site->pid, site->start_ns);
}

void readers_site(struct readers *r, const struct ev_site *site, uint64_t stack, bool is_caller)
{
	struct ev_evidence evidence = {.object = site->site,
				       .start_ns = site->start_ns,
				       .stack = stack,
				       .at_ns = site->last_ns,
				       .pid = site->pid,
				       .kind = EV_AT_SITE};
	struct table_key key = {site->site, site->start_ns};
	bool known = table_get(&r->sites, key);

	bound(&r->sites);
	if (!known && table_put(&r->sites, key, r))
		return;
	evidence.head.size = sizeof(evidence);
	if (stack && (!known || site->acquired > site->released))
		readers_evidence(r, &evidence.head);
	else if (!known && is_caller && site->caller)
		ask_caller(r, site, &evidence);
}

int readers_reported(struct readers *r, uint64_t sample, uint64_t *stack)
{
	return stacks_reported(r->stacks, sample, stack);
}

uint64_t readers_lost(const struct readers *r)
{
	return stacks_lost(r->stacks) + native_counts(r->native).lost + objects_unread(r->objects);
}
