/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * objects.c - see objects.h.
 */
#include "user/capture/stack/objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/stack/objects_state.h"
#include "user/capture/stack/v8.h"

#define ERRNO_MOST 4095

/* A question on its way. */
struct asking {
	struct parser_question q;
	struct objects *o;
	int result; /* what the reader in the worker returned */
};

int objects_open(struct objects **out, struct nursery *nursery)
{
	static const struct parser_limits limits = {.read_bytes = READ_MOST,
						    .read_ms = READ_MS,
						    .whole_ms = WHOLE_MS,
						    .own_part = OWN_PART,
						    .all_part = ALL_PART};
	struct objects *o = calloc(1, sizeof(*o));
	int err = o ? parser_open(&o->parser, nursery, NURSERY_OBJECT, &limits) : -ENOMEM;

	if (err) {
		objects_close(o);
		o = NULL;
	}
	*out = o;
	return err;
}

void objects_close(struct objects *o)
{
	if (!o)
		return;
	parser_close(o->parser);
	free(o);
}

void objects_prepare(struct objects *o)
{
	parser_prepare(o->parser);
}

bool objects_gap(struct objects *o, uint32_t pid, uint64_t start_ns, char *text, size_t size)
{
	static const char *const reasons[PARSER_REFUSALS] = {
		[PARSER_REFUSES_PROCESS] = "objects of its interpreter kill or hang whoever reads "
					   "them: its lines are missing",
		[PARSER_REFUSES_ALL] = "the reader of objects of interpreters died or hung too "
				       "often: lines are missing",
	};

	return parser_gap(o->parser, pid, start_ns, reasons, text, size);
}

static struct asking asking_of(struct objects *o, const struct python_process *process,
			       const struct msghdr *message, parser_take_fn *take)
{
	return (struct asking){.q = {.pid = process->pid,
				     .start_ns = process->start_ns,
				     .message = message,
				     .take = take},
			       .o = o};
}

/* As parser_ask, for frames.  Counts what has no answer: the caller may have named other frames of
 * that stack and goes on. */
static int object_ask_frames(struct asking *a)
{
	int err = parser_ask(a->o->parser, &a->q);

	a->o->unread += err == -EBUSY || err == -EIO || err == -EDQUOT;
	return err;
}

uint64_t objects_unread(const struct objects *o)
{
	return o->unread;
}

/* --- answers --------------------------------------------------------------------------------- */

/* Lines and columns beyond those that a file can have are not known. */
static uint32_t object_number(uint32_t number)
{
	return number <= INT32_MAX ? number : 0;
}

/* The answer about code objects, with the one that is being taken in. */
struct asking_python {
	struct asking a;
	size_t count;
	bool told[STACK_FRAMES];
	python_told_fn *fn;
	void *context;
	struct object_code code;
	uint32_t spans; /* of its spans, those that have come; the code is whole with all */
	bool open;	/* the code is not whole */
};

static int code_tell(struct asking_python *p)
{
	const struct objects *o = p->a.o;
	const struct python_told told = {
		.function = o->text[0],
		.file = o->text[1],
		.spans = o->spans,
		.span_count = p->spans,
		.first_line = object_number(p->code.first_line),
	};

	p->open = p->spans < p->code.span_count;
	if (!p->open)
		p->fn(p->context, p->code.head.count, &told);
	return 0;
}

static void take_spans(struct asking_python *p, const void *from, size_t n)
{
	struct python_span *to = p->a.o->spans + p->spans;

	memcpy(to, from, n * sizeof(*to));
	for (size_t i = 0; i < n; i++)
		to[i].line = object_number(to[i].line);
	p->spans += (uint32_t)n;
}

/* Takes a text with its NUL.  False: it is none. */
static bool take_object_text(char *to, const uint8_t *from, size_t size)
{
	if (!size || size > PYTHON_TEXT_MOST + 1 || strnlen((const char *)from, size) != size - 1)
		return false;
	memcpy(to, from, size);
	return true;
}

