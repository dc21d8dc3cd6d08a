/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * objects.c - see objects.h.
 *
 * dbleak waits for each answer, because the objects may be gone soon.  So a worker that is silent
 * costs time, and few of those are allowed.
 */
#include "user/capture/stack/objects.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/capture/stack/objects_state.h"
#include "user/capture/stack/v8.h"
#include "user/system/clock.h"
#include "user/system/debug.h"

#define MS_NS	   1000000ULL
#define ERRNO_MOST 4095

/* A question on its way. */
struct asking {
	struct objects *o;
	uint32_t pid;
	uint64_t bytes, requests; /* of memory, so far */
	uint64_t begun_ns;
	uint64_t served_ns; /* spent on reading memory, which is not the worker's fault */
	/* Takes a message of the answer.  1: it was the last one; 0; -EPROTO: it is nonsense. */
	int (*take)(struct asking *a, const struct object_head *m);
	int result; /* what the reader in the worker returned */
};

int objects_open(struct objects **out, struct nursery *nursery)
{
	struct objects *o = calloc(1, sizeof(*o));

	*out = o;
	if (!o)
		return -ENOMEM;
	o->nursery = nursery;
	o->worker = (struct nursling){-1, -1, 0, 0};
	return 0;
}

static void object_stop(struct objects *o)
{
	struct nursery_end end;

	if (o->worker.wire >= 0)
		nursery_stop(o->nursery, &o->worker, 0, &end);
	o->heard = false;
}

void objects_close(struct objects *o)
{
	if (!o)
		return;
	object_stop(o);
	table_free_values(&o->owners);
	free(o);
}

/* --- shares ---------------------------------------------------------------------------------- */

/* Brings a share up to date, which gets one part of the time.  False: it is used up. */
static bool credit_left(struct credit *c, uint64_t now, uint64_t part, int64_t most)
{
	c->left_ns += c->at_ns ? (int64_t)((now - c->at_ns) / part) : most;
	if (c->left_ns > most)
		c->left_ns = most;
	c->at_ns = now;
	return c->left_ns > 0;
}

/* May another worker fail? */
static bool failures_left(struct objects *o, uint64_t now)
{
	credit_left(&o->failures, now, 1, WORKERS_MOST * WORKER_NS);
	return o->failures.left_ns >= WORKER_NS;
}

/* The entry of a process.  NULL: no memory. */
static struct object_owner *owner_of(struct objects *o, uint32_t pid, uint64_t start_ns)
{
	struct table_key key = {start_ns, pid};
	struct object_owner *owner = table_get(&o->owners, key);

	if (owner)
		return owner;
	if (o->owners.count >= OWNERS_MOST)
		table_free_values(&o->owners);
	owner = calloc(1, sizeof(*owner));
	if (owner && table_put(&o->owners, key, owner)) {
		free(owner);
		owner = NULL;
	}
	return owner;
}

/* May objects of this process be read now?  0 or -errno. */
static int object_allow(struct objects *o, struct object_owner *owner, uint64_t now)
{
	bool all = credit_left(&o->all, now, ALL_PART, ALL_MOST_NS);

	if (!owner)
		return -ENOMEM;
	if (owner->strikes >= STRIKES || !failures_left(o, now))
		return -EDQUOT;
	return credit_left(&owner->credit, now, OWN_PART, OWN_MOST_NS) && all ? 0 : -EBUSY;
}

bool objects_gap(struct objects *o, uint32_t pid, uint64_t start_ns, char *text, size_t size)
{
	const struct object_owner *owner = table_get(&o->owners, (struct table_key){start_ns, pid});

	if (owner && owner->strikes >= STRIKES)
		snprintf(text, size,
			 "objects of its interpreter kill or hang whoever reads them: its lines "
			 "are missing");
	else if (!failures_left(o, clock_monotonic_ns()))
		snprintf(text, size,
			 "the reader of objects of interpreters died or hung too often: lines are "
			 "missing");
	else
		return false;
	return true;
}

/* --- the worker ------------------------------------------------------------------------------ */

/* Replaces the worker with the next question. */
static void object_fail(struct objects *o)
{
	object_stop(o);
	o->failures.left_ns -= WORKER_NS;
}

/* A worker has something to say only when asked, unless it is gone. */
static bool is_well(const struct objects *o)
{
	struct pollfd wait = {o->worker.wire, POLLIN, 0};

	return !poll(&wait, 1, 0);
}

/* Starts a worker if there is none.  0 or -errno. */
static int object_start(struct objects *o)
{
	struct nursery_end end;
	int err;

	if (o->worker.wire >= 0 && is_well(o))
		return 0;
	if (o->worker.wire >= 0)
		object_fail(o);
	err = nursery_start(o->nursery, NURSERY_OBJECT, &o->worker);
	if (!err)
		return 0;
	nursery_stop(o->nursery, &o->worker, 0, &end);
	object_fail(o);
	return -EIO;
}

