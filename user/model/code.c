/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * code.c - see code.h.
 */
#include "user/model/code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Bounds of about 60 MB in all; a program has a few hundred places that touch a database. */
#define FRAMES_MOST  (128 << 10)
#define STACKS_MOST  (64 << 10)
#define DEPTHS_MOST  (2 << 20)
#define WAITING_MOST 4096
#define AGAIN_AFTER  8192 /* records of places before room is made again, if little was found */

void code_free(struct code *c)
{
	table_free_values(&c->frames);
	table_free_values(&c->stacks);
	table_free(&c->waiting);
	free(c->ring);
}

/* Copies the next of several adjoining texts to *to, and moves both pointers on.  NULL: it is
 * empty. */
static const char *text_next(char **to, const char **at, uint16_t length)
{
	char *text = *to;

	memcpy(text, *at, length);
	*at += length;
	*to += length ? length + 1 : 0;
	return length ? text : NULL;
}

static struct code_frame *frame_make(const struct ev_frame *ev)
{
	size_t length = (size_t)ev->function_length + ev->file_length + ev->module_length +
			ev->build_length;
	struct code_frame *f = calloc(1, sizeof(*f) + length + 4);
	const char *at = ev->text;
	char *to;

	if (!f)
		return NULL;
	to = f->text;
	f->offset = ev->offset;
	f->line = ev->line;
	f->column = ev->column;
	f->language = ev->language;
	f->flags = ev->flags;
	f->function = text_next(&to, &at, ev->function_length);
	f->file = text_next(&to, &at, ev->file_length);
	f->module = text_next(&to, &at, ev->module_length);
	f->build_id = text_next(&to, &at, ev->build_length);
	return f;
}

/* Puts a value into a table.  0, or -ENOMEM, and then the value is freed. */
static int code_put(struct table *t, uint64_t id, void *value)
{
	int err = value ? table_put(t, (struct table_key){id, 0}, value) : -ENOMEM;

	if (err)
		free(value);
	return err;
}

int code_frame_add(struct code *c, const struct ev_frame *ev)
{
	struct code_frame *f = table_get(&c->frames, (struct table_key){ev->id, 0});

	c->reported++;
	if (f)
		f->reported = c->reported;
	if (!ev->id || f)
		return 0; /* a place never changes, however often it is reported */
	if (c->frames.count >= FRAMES_MOST) {
		c->refused++;
		return 0;
	}
	f = frame_make(ev);
	if (f)
		f->reported = c->reported;
	return code_put(&c->frames, ev->id, f);
}

int code_stack_add(struct code *c, const struct ev_stack *ev)
{
	struct code_stack *s = table_get(&c->stacks, (struct table_key){ev->id, 0});
	int err;

	c->reported++;
	if (s)
		s->reported = c->reported;
	if (!ev->id || s)
		return 0;
	if (c->stacks.count >= STACKS_MOST || c->depths + ev->count > DEPTHS_MOST) {
		c->refused++;
		return 0;
	}
	s = calloc(1, sizeof(*s) + ev->count * sizeof(s->frame[0]));
	if (!s)
		return -ENOMEM;
	s->reported = c->reported;
	s->flags = ev->flags;
	s->count = ev->count;
	memcpy(s->frame, ev->frame, ev->count * sizeof(s->frame[0]));
	err = code_put(&c->stacks, ev->id, s);
	c->depths += err ? 0 : ev->count;
	return err;
}

bool code_is_full(struct code *c)
{
	bool full = c->frames.count >= FRAMES_MOST || c->stacks.count >= STACKS_MOST ||
		    c->depths + EV_STACK_FRAMES > DEPTHS_MOST;

	if (!full || c->reported < c->again)
		return false;
	c->again = c->reported + AGAIN_AFTER;
	return true;
}

static bool is_recent(const struct code *c, uint64_t reported)
{
	return c->reported - reported <= CODE_RECENT;
}

void code_use(struct code *c, uint64_t stack)
{
	struct code_stack *s = stack ? table_get(&c->stacks, (struct table_key){stack, 0}) : NULL;

	if (s)
		s->used = true;
}

/* Evidence that waits for its object refers to a stack, too. */
static void use_waiting(struct code *c)
{
	struct table_slot *slot;

	for (size_t at = 0; (slot = table_next(&c->waiting, &at));)
		code_use(c, ((const struct ev_evidence *)slot->value)->stack);
}

static void use_frames(struct code *c, const struct code_stack *s)
{
	for (uint32_t i = 0; i < s->count; i++) {
		struct code_frame *f = table_get(&c->frames, (struct table_key){s->frame[i], 0});

		if (f)
			f->used = true;
	}
}

static void drop_stacks(struct code *c)
{
	struct table_walk walk = table_walk(&c->stacks);
	struct table_slot *slot;

	c->depths = 0;
	while ((slot = table_walk_next(&walk))) {
		struct code_stack *s = slot->value;

		if (!s->used && !is_recent(c, s->reported)) {
			free(table_walk_remove(&walk));
			continue;
		}
		s->used = false;
		c->depths += s->count;
		use_frames(c, s);
	}
}

static void drop_frames(struct code *c)
{
	struct table_walk walk = table_walk(&c->frames);
	struct table_slot *slot;

	while ((slot = table_walk_next(&walk))) {
		struct code_frame *f = slot->value;

		if (!f->used && !is_recent(c, f->reported))
			free(table_walk_remove(&walk));
		else
			f->used = false;
	}
}

void code_drop_unused(struct code *c)
{
	use_waiting(c);
	drop_stacks(c);
	drop_frames(c);
}

const struct code_frame *code_frame(const struct code *c, uint64_t id)
{
	return table_get(&c->frames, (struct table_key){id, 0});
}

const struct code_stack *code_stack(const struct code *c, uint64_t id)
{
	return id ? table_get(&c->stacks, (struct table_key){id, 0}) : NULL;
}

static struct table_key waiting_key(const struct ev_evidence *ev)
{
	return (struct table_key){ev->object ^ ev->second * 0x9e3779b97f4a7c15ULL,
				  (uint64_t)ev->pid << 32 | (uint32_t)ev->kind << 16 |
					  ev->resource};
}

static bool same_object(const struct ev_evidence *a, const struct ev_evidence *b)
{
	return a->object == b->object && a->second == b->second && a->start_ns == b->start_ns;
}

static struct ev_evidence *ring_slot(struct code *c)
{
	struct ev_evidence *slot = &c->ring[c->ring_next++ % WAITING_MOST];

	if (slot->kind && table_get(&c->waiting, waiting_key(slot)) == slot)
		table_remove(&c->waiting, waiting_key(slot));
	return slot;
}

int code_wait(struct code *c, const struct ev_evidence *ev)
{
	struct ev_evidence *slot;

	if (!c->ring)
		c->ring = calloc(WAITING_MOST, sizeof(*c->ring));
	if (!c->ring)
		return -ENOMEM;
	slot = table_get(&c->waiting, waiting_key(ev));
	if (!slot && !ev->stack)
		return 0; /* nothing to keep, and nothing to replace */
	if (!slot)
		slot = ring_slot(c);
	*slot = *ev;
	return table_put(&c->waiting, waiting_key(ev), slot);
}

const struct ev_evidence *code_take(struct code *c, const struct ev_evidence *like)
{
	const struct ev_evidence *ev;

	if (!c->waiting.count)
		return NULL;
	ev = table_get(&c->waiting, waiting_key(like));
	if (!ev || !same_object(ev, like))
		return NULL;
	table_remove(&c->waiting, waiting_key(like));
	return ev;
}