static int take_code(struct asking_python *p, const struct parser_head *m)
{
	struct objects *o = p->a.o;
	struct object_code *c = &p->code;
	const uint8_t *at = (const uint8_t *)m + sizeof(*c);
	size_t n;

	if (m->size < sizeof(*c) || p->open || m->count >= p->count || p->told[m->count])
		return -EPROTO;
	memcpy(c, m, sizeof(*c));
	n = c->span_count < OBJECT_SPANS ? c->span_count : OBJECT_SPANS;
	if (c->span_count > PYTHON_SPANS_MOST || c->function_size > PYTHON_TEXT_MOST + 1 ||
	    c->file_size > PYTHON_TEXT_MOST + 1 ||
	    n * sizeof(o->spans[0]) + c->function_size + c->file_size > m->size - sizeof(*c))
		return -EPROTO;
	p->told[m->count] = true;
	p->spans = 0;
	take_spans(p, at, n);
	at += n * sizeof(o->spans[0]);
	if (!take_object_text(o->text[0], at, c->function_size) ||
	    !take_object_text(o->text[1], at + c->function_size, c->file_size))
		return -EPROTO;
	return code_tell(p);
}

static int take_more(struct asking_python *p, const struct parser_head *m)
{
	if (!p->open || m->count > p->code.span_count - p->spans ||
	    m->count * sizeof(struct python_span) > m->size - sizeof(*m))
		return -EPROTO;
	take_spans(p, m + 1, m->count);
	return code_tell(p);
}

static int take_python(struct parser_question *q, const struct parser_head *m)
{
	struct asking_python *p = (struct asking_python *)q;

	switch (m->kind) {
	case OBJECT_CODE:
		return take_code(p, m);
	case OBJECT_SPANS_MORE:
		return take_more(p, m);
	case OBJECT_END:
		p->a.result = m->result;
		return p->open || m->result > 0 || m->result < -ERRNO_MOST ? -EPROTO : 1;
	default:
		return -EPROTO;
	}
}

int objects_python(struct objects *o, const struct python_code_layout *layout,
		   const struct python_process *process, const struct python_wanted *wanted,
		   size_t n, python_told_fn *fn, void *context)
{
	struct asking_python p = {.count = n, .fn = fn, .context = context};
	struct object_python q = {.process = *process, .layout = *layout};
	struct iovec vec = {&q, offsetof(struct object_python, wanted[n])};
	const struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};
	int err;

	if (n > STACK_FRAMES)
		return -EINVAL;
	q.head = (struct parser_head){OBJECT_PYTHON, (uint32_t)vec.iov_len, 0, (uint32_t)n};
	memcpy(q.wanted, wanted, n * sizeof(*wanted));
	p.a = asking_of(o, process, &message, take_python);
	err = object_ask_frames(&p.a);
	return err ? err : p.a.result;
}

/* The answer about tasks. */
struct asking_tasks {
	struct asking a;
	size_t count;
	struct python_tasks_at *at;
	uint32_t *dropped;
	python_task_fn *fn;
	void *context;
};

static int take_task(struct asking_tasks *t, const struct parser_head *head)
{
	const struct object_task *m = (const void *)head;
	const size_t least = offsetof(struct object_task, task.frame);

	if (head->size < least || t->count++ >= PYTHON_TASKS_MOST || !m->task.count ||
	    m->task.count > STACK_FRAMES || m->task.flags & ~(uint32_t)EV_STACK_CUT ||
	    head->size - least < m->task.count * sizeof(m->task.frame[0]))
		return -EPROTO;
	t->fn(t->context, &m->task);
	return 0;
}

static int take_tasks(struct parser_question *q, const struct parser_head *head)
{
	struct asking_tasks *t = (struct asking_tasks *)q;
	const struct object_tasks_end *m = (const void *)head;

	if (head->kind == OBJECT_TASK)
		return take_task(t, head);
	if (head->kind != OBJECT_TASKS_END || head->size < sizeof(*m) || head->result > 0 ||
	    head->result < -ERRNO_MOST)
		return -EPROTO;
	t->a.result = head->result;
	t->at->set = m->set;
	*t->dropped = head->count;
	return 1;
}

