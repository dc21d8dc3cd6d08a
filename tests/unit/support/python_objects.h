/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python_objects.h - objects of CPython 3.11 to 3.13, laid out in our own memory.
 */
#ifndef PYTHON_OBJECTS_H
#define PYTHON_OBJECTS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/capture/stack/python_heap.h"

#define ADDRESS(p) ((uint64_t)(uintptr_t)(p))
#define TEXT_ASCII 40 /* where the characters of a string begin */

struct type_object {
	uint64_t head[3];
	const char *name;
	uint64_t basic_size;
	uint8_t before[216];
	const struct type_object *base;
};

_Static_assert(offsetof(struct type_object, base) == 256, "tp_base");

struct plain_object {
	uint64_t count;
	const struct type_object *type;
	const void *held; /* by weak references, modules, awaitables */
	uint64_t more[2];
};

struct text_object {
	uint64_t count;
	const struct type_object *type;
	uint64_t length, hash, state;
	char text[88];
};

struct dict_keys {
	uint64_t references;
	uint8_t log2_size, log2_bytes, kind, padding[5];
	uint64_t usable, entries;
	uint8_t index[8];
	const void *entry[3 * 64];
};

struct dict_object {
	uint64_t count;
	const struct type_object *type;
	uint64_t used, version;
	struct dict_keys *keys;
	uint64_t values;
	struct dict_keys its;
};

struct set_entry {
	const void *key;
	uint64_t hash;
};

struct set_object {
	uint64_t count;
	const struct type_object *type;
	uint64_t fill, used, mask;
	const struct set_entry *table;
};

static const struct type_object type_str = {.name = "str"}, type_dict = {.name = "dict"},
				type_set = {.name = "set"}, type_code = {.name = "code"},
				type_module = {.name = "module"},
				type_reference = {.name = "weakref.ReferenceType"},
				type_other = {.name = "SimpleNamespace"};

static inline void text_set(struct text_object *t, const char *text)
{
	memset(t, 0, sizeof(*t));
	t->type = &type_str;
	t->length = strlen(text);
	memcpy((char *)t + TEXT_ASCII, text, t->length);
}

/* Adds a key; general: to a dictionary whose entries have hashes, as one with other keys has. */
static inline void dict_put(struct dict_object *d, const void *key, const void *value, bool general)
{
	struct dict_keys *k = &d->its;
	const void **entry = k->entry + k->entries++ * (general ? 3 : 2);

	d->type = &type_dict;
	d->keys = k;
	k->log2_size = k->log2_bytes = 3;
	k->kind = !general;
	if (general)
		*entry++ = (const void *)0x4711;
	entry[0] = key;
	entry[1] = value;
}

static inline struct python_heap heap_of(const struct memory *m, uint32_t reads)
{
	return (struct python_heap){.memory = m, .reads = reads, .ascii = TEXT_ASCII};
}

#endif
