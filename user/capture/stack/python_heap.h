/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python_heap.h - which kinds of objects lie in the memory of a Python process, and what its
 * dictionaries and sets hold.  For CPython 3.11 to 3.13.
 *
 * A worker without rights does this.  Each object counts as what its type's name says.  A look has
 * a fixed count of reads, so no list, dictionary or set can keep it busy.
 */
#ifndef DBLEAK_CAPTURE_PYTHON_HEAP_H
#define DBLEAK_CAPTURE_PYTHON_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/capture/host/memory.h"

enum python_kind {
	PYTHON_UNKNOWN = 0, /* no object, or of a type that does not matter here */
	PYTHON_CODE_OBJECT = 1,
	PYTHON_STR = 2,
	PYTHON_DICT = 3,
	PYTHON_SET = 4,
	PYTHON_MODULE = 5,
	PYTHON_WEAK_REFERENCE = 6,
	PYTHON_WEAK_SET = 7,
	PYTHON_FRAME = 8,
	PYTHON_COROUTINE = 9,
	PYTHON_GENERATOR = 10,
	PYTHON_ASYNC_GENERATOR = 11,
	PYTHON_AWAITABLE = 12, /* holds what is awaited through it, in PYTHON_HELD_AT */
	PYTHON_TASK = 13,
	PYTHON_GREENLET = 14,
};

#define PYTHON_HELD_AT	  16 /* the object that a weak reference, a module, an awaitable names */
#define PYTHON_TYPES_MOST 64 /* that are remembered */

/* One look at one process. */
struct python_heap {
	const struct memory *memory;
	uint32_t reads; /* that are left */
	uint16_t ascii; /* where the characters of a string begin */
	struct {
		uint64_t type;
		enum python_kind kind;
	} known[PYTHON_TYPES_MOST];
	size_t known_count;
};

/* Reads all size bytes.  0; -ETIME: too much was read; or -errno. */
int python_heap_read(struct python_heap *h, uint64_t address, void *to, size_t size);
/* Counts a read by others, and returns its result; as above.  After an error that is not the
 * address's own nothing is read any more: the process is gone, or its share is used up. */
int python_heap_count(struct python_heap *h, int err);
/* Reads a word; 0: it cannot be read, or is 0. */
uint64_t python_heap_word(struct python_heap *h, uint64_t address);

enum python_kind python_heap_kind(struct python_heap *h, uint64_t object);
/* Is this a string with that text, of ASCII characters? */
bool python_heap_says(struct python_heap *h, uint64_t string, const char *text);
/* The value of a key in a dictionary; 0: not found. */
uint64_t python_heap_get(struct python_heap *h, uint64_t dict, const char *key);
/* The first value of that kind in a dictionary; 0: not found. */
uint64_t python_heap_first(struct python_heap *h, uint64_t dict, enum python_kind kind);
/* Calls fn for each object in a set, until it returns false.  0 or -errno. */
int python_heap_each(struct python_heap *h, uint64_t set,
		     bool (*fn)(void *context, uint64_t object), void *context);

#endif