void objects_prepare(struct objects *o)
{
	if (o->worker.wire < 0 && failures_left(o, clock_monotonic_ns()))
		object_start(o);
}

/* Reads memory for a question, unless that has read too much.  Returns bytes or -errno. */
static ssize_t object_read(struct asking *a, const struct memory_piece *piece, size_t n)
{
	uint64_t begun = clock_monotonic_ns();
	ssize_t got;

	if (a->bytes > READ_MOST || begun - a->begun_ns > READ_MS * MS_NS)
		return -EDQUOT;
	got = memory_pieces(a->pid, piece, n, a->o->out.bytes);
	a->served_ns += clock_monotonic_ns() - begun;
	return got;
}

/* Gives the worker memory of the process. */
static int object_serve(struct asking *a, const struct object_head *m)
{
	struct object_head head = {.kind = OBJECT_BYTES};
	struct iovec vec[2] = {{&head, sizeof(head)}, {a->o->out.bytes, 0}};
	struct msghdr message = {.msg_iov = vec, .msg_iovlen = 2};
	struct memory_piece piece[MEMORY_PIECES];
	uint64_t size = 0;
	ssize_t got;

	if (m->count > MEMORY_PIECES || m->size < sizeof(*m) + m->count * sizeof(piece[0]) ||
	    ++a->requests > REQUESTS_MOST)
		return -EPROTO;
	memcpy(piece, m + 1, m->count * sizeof(piece[0]));
	for (uint32_t i = 0; i < m->count; i++) {
		if (piece[i].size > FETCH_BYTES)
			return -EPROTO;
		size += piece[i].size;
	}
	if (size > FETCH_BYTES)
		return -EPROTO;
	a->bytes += size;
	got = object_read(a, piece, m->count);
	head.result = got < 0 ? (int32_t)got : 0;
	vec[1].iov_len = got > 0 ? (size_t)got : 0;
	head.size = (uint32_t)(sizeof(head) + vec[1].iov_len);
	return sendmsg(a->o->worker.wire, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -EPIPE : 0;
}

/* Takes in the messages of one packet.  1: the answer is whole; 0: more is to come; or -errno. */
static int object_take(struct asking *a, size_t size)
{
	const uint8_t *in = a->o->in.bytes;
	int done = 0;

	for (size_t at = 0; at < size;) {
		const struct object_head *m = (const void *)(in + at);

		if (done || size - at < sizeof(*m) || m->size < sizeof(*m) || m->size % 8 ||
		    m->size > size - at)
			return -EPROTO;
		done = m->kind == OBJECT_PIECES ? object_serve(a, m) : a->take(a, m);
		if (done < 0)
			return done;
		at += m->size;
	}
	return done;
}

/* Waits for a packet and takes it in, as object_take. */
static int object_hear(struct asking *a)
{
	struct objects *o = a->o;
	struct pollfd wait = {o->worker.wire, POLLIN, 0};
	int silence = o->heard ? SILENT_MS : FIRST_MS;
	ssize_t got;

	if (o->heard && clock_monotonic_ns() - a->begun_ns > WHOLE_MS * MS_NS + a->served_ns)
		return -ETIME;
	got = recv(o->worker.wire, o->in.bytes, sizeof(o->in), MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN) {
		/* Two halves: after a stop of the whole machine the worker has its turn, too. */
		if (!poll(&wait, 1, silence / 2) && !poll(&wait, 1, silence / 2))
			return -ETIME;
		got = recv(o->worker.wire, o->in.bytes, sizeof(o->in), MSG_DONTWAIT);
	}
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0)
		return -EPIPE;
	if (!o->heard) /* what the start of a worker takes is nobody's share */
		a->begun_ns = clock_monotonic_ns();
	o->heard = true;
	return object_take(a, (size_t)got);
}