int objects_tasks(struct objects *o, const struct python_build *build,
		  const struct python_process *process, struct python_tasks_at *at,
		  uint32_t *dropped, python_task_fn *fn, void *context)
{
	struct asking_tasks t = {.at = at, .dropped = dropped, .fn = fn, .context = context};
	struct object_tasks q = {.head = {OBJECT_TASKS, sizeof(q), 0, 0},
				 .process = *process,
				 .row = build->row,
				 .code = build->code,
				 .layout = build->task,
				 .at = *at};
	struct iovec vec = {&q, sizeof(q)};
	const struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};
	int err;

	*dropped = 0;
	t.a = asking_of(o, process, &message, take_tasks);
	err = parser_ask(o->parser, &t.a.q);
	return err ? err : t.a.result;
}

/* The answer about the threads of a process. */
struct asking_threads {
	struct asking a;
	struct python_thread *out;
	size_t most;
};

static int take_threads(struct parser_question *q, const struct parser_head *head)
{
	struct asking_threads *t = (struct asking_threads *)q;
	const struct object_threads_end *m = (const void *)head;

	if (head->kind != OBJECT_THREADS_END || head->count > t->most ||
	    head->result < -ERRNO_MOST ||
	    head->count != (uint32_t)(head->result > 0 ? head->result : 0) ||
	    head->size < offsetof(struct object_threads_end, thread[head->count]))
		return -EPROTO;
	memcpy(t->out, m->thread, head->count * sizeof(t->out[0]));
	t->a.result = head->result;
	return 1;
}

int objects_threads(struct objects *o, const struct python_row *row,
		    const struct python_process *process, uint64_t runtime,
		    struct python_thread *out, size_t most)
{
	struct asking_threads t = {.out = out, .most = most};
	struct object_threads q = {.head = {OBJECT_THREADS, sizeof(q), 0, 0},
				   .process = *process,
				   .row = *row,
				   .runtime = runtime};
	struct iovec vec = {&q, sizeof(q)};
	const struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};
	int err;

	q.head.count = (uint32_t)(most < PYTHON_THREADS_MOST ? most : PYTHON_THREADS_MOST);
	t.a = asking_of(o, process, &message, take_threads);
	err = parser_ask(o->parser, &t.a.q);
	return err ? err : t.a.result;
}

/* The answer about the frames of threads. */
struct asking_thread_frames {
	struct asking a;
	struct python_frames *out;
	size_t count;
};

static bool are_python_frames(const struct python_frames *f)
{
	return f->result <= 0 && f->result >= -ERRNO_MOST && f->count <= STACK_FRAMES &&
	       !f->count == !!f->result && !(f->flags & ~(uint32_t)EV_STACK_CUT);
}

static int take_thread_frames(struct parser_question *q, const struct parser_head *head)
{
	struct asking_thread_frames *t = (struct asking_thread_frames *)q;
	const struct object_thread_end *m = (const void *)head;

	if (head->kind != OBJECT_THREAD_END || head->count != t->count ||
	    head->size < offsetof(struct object_thread_end, of[head->count]))
		return -EPROTO;
	memcpy(t->out, m->of, head->count * sizeof(t->out[0]));
	for (uint32_t i = 0; i < head->count; i++)
		if (!are_python_frames(&t->out[i]))
			return -EPROTO;
	return 1;
}

int objects_thread_frames(struct objects *o, const struct python_row *row,
			  const struct python_process *process, uint64_t runtime,
			  const uint64_t *frames, size_t n, struct python_frames *out)
{
	struct asking_thread_frames t = {.out = out, .count = n};
	struct object_threads q = {.process = *process, .row = *row, .runtime = runtime};
	struct iovec vec = {&q, offsetof(struct object_threads, frame[n])};
	const struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};

	if (n > PYTHON_FRAMES_MOST)
		return -EINVAL;
	q.head = (struct parser_head){OBJECT_THREAD_FRAMES, (uint32_t)vec.iov_len, 0, (uint32_t)n};
	memcpy(q.frame, frames, n * sizeof(*frames));
	t.a = asking_of(o, process, &message, take_thread_frames);
	return parser_ask(o->parser, &t.a.q);
}

