/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * native_worker.c - the process that unwinds and names native stacks.
 *
 * The worker reads hostile files with large libraries, so an attacker may take control of it.  Such
 * an attacker gains nothing: the worker can only read the files it is given, and answer (cage.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/capture/stack/native/demangle.h"
#include "user/capture/stack/native/module.h"
#include "user/capture/stack/native/native_wire.h"
#include "user/capture/stack/native/space.h"
#include "user/capture/stack/native/unwind.h"

#define REQUESTS    16 /* received at a time */
#define REQUEST_MAX sizeof(struct wire_stack)
#define SAMPLE_NEW  (EV_STACK_FRAMES + 64) /* frames that one sample can bring */

struct native_worker {
	int wire;
	struct guard guard;
	struct modules *modules;
	struct spaces *spaces;
	struct known *anonymous;       /* stands for code of which nothing is known */
	uint32_t reported, generation; /* ids of frames in use */
	size_t used;		       /* of out */
	uint8_t out[WIRE_PACKET_MAX] __attribute__((aligned(8)));
	uint8_t in[REQUESTS][(REQUEST_MAX + 7) & ~7UL] __attribute__((aligned(8)));
};

/* An answer while it is made. */
struct native_sample {
	struct native_worker *w;
	struct space *space;
	uint64_t id, start_ns, key;
	uint32_t pid, flags, count;
	struct stack_shape shape;
	uint32_t frame[EV_STACK_FRAMES];
};

/* Sends the packet.  The worker may wait for a slow parent, since the parent never waits for the
 * worker without a limit. */
static void flush(struct native_worker *w)
{
	if (w->used && send(w->wire, w->out, w->used, MSG_NOSIGNAL) < 0)
		_exit(0);
	w->used = 0;
}

/* Adds a message to the packet; all but its head is zero. */
static void *message(struct native_worker *w, enum wire_kind kind, size_t size)
{
	struct wire_head *head;

	size = (size + 7) & ~(size_t)7;
	if (size > WIRE_PACKET_MAX - w->used)
		flush(w);
	head = (struct wire_head *)(w->out + w->used);
	w->used += size;
	memset(head, 0, size);
	head->kind = kind;
	head->size = (uint32_t)size;
	return head;
}

static void tell_frame(struct native_worker *w, struct known *k)
{
	struct wire_frame *m = message(w, WIRE_FRAME, sizeof(*m) + k->text_size);

	m->id = k->id = ++w->reported;
	k->generation = w->generation;
	m->offset = k->frame.offset;
	m->line = k->frame.line;
	m->column = k->frame.column;
	m->language = (uint16_t)k->frame.language;
	m->flags = (uint16_t)k->frame.flags;
	m->text_size = k->text_size;
	memcpy(m->text, k->text, k->text_size);
}

static void sample_add(struct native_sample *s, struct known *k)
{
	if (!k)
		return;
	if (s->count == EV_STACK_FRAMES) {
		s->flags |= EV_STACK_CUT;
		return;
	}
	if (k->generation != s->w->generation)
		tell_frame(s->w, k);
	s->frame[s->count++] = k->id;
	s->key = (s->key ^ k->key) * 0x9e3779b97f4a7c15ULL;
	s->key ^= s->key >> 29;
}

static void sample_tell(struct native_sample *s)
{
	struct wire_answer *m = message(s->w, WIRE_ANSWER,
					sizeof(*m) + s->count * sizeof(*m->frame));

	m->id = s->id;
	m->key = s->key ? s->key : 1;
	m->flags = s->flags;
	m->count = s->count;
	m->shape = s->shape;
	memcpy(m->frame, s->frame, s->count * sizeof(*m->frame));
}

/* Returns the space of the sample's process.  A process that was gone before its maps were read has
 * the mappings of `parent`, which it was forked from.  To make room for the parent's space, the
 * process's own may be dropped, so it is looked up again. */
static struct space *space_of(struct native_sample *s, uint32_t parent, uint64_t parent_start_ns)
{
	struct space *own = spaces_get(s->w->spaces, s->pid, s->start_ns), *other;

	if (!own || !space_is_empty(own) || !parent)
		return own;
	other = spaces_get(s->w->spaces, parent, parent_start_ns);
	own = other ? spaces_get(s->w->spaces, s->pid, s->start_ns) : NULL;
	if (own)
		space_inherit(own, other);
	return own;
}

static void sample_start(struct native_sample *s, struct native_worker *w, uint32_t parent,
			 uint64_t parent_start_ns)
{
	s->w = w;
	s->space = space_of(s, parent, parent_start_ns);
	if (!s->space || space_is_empty(s->space))
		s->flags |= EV_STACK_NAMELESS;
	if (w->reported + SAMPLE_NEW <= WIRE_FRAMES_MAX)
		return;
	message(w, WIRE_RESET, sizeof(struct wire_head));
	w->reported = 0;
	w->generation++;
}

/* Names the code at the address of an instruction.  rule not NULL: also gets the unwind rule.
 * False: no code is there that a walk could go on from. */
static bool unwinder_visit(struct native_sample *s, uint64_t address,
			   const struct unwind_rule **rule)
{
	const struct mapping *m = space_find(s->w->spaces, s->space, address);
	struct space_files context = {s->space, m};
	struct debug_files files = space_files(&context);
	struct code_place *place = NULL;
	uint64_t offset;

	if (!m || m->kind == MAPPING_UPROBES)
		return false;
	offset = address - m->start + m->offset;
	if (m->kind == MAPPING_FILE)
		place = module_place(s->w->modules, m->module, offset);
	if (!place) {
		struct known *jit = space_jit(s->w->spaces, s->space, address);

		sample_add(s, jit ? jit : s->w->anonymous);
		return true;
	}
	if (!place->named)
		module_name(s->w->modules, m->module, offset, place, &files);
	if (rule && !place->ruled)
		module_rule(s->w->modules, m->module, offset, place, &files);
	for (size_t i = 0; i < place->count; i++)
		sample_add(s, place->frames[i]);
	if (rule)
		*rule = place->rule;
	return true;
}

/* Notes where a return address lay.  False: the shape of this stack cannot be described in full. */
static bool shape_add(struct stack_shape *shape, const struct unwind *u)
{
	uint64_t at = u->slot - u->raw->registers.sp;

	if (!u->slot || at % 8 || at / 8 >= STACK_BYTES / 8 || shape->count == STACK_SLOTS)
		return false;
	shape->slot[shape->count++] = (uint16_t)(at / 8);
	if (shape->bytes < at + 8)
		shape->bytes = (uint16_t)(at + 8);
	return true;
}

static void unwinder_walk(struct native_sample *s, const struct raw_stack *raw)
{
	enum unwind_result result = UNWIND_STEPPED;
	bool shaped = true;
	struct unwind u;

	unwind_start(&u, raw);
	for (size_t i = 0; i < EV_STACK_FRAMES && result == UNWIND_STEPPED; i++) {
		const struct unwind_rule *rule = NULL;

		if (unwinder_visit(s, u.reg[UNWIND_IP] - u.returned, &rule))
			result = rule ? unwind_step(&u, rule) : unwind_step_chain(&u);
		else
			result = UNWIND_CUT;
		if (result == UNWIND_STEPPED)
			shaped = shaped && shape_add(&s->shape, &u);
	}
	if (result != UNWIND_END)
		s->flags |= EV_STACK_CUT;
	if (!shaped)
		s->shape.count = 0;
}

static void answer_stack(struct native_worker *w, const struct wire_stack *m, size_t size)
{
	const struct raw_stack *raw = &m->raw;
	struct native_sample s = {.id = raw->id, .start_ns = raw->start_ns, .pid = raw->pid};

	if (size < offsetof(struct wire_stack, raw.bytes) || raw->length > STACK_BYTES ||
	    size < offsetof(struct wire_stack, raw.bytes) + raw->length)
		return;
	s.flags = raw->flags & ~(uint32_t)(RAW_STACK_RETURNED | RAW_STACK_PRESENT);
	sample_start(&s, w, raw->parent, raw->parent_start_ns);
	if (s.space)
		space_renew_for(w->spaces, s.space, raw->image);
	if (!(s.flags & EV_STACK_NAMELESS))
		unwinder_walk(&s, raw);
	sample_tell(&s);
}

static void answer_caller(struct native_worker *w, const struct wire_request *m)
{
	struct native_sample s = {.id = m->id, .start_ns = m->start_ns, .pid = m->pid};

	s.flags = EV_STACK_CALLER;
	sample_start(&s, w, 0, 0);
	if (!(s.flags & EV_STACK_NAMELESS))
		unwinder_visit(&s, m->address - 1, NULL);
	sample_tell(&s);
}

static void unwinder_answer(struct native_worker *w, const struct wire_head *head, size_t size)
{
	const struct wire_request *request = (const void *)head;
	struct space *s;

	if (size >= sizeof(*head) && head->kind == WIRE_STACK)
		answer_stack(w, (const void *)head, size);
	if (size >= sizeof(struct wire_guard) && head->kind == WIRE_GUARD)
		guard_learn(&w->guard, ((const struct wire_guard *)head)->file);
	if (size < sizeof(*request))
		return;
	if (head->kind == WIRE_CALLER)
		answer_caller(w, request);
	if (head->kind != WIRE_PROCESS)
		return;
	s = spaces_get(w->spaces, request->pid, request->start_ns);
	if (s)
		space_renew(w->spaces, s);
}

static void loop(struct native_worker *w)
{
	struct iovec vec[REQUESTS];
	struct mmsghdr messages[REQUESTS] = {0};

	for (size_t i = 0; i < REQUESTS; i++) {
		vec[i] = (struct iovec){w->in[i], sizeof(w->in[i])};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &vec[i], .msg_iovlen = 1};
	}
	for (;;) {
		int n = recvmmsg(w->wire, messages, REQUESTS, MSG_WAITFORONE, NULL);

		if (n < 0 && errno == EINTR)
			continue;
		for (int i = 0; i < n; i++) {
			if (!messages[i].msg_len)
				n = 0; /* closed */
			else
				unwinder_answer(w, (const void *)w->in[i], messages[i].msg_len);
		}
		flush(w);
		if (n <= 0)
			return;
	}
}

/* Runs before the worker loses its rights.  The user's DEBUGINFOD_URLS must not reach libdw, and
 * libstdc++ can be loaded only while there are paths. */
static void prepare(void)
{
	unsetenv("DEBUGINFOD_URLS");
	demangle_prepare();
}

static void unwinder_run(int wire, int asking, void *shared)
{
	static const struct frame anonymous = {.module = "[anonymous]"};
	struct native_worker *w = calloc(1, sizeof(*w));

	if (!w)
		_exit(1);
	w->wire = wire;
	guard_share(&w->guard, shared);
	if (modules_open(&w->modules, &w->guard) || spaces_open(&w->spaces, w->modules, asking))
		_exit(1);
	w->anonymous = known_make(&anonymous);
	w->generation = 1;
	loop(w);
}

const struct nursery_role native_role = {"dbleak-native", prepare, unwinder_run};
