/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * object_worker.c - the worker process that reads objects of interpreters: the readers of each
 * interpreter behind a socket.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/capture/host/memory_pages.h"
#include "user/capture/host/parser_worker.h"
#include "user/capture/stack/object_wire.h"
#include "user/capture/stack/perl.h"
#include "user/capture/stack/php.h"
#include "user/capture/stack/v8.h"

#define ROUND(n) (((n) + 7) & ~(size_t)7)

/* One worker is one process. */
static struct {
	struct python_objects *python;
	struct python_tasks *tasks;
	struct memory_pages *pages;
	struct texts texts;
	union {
		struct python_thread threads[PYTHON_THREADS_MOST];
		struct raw_stack stack;
	} out;
	union {
		struct parser_head head;
		struct object_python python;
		struct object_tasks tasks;
		struct object_threads threads;
		uint8_t bytes[PARSER_PACKET_MAX];
	} in; /* the question */
} worker;

/* Sends the spans of a code object from `sent` on. */
static void tell_spans(const struct python_told *told, size_t sent)
{
	for (size_t n; sent < told->span_count; sent += n) {
		struct parser_head *m;

		n = told->span_count - sent < OBJECT_SPANS ? told->span_count - sent : OBJECT_SPANS;
		m = parser_worker_add(OBJECT_SPANS_MORE, sizeof(*m) + n * sizeof(*told->spans));
		m->count = (uint32_t)n;
		memcpy(m + 1, told->spans + sent, n * sizeof(*told->spans));
	}
}

static void tell_code(void *context, size_t i, const struct python_told *told)
{
	size_t n = told->span_count < OBJECT_SPANS ? told->span_count : OBJECT_SPANS;
	size_t function = strlen(told->function) + 1, file = strlen(told->file) + 1;
	size_t spans = n * sizeof(*told->spans);
	struct object_code *m = parser_worker_add(OBJECT_CODE,
						  sizeof(*m) + spans + function + file);
	uint8_t *at = (uint8_t *)(m + 1);

	(void)context;
	m->head.count = (uint32_t)i;
	m->first_line = told->first_line;
	m->span_count = (uint32_t)told->span_count;
	m->function_size = (uint32_t)function;
	m->file_size = (uint32_t)file;
	memcpy(at, told->spans, spans);
	memcpy(at + spans, told->function, function);
	memcpy(at + spans + function, told->file, file);
	tell_spans(told, n);
}

static void answer_python(const struct object_python *q)
{
	struct parser_head *m;
	int err = 0;

	if (q->head.count > STACK_FRAMES)
		_exit(1);
	if (!worker.python)
		err = python_objects_open(&worker.python);
	if (!err)
		err = python_objects_read(worker.python, &q->layout, &q->process, q->wanted,
					  q->head.count, tell_code, NULL);
	m = parser_worker_add(OBJECT_END, sizeof(*m));
	m->result = err;
	parser_worker_flush();
}

/* Begins a look that follows many pointers.  0 or -ENOMEM. */
static int look_at_pages(uint32_t pid, struct memory *m)
{
	int err = worker.pages ? 0 : memory_pages_open(&worker.pages);

	if (!err)
		*m = memory_pages_look(worker.pages, pid);
	return err;
}

static void tell_task(const struct python_task *t)
{
	size_t size = offsetof(struct python_task, frame[t->count]);
	struct object_task *m = parser_worker_add(OBJECT_TASK, sizeof(m->head) + size);

	memcpy(&m->task, t, size);
}

static void answer_tasks(const struct object_tasks *q)
{
	struct python_tasks_at at = q->at;
	struct object_tasks_end *end;
	struct memory m;
	int err = 0;

	if (!worker.tasks)
		worker.tasks = calloc(1, sizeof(*worker.tasks));
	if (!worker.tasks)
		err = -ENOMEM;
	if (!err)
		err = look_at_pages(q->process.pid, &m);
	if (!err)
		err = python_tasks_read(worker.tasks, &m, &q->row, &q->code, &q->layout, &at);
	for (size_t i = 0; !err && i < worker.tasks->count; i++)
		tell_task(&worker.tasks->task[i]);
	end = parser_worker_add(OBJECT_TASKS_END, sizeof(*end));
	end->head.result = err;
	end->head.count = worker.tasks ? worker.tasks->dropped : 0;
	end->set = at.set;
	parser_worker_flush();
}

static void answer_threads(const struct object_threads *q)
{
	struct object_threads_end *end;
	size_t most = q->head.count, count;
	struct memory m;
	int n;

	if (most > PYTHON_THREADS_MOST)
		_exit(1);
	n = look_at_pages(q->process.pid, &m);
	if (!n)
		n = python_threads(&m, &q->row, q->runtime, worker.out.threads, most);
	count = n > 0 ? (size_t)n : 0;
	end = parser_worker_add(OBJECT_THREADS_END,
				offsetof(struct object_threads_end, thread[count]));
	end->head.result = n;
	end->head.count = (uint32_t)count;
	memcpy(end->thread, worker.out.threads, count * sizeof(end->thread[0]));
	parser_worker_flush();
}