/* The answer about a stack. */
struct asking_stack {
	struct asking a;
	enum ev_language language;
	struct texts *t;
	struct frame *frames;
	uint32_t *flags;
};

/* False: it is in no text. */
static bool take_place(const struct texts *t, uint32_t at, const char **text)
{
	*text = at == OBJECT_NO_TEXT ? NULL : t->bytes + at;
	return at == OBJECT_NO_TEXT || at < t->used;
}

static int take_frame(struct asking_stack *s, const struct object_frame *m, struct frame *f)
{
	*f = (struct frame){
		.line = object_number(m->line),
		.column = object_number(m->column),
		.language = s->language,
		.flags = m->flags & (EV_FRAME_DEFINED | EV_FRAME_INLINED),
	};
	return m->language == s->language && take_place(s->t, m->function, &f->function) &&
			       take_place(s->t, m->file, &f->file)
		       ? 0
		       : -EPROTO;
}

static int take_frames(struct parser_question *q, const struct parser_head *head)
{
	struct asking_stack *s = (struct asking_stack *)q;
	const struct object_frames *m = (const void *)head;
	const char *text = (const char *)(m + 1);
	int err = 0;

	if (head->kind != OBJECT_FRAMES || head->size < sizeof(*m) || head->count > STACK_FRAMES ||
	    head->result < -ERRNO_MOST ||
	    head->count != (uint32_t)(head->result > 0 ? head->result : 0) ||
	    m->text_size > sizeof(s->t->bytes) || m->text_size > head->size - sizeof(*m) ||
	    (m->text_size && text[m->text_size - 1]))
		return -EPROTO;
	memcpy(s->t->bytes, text, m->text_size);
	s->t->used = m->text_size;
	for (uint32_t i = 0; i < head->count && !err; i++)
		err = take_frame(s, &m->frame[i], &s->frames[i]);
	*s->flags |= m->flags & EV_STACK_CUT;
	s->a.result = head->result;
	return err ? err : 1;
}

static size_t object_raw_size(const struct raw_stack *raw)
{
	return offsetof(struct raw_stack, bytes) +
	       (raw->runtime == RUNTIME_NATIVE ? raw->length : raw->count * sizeof(raw->frame[0]));
}

int objects_stack(struct objects *o, const struct raw_stack *raw, const struct v8 *v8,
		  struct texts *t, struct frame *frames, uint32_t *flags)
{
	static const enum ev_language languages[] = {[RUNTIME_NATIVE] = EV_LANG_JAVASCRIPT,
						     [RUNTIME_PERL] = EV_LANG_PERL,
						     [RUNTIME_PHP] = EV_LANG_PHP};
	const struct python_process process = {raw->start_ns, raw->pid};
	struct asking_stack s = {.t = t, .frames = frames, .flags = flags};
	struct parser_head head = {.kind = OBJECT_STACK};
	uint64_t packed[V8_PACKED_MOST / 8 + 1];
	struct iovec vec[3] = {
		{&head, sizeof(head)}, {packed, 0}, {(void *)raw, object_raw_size(raw)}};
	const struct msghdr message = {.msg_iov = vec, .msg_iovlen = 3};
	int err;

	*flags = raw->flags;
	t->used = 0;
	if (raw->runtime > RUNTIME_PHP || raw->count > STACK_FRAMES || raw->length > STACK_BYTES)
		return -EINVAL;
	s.a = asking_of(o, &process, &message, take_frames);
	s.language = languages[raw->runtime];
	head.count = v8 ? (uint32_t)v8_pack(v8, packed) : 0;
	vec[1].iov_len = (head.count + 7) & ~7U;
	head.size = (uint32_t)(sizeof(head) + vec[1].iov_len + vec[2].iov_len);
	err = object_ask_frames(&s.a);
	return err ? err : s.a.result;
}
