/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * code.c - see code.h.
 */
#include "code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Some 60 MB at the very most; a program has a few hundred places that touch a database. */
#define FRAMES_MOST  (128 << 10)
#define STACKS_MOST  (64 << 10)
#define DEPTHS_MOST  (2 << 20)
#define WAITING_MOST 4096

void code_free(struct code *c)
{
	table_free(&c->frames);
	table_free(&c->stacks);
	table_free(&c->waiting);
	free(c->ring);
}

/* The next of the texts that stand one after the other. */
static const char *text_next(struct arena *arena, const char **at, uint16_t length)
{
	const char *text = length ? arena_copy(arena, *at, length) : NULL;

	*at += length;
	return text;
}

int code_frame_add(struct code *c, struct arena *arena, const struct ev_frame *ev)
{
	struct table_key key = {ev->id, 0};
	const char *at = ev->text;
	struct code_frame *f;

	if (!ev->id || table_get(&c->frames, key))
		return 0; /* a place is what it is, however often it is told */
	if (c->frames.count >= FRAMES_MOST) {
		c->refused++;
		return 0;
	}
	f = arena_alloc(arena, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->offset = ev->offset;
	f->line = ev->line;
	f->column = ev->column;
	f->language = ev->language;
	f->flags = ev->flags;
	f->function = text_next(arena, &at, ev->function_length);
	f->file = text_next(arena, &at, ev->file_length);
	f->module = text_next(arena, &at, ev->module_length);
	f->build_id = text_next(arena, &at, ev->build_length);
	return table_put(&c->frames, key, f);
}

int code_stack_add(struct code *c, struct arena *arena, const struct ev_stack *ev)
{
	struct table_key key = {ev->id, 0};
	struct code_stack *s;

	if (!ev->id || table_get(&c->stacks, key))
		return 0;
	if (c->stacks.count >= STACKS_MOST || c->depths + ev->count > DEPTHS_MOST) {
		c->refused++;
		return 0;
	}
	s = arena_alloc(arena, sizeof(*s) + ev->count * sizeof(s->frame[0]));
	if (!s)
		return -ENOMEM;
	s->flags = ev->flags;
	s->count = ev->count;
	memcpy(s->frame, ev->frame, ev->count * sizeof(s->frame[0]));
	c->depths += ev->count;
	return table_put(&c->stacks, key, s);
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
				  (uint64_t)ev->pid << 32 | (uint32_t)ev->kind << 16 | ev->resource};
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