static void read_frames_of(const struct memory *m, const struct object_threads *q, uint64_t frame,
			   struct python_frames *out)
{
	struct raw_stack *s = &worker.out.stack;

	s->count = s->flags = 0;
	memset(out, 0, sizeof(*out));
	out->result = python_thread_frames(m, &q->row, q->runtime, frame, s);
	if (out->result)
		return;
	out->count = s->count;
	out->flags = s->flags;
	memcpy(out->frame, s->frame, s->count * sizeof(out->frame[0]));
}

static void answer_thread_frames(const struct object_threads *q)
{
	static struct python_frames of[PYTHON_FRAMES_MOST];
	struct object_thread_end *end;
	size_t n = q->head.count;
	struct memory m;

	if (look_at_pages(q->process.pid, &m))
		_exit(1);
	memory_pages_ahead(&m, q->frame, n, q->row.frame_bytes);
	for (size_t i = 0; i < n; i++)
		read_frames_of(&m, q, q->frame[i], &of[i]);
	end = parser_worker_add(OBJECT_THREAD_END, offsetof(struct object_thread_end, of[n]));
	end->head.count = (uint32_t)n;
	memcpy(end->of, of, n * sizeof(of[0]));
	parser_worker_flush();
}

static uint32_t text_place(const char *text)
{
	return text ? (uint32_t)(text - worker.texts.bytes) : OBJECT_NO_TEXT;
}

static void tell_frames(const struct frame *frames, int n, uint32_t flags)
{
	size_t size = n > 0 ? worker.texts.used : 0;
	struct object_frames *m = parser_worker_add(OBJECT_FRAMES, sizeof(*m) + size);

	m->head.result = n;
	m->head.count = n > 0 ? (uint32_t)n : 0;
	m->flags = flags;
	m->text_size = (uint32_t)size;
	for (int i = 0; i < n; i++)
		/* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage) n frames are filled in */
		m->frame[i] = (struct object_frame){
			.function = text_place(frames[i].function),
			.file = text_place(frames[i].file),
			.line = frames[i].line,
			.column = frames[i].column,
			.language = frames[i].language,
			.flags = frames[i].flags,
		};
	memcpy(m + 1, worker.texts.bytes, size);
	parser_worker_flush();
}

static int read_v8(const struct parser_head *q, const struct memory *m, const struct raw_stack *raw,
		   struct frame *frames, uint32_t *flags)
{
	struct v8 *v8;
	int n = v8_unpack(&v8, q + 1, q->count);

	if (n)
		return n;
	n = v8_read(v8, m, raw, raw->registers.bp, &worker.texts, frames, flags);
	v8_close(v8);
	return n;
}

static void answer_stack(const struct parser_head *q, size_t size)
{
	size_t skip = sizeof(*q) + ROUND(q->count);
	const struct raw_stack *raw = (const void *)((const uint8_t *)q + skip);
	struct frame frames[STACK_FRAMES];
	struct memory m;
	uint32_t flags = 0;
	int n = -EINVAL;

	if (size < skip + offsetof(struct raw_stack, bytes))
		_exit(1);
	m = memory_for_look(raw->pid, 0);
	worker.texts.used = 0;
	if (raw->runtime == RUNTIME_PERL)
		n = perl_read(&m, raw, &worker.texts, frames, &flags);
	else if (raw->runtime == RUNTIME_PHP)
		n = php_read(&m, raw, &worker.texts, frames, &flags);
	else if (raw->runtime == RUNTIME_NATIVE)
		n = read_v8(q, &m, raw, frames, &flags);
	tell_frames(frames, n, flags);
}

/* A malformed question would be a bug in objects.c, so the worker may exit. */
static void object_run(int wire, int asking, void *shared)
{
	const struct parser_head *q = &worker.in.head;
	ssize_t got;

	(void)asking;
	(void)shared;
	parser_worker_begin(wire);
	while ((got = parser_worker_receive(&worker.in, sizeof(worker.in))) >=
	       (ssize_t)sizeof(*q)) {
		if (q->kind == OBJECT_PYTHON)
			answer_python(&worker.in.python);
		else if (q->kind == OBJECT_TASKS && got == (ssize_t)sizeof(worker.in.tasks))
			answer_tasks(&worker.in.tasks);
		else if (q->kind == OBJECT_THREADS && got == (ssize_t)sizeof(worker.in.threads))
			answer_threads(&worker.in.threads);
		else if (q->kind == OBJECT_THREAD_FRAMES && q->count <= PYTHON_FRAMES_MOST &&
			 got == (ssize_t)offsetof(struct object_threads, frame[q->count]))
			answer_thread_frames(&worker.in.threads);
		else if (q->kind == OBJECT_STACK)
			answer_stack(q, (size_t)got);
		else
			return;
	}
}

const struct nursery_role object_role = {"dbleak-object", NULL, object_run};
