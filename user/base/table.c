/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * table.c - open addressing with linear probing and backward-shift deletion; a bump arena.
 */
#include "user/base/table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t hash(struct table_key key)
{
	uint64_t h = key.a * 0x9e3779b97f4a7c15ULL ^
		     (key.b + 0x7f4a7c15ULL) * 0xd6e8feb86659fd93ULL;

	return h ^ h >> 32;
}

static size_t table_find_slot(const struct table *t, struct table_key key)
{
	size_t i = hash(key) & (t->size - 1);

	while (t->slots[i].value && (t->slots[i].key.a != key.a || t->slots[i].key.b != key.b))
		i = (i + 1) & (t->size - 1);
	return i;
}

void table_free(struct table *t)
{
	free(t->slots);
	memset(t, 0, sizeof(*t));
}

void *table_get(const struct table *t, struct table_key key)
{
	return t->size ? t->slots[table_find_slot(t, key)].value : NULL;
}

static int table_grow(struct table *t)
{
	struct table bigger = {.size = t->size ? 2 * t->size : 64, .count = t->count};

	bigger.slots = calloc(bigger.size, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < t->size; i++)
		if (t->slots[i].value)
			bigger.slots[table_find_slot(&bigger, t->slots[i].key)] = t->slots[i];
	free(t->slots);
	*t = bigger;
	return 0;
}

int table_put(struct table *t, struct table_key key, void *value)
{
	size_t i;

	if (4 * (t->count + 1) > 3 * t->size && table_grow(t))
		return -ENOMEM;
	i = table_find_slot(t, key);
	t->count += !t->slots[i].value;
	t->slots[i] = (struct table_slot){key, value};
	return 0;
}

void *table_value(struct table *t, struct table_key key, size_t size, size_t most)
{
	void *value = table_get(t, key);

	if (value)
		return value;
	if (t->count >= most)
		table_free_values(t);
	value = calloc(1, size);
	if (value && table_put(t, key, value)) {
		free(value);
		value = NULL;
	}
	return value;
}

void *table_remove(struct table *t, struct table_key key)
{
	size_t i, j, mask = t->size - 1;
	void *value;

	if (!t->size)
		return NULL;
	i = table_find_slot(t, key);
	value = t->slots[i].value;
	if (!value)
		return NULL;
	t->count--;
	/* Close the gap, so that no probe sequence is cut. */
	for (j = (i + 1) & mask; t->slots[j].value; j = (j + 1) & mask) {
		size_t home = hash(t->slots[j].key) & mask;

		if (((j - home) & mask) >= ((j - i) & mask)) {
			t->slots[i] = t->slots[j];
			i = j;
		}
	}
	t->slots[i].value = NULL;
	return value;
}

struct table_slot *table_next(const struct table *t, size_t *at)
{
	while (*at < t->size) {
		struct table_slot *slot = &t->slots[(*at)++];

		if (slot->value)
			return slot;
	}
	return NULL;
}

/* A quarter of the slots or more is free. */
struct table_walk table_walk(struct table *t)
{
	struct table_walk w = {.table = t};

	while (w.start < t->size && t->slots[w.start++].value)
		;
	return w;
}

static struct table_slot *walk_slot(const struct table_walk *w)
{
	return &w->table->slots[(w->start + w->passed) & (w->table->size - 1)];
}

struct table_slot *table_walk_next(struct table_walk *w)
{
	while (w->passed < w->table->size) {
		struct table_slot *slot = walk_slot(w);

		w->passed++;
		if (slot->value)
			return slot;
	}
	return NULL;
}

void *table_walk_remove(struct table_walk *w)
{
	w->passed--; /* the entry that moves here comes next */
	return table_remove(w->table, walk_slot(w)->key);
}

void table_free_values(struct table *t)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(t, &at)))
		free(slot->value);
	table_free(t);
}

#define BLOCK (64 << 10)

struct table_block {
	struct table_block *next;
	size_t used, size;
	_Alignas(max_align_t) unsigned char bytes[];
};

struct arena {
	struct table_block *blocks;
};

struct arena *arena_open(void)
{
	return calloc(1, sizeof(struct arena));
}

void arena_close(struct arena *a)
{
	if (!a)
		return;
	for (struct table_block *b = a->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(a);
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct table_block *b = a->blocks;
	void *at;

	size = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
	if (!b || b->size - b->used < size) {
		size_t room = size > BLOCK ? size : BLOCK;

		b = calloc(1, sizeof(*b) + room);
		if (!b)
			return NULL;
		b->size = room;
		b->next = a->blocks;
		a->blocks = b;
	}
	at = b->bytes + b->used;
	b->used += size;
	return at;
}

char *arena_copy(struct arena *a, const char *text, size_t length)
{
	char *copy = arena_alloc(a, length + 1);

	if (copy)
		memcpy(copy, text, length);
	return copy;
}

char *arena_string(struct arena *a, const char *s)
{
	return s ? arena_copy(a, s, strlen(s)) : NULL;
}

char *arena_format(struct arena *a, const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	text = n < 0 ? NULL : arena_alloc(a, n + 1);
	if (!text)
		return NULL;
	va_start(args, format);
	vsnprintf(text, n + 1, format, args);
	va_end(args);
	return text;
}