/* Asks one question.  0: the answer is whole; or -errno. */
static int object_exchange(struct asking *a, const struct msghdr *question)
{
	int done = 0;

	if (sendmsg(a->o->worker.wire, question, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		done = -EPIPE;
	while (!done)
		done = object_hear(a);
	return done > 0 ? 0 : done;
}

/* Asks within the shares of the process and of all.  0, or -errno of objects.h. */
static int object_ask(struct asking *a, uint64_t start_ns, const struct msghdr *question)
{
	struct objects *o = a->o;
	struct object_owner *owner = owner_of(o, a->pid, start_ns);
	int64_t spent;
	int err;

	err = object_allow(o, owner, clock_monotonic_ns());
	if (!err)
		err = object_start(o);
	if (err)
		return err;
	a->begun_ns = clock_monotonic_ns();
	err = object_exchange(a, question);
	spent = (int64_t)(clock_monotonic_ns() - a->begun_ns);
	owner->credit.left_ns -= spent;
	o->all.left_ns -= spent;
	if (!err) {
		owner->strikes = 0;
		return 0;
	}
	debug(DEBUG_WORKER, "objects of process %u: the worker failed: %s", a->pid, strerror(-err));
	owner->strikes++;
	object_fail(o);
	return -EIO;
}

/* As object_ask, for frames.  Counts what has no answer: the caller may have named other frames of
 * that stack and goes on. */
static int object_ask_frames(struct asking *a, uint64_t start_ns, const struct msghdr *question)
{
	int err = object_ask(a, start_ns, question);

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

static int take_code(struct asking_python *p, const struct object_head *m)
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

static int take_more(struct asking_python *p, const struct object_head *m)
{
	if (!p->open || m->count > p->code.span_count - p->spans ||
	    m->count * sizeof(struct python_span) > m->size - sizeof(*m))
		return -EPROTO;
	take_spans(p, m + 1, m->count);
	return code_tell(p);
}

static int take_python(struct asking *a, const struct object_head *m)
{
	struct asking_python *p = (struct asking_python *)a;

	switch (m->kind) {
	case OBJECT_CODE:
		return take_code(p, m);
	case OBJECT_SPANS_MORE:
		return take_more(p, m);
	case OBJECT_END:
		a->result = m->result;
		return p->open || m->result > 0 || m->result < -ERRNO_MOST ? -EPROTO : 1;
	default:
		return -EPROTO;
	}
}

int objects_python(struct objects *o, const struct python_code_layout *layout,
		   const struct python_process *process, const struct python_wanted *wanted,
		   size_t n, python_told_fn *fn, void *context)
{
	struct asking_python p = {.a = {.o = o, .pid = process->pid, .take = take_python},
				  .count = n,
				  .fn = fn,
				  .context = context};
	struct object_python q = {.process = *process, .layout = *layout};
	struct iovec vec = {&q, offsetof(struct object_python, wanted[n])};
	const struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};
	int err;

	if (n > STACK_FRAMES)
		return -EINVAL;
	q.head = (struct object_head){OBJECT_PYTHON, (uint32_t)vec.iov_len, 0, (uint32_t)n};
	memcpy(q.wanted, wanted, n * sizeof(*wanted));
	err = object_ask_frames(&p.a, process->start_ns, &message);
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

static int take_task(struct asking_tasks *t, const struct object_head *head)
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

static int take_tasks(struct asking *a, const struct object_head *head)
{
	struct asking_tasks *t = (struct asking_tasks *)a;
	const struct object_tasks_end *m = (const void *)head;

	if (head->kind == OBJECT_TASK)
		return take_task(t, head);
	if (head->kind != OBJECT_TASKS_END || head->size < sizeof(*m) || head->result > 0 ||
	    head->result < -ERRNO_MOST)
		return -EPROTO;
	a->result = head->result;
	t->at->set = m->set;
	*t->dropped = head->count;
	return 1;
}

int objects_tasks(struct objects *o, const struct python_build *build,
		  const struct python_process *process, struct python_tasks_at *at,
		  uint32_t *dropped, python_task_fn *fn, void *context)
{
	struct asking_tasks t = {.a = {.o = o, .pid = process->pid, .take = take_tasks},
				 .at = at,
				 .dropped = dropped,
				 .fn = fn,
				 .context = context};
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
	err = object_ask(&t.a, process->start_ns, &message);
	return err ? err : t.a.result;
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

static int take_frames(struct asking *a, const struct object_head *head)
{
	struct asking_stack *s = (struct asking_stack *)a;
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
	a->result = head->result;
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
	struct asking_stack s = {.a = {.o = o, .pid = raw->pid, .take = take_frames},
				 .t = t,
				 .frames = frames,
				 .flags = flags};
	struct object_head head = {.kind = OBJECT_STACK};
	uint64_t packed[V8_PACKED_MOST / 8 + 1];
	struct iovec vec[3] = {
		{&head, sizeof(head)}, {packed, 0}, {(void *)raw, object_raw_size(raw)}};
	const struct msghdr message = {.msg_iov = vec, .msg_iovlen = 3};
	int err;

	*flags = raw->flags;
	t->used = 0;
	if (raw->runtime > RUNTIME_PHP || raw->count > STACK_FRAMES || raw->length > STACK_BYTES)
		return -EINVAL;
	s.a.take = take_frames;
	s.language = languages[raw->runtime];
	head.count = v8 ? (uint32_t)v8_pack(v8, packed) : 0;
	vec[1].iov_len = (head.count + 7) & ~7U;
	head.size = (uint32_t)(sizeof(head) + vec[1].iov_len + vec[2].iov_len);
	err = object_ask_frames(&s.a, raw->start_ns, &message);
	return err ? err : s.a.result;
}
