/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python_heap.c - see python_heap.h.
 */
#include "user/capture/stack/python_heap.h"

#include <errno.h>
#include <string.h>

#include "user/capture/host/memory_pages.h"

#define LOWEST	     65536 /* no address of a program is below, */
#define HIGHEST	     (1ULL << 47)
#define OBJECT_HEAD  64 /* bytes of a short string, or of the beginning of an object */
#define TYPE_AT	     8	/* in an object */
#define TYPE_NAME_AT 24
#define TYPE_BASE_AT 256
#define BASES_MOST   4
#define NAME_BYTES   24 /* hold each name below and its NUL */
#define LENGTH_AT    16 /* of a string */
#define TEXT_MOST    64
#define DICT_KEYS_AT 32
#define DICT_MOST    65536 /* entries that are looked at */
#define INDEX_MOST   24	   /* a table of indexes has so many bytes, as a power of 2 */
#define ENTRY_MOST   24
#define TOGETHER     64 /* entries read at once */
#define SET_MASK_AT  32
#define SET_TABLE_AT 40
#define SET_ENTRY    16
#define SET_MOST     (1 << 17)

static const struct {
	const char *name;
	enum python_kind kind;
} kinds[] = {
	{"code", PYTHON_CODE_OBJECT},
	{"str", PYTHON_STR},
	{"dict", PYTHON_DICT},
	{"set", PYTHON_SET},
	{"module", PYTHON_MODULE},
	{"weakref.ReferenceType", PYTHON_WEAK_REFERENCE},
	{"WeakSet", PYTHON_WEAK_SET},
	{"frame", PYTHON_FRAME},
	{"coroutine", PYTHON_COROUTINE},
	{"generator", PYTHON_GENERATOR},
	{"async_generator", PYTHON_ASYNC_GENERATOR},
	{"coroutine_wrapper", PYTHON_AWAITABLE},
	{"async_generator_asend", PYTHON_AWAITABLE},
	{"async_generator_athrow", PYTHON_AWAITABLE},
	{"_asyncio.FutureIter", PYTHON_AWAITABLE},
	{"_asyncio.Task", PYTHON_TASK},
	{"greenlet.greenlet", PYTHON_GREENLET},
};

int python_heap_count(struct python_heap *h, int err)
{
	if (!h->reads)
		return -ETIME;
	h->reads = err && err != -EFAULT ? 0 : h->reads - 1;
	return err;
}

int python_heap_read(struct python_heap *h, uint64_t address, void *to, size_t size)
{
	return h->reads ? python_heap_count(h, memory_read(h->memory, address, to, size)) : -ETIME;
}

uint64_t python_heap_word(struct python_heap *h, uint64_t address)
{
	uint64_t word;

	return python_heap_read(h, address, &word, sizeof(word)) ? 0 : word;
}

/* --- kinds -------------------------------------------------------------------------------------
 */

static enum python_kind kind_named(struct python_heap *h, uint64_t type)
{
	uint64_t at = python_heap_word(h, type + TYPE_NAME_AT);
	char name[NAME_BYTES] = "";
	ssize_t n = at && h->reads ? h->memory->read(h->memory, at, name, sizeof(name)) : 0;

	for (size_t i = 0; n > 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((size_t)n > strlen(kinds[i].name) && !strcmp(name, kinds[i].name))
			return kinds[i].kind;
	return PYTHON_UNKNOWN;
}

/* A class of the program counts as what it is derived from. */
static enum python_kind kind_of_type(struct python_heap *h, uint64_t type)
{
	enum python_kind kind = PYTHON_UNKNOWN;

	for (int i = 0; i < BASES_MOST && type && kind == PYTHON_UNKNOWN; i++) {
		kind = kind_named(h, type);
		type = python_heap_word(h, type + TYPE_BASE_AT);
	}
	return kind;
}

/* Can an object be there?  Saves reads of what is none. */
static bool is_address(uint64_t at)
{
	return at % 8 == 0 && at >= LOWEST && at < HIGHEST;
}

enum python_kind python_heap_kind(struct python_heap *h, uint64_t object)
{
	uint64_t type = is_address(object) ? python_heap_word(h, object + TYPE_AT) : 0;
	enum python_kind kind;

	if (!is_address(type))
		return PYTHON_UNKNOWN;
	for (size_t i = 0; i < h->known_count && i < PYTHON_TYPES_MOST; i++)
		if (h->known[i].type == type)
			return h->known[i].kind;
	kind = kind_of_type(h, type);
	h->known[h->known_count % PYTHON_TYPES_MOST].type = type;
	h->known[h->known_count++ % PYTHON_TYPES_MOST].kind = kind;
	return kind;
}

bool python_heap_says(struct python_heap *h, uint64_t string, const char *text)
{
	size_t n = strlen(text);
	char bytes[TEXT_MOST];

	return n <= sizeof(bytes) && python_heap_kind(h, string) == PYTHON_STR &&
	       python_heap_word(h, string + LENGTH_AT) == n &&
	       !python_heap_read(h, string + h->ascii, bytes, n) && !memcmp(bytes, text, n);
}

/* --- dictionaries and sets ---------------------------------------------------------------------
 */

struct dict_entries {
	uint64_t at;
	uint64_t count;
	size_t size, key; /* of an entry, and where its key is; the value is behind that */
};

static bool dict_open(struct python_heap *h, uint64_t dict, struct dict_entries *d)
{
	uint64_t keys = python_heap_kind(h, dict) == PYTHON_DICT
				? python_heap_word(h, dict + DICT_KEYS_AT)
				: 0;
	struct {
		uint64_t references;
		uint8_t log2_size, log2_bytes, kind, reserved[5];
		uint64_t usable, count;
	} head;

	if (!keys || python_heap_read(h, keys, &head, sizeof(head)) ||
	    head.log2_bytes > INDEX_MOST || head.kind > 1 || head.count > DICT_MOST)
		return false;
	d->at = keys + sizeof(head) + (1ULL << head.log2_bytes);
	d->count = head.count;
	d->size = head.kind ? 16 : 24; /* where all keys are strings, an entry has no hash */
	d->key = head.kind ? 0 : 8;
	return true;
}

static uint64_t entry_word(const uint8_t *entry, size_t at)
{
	uint64_t word;

	memcpy(&word, entry + at, sizeof(word));
	return word;
}

/* The value of the first entry with this key, or, without a key, with this kind of value. */
static uint64_t dict_find(struct python_heap *h, uint64_t dict, const char *key,
			  enum python_kind kind)
{
	uint8_t bytes[TOGETHER * ENTRY_MOST];
	uint64_t object[TOGETHER];
	struct dict_entries d;

	if (!dict_open(h, dict, &d))
		return 0;
	for (uint64_t i = 0; i < d.count && h->reads; i += TOGETHER) {
		size_t n = d.count - i < TOGETHER ? (size_t)(d.count - i) : TOGETHER;

		if (python_heap_read(h, d.at + i * d.size, bytes, n * d.size))
			return 0;
		for (size_t k = 0; k < n; k++)
			object[k] = entry_word(bytes + k * d.size, d.key + (key ? 0 : 8));
		memory_pages_ahead(h->memory, object, n, OBJECT_HEAD);
		for (size_t k = 0; k < n; k++)
			if (key ? python_heap_says(h, object[k], key)
				: python_heap_kind(h, object[k]) == kind)
				return entry_word(bytes + k * d.size, d.key + 8);
	}
	return 0;
}

uint64_t python_heap_get(struct python_heap *h, uint64_t dict, const char *key)
{
	return dict_find(h, dict, key, PYTHON_UNKNOWN);
}

uint64_t python_heap_first(struct python_heap *h, uint64_t dict, enum python_kind kind)
{
	return dict_find(h, dict, NULL, kind);
}

int python_heap_each(struct python_heap *h, uint64_t set,
		     bool (*fn)(void *context, uint64_t object), void *context)
{
	uint64_t mask = python_heap_word(h, set + SET_MASK_AT);
	uint64_t table = python_heap_word(h, set + SET_TABLE_AT);
	uint8_t bytes[TOGETHER * SET_ENTRY];
	int err;

	if (!table || mask >= SET_MOST)
		return -EINVAL;
	for (uint64_t i = 0; i <= mask; i += TOGETHER) {
		size_t n = mask - i < TOGETHER ? (size_t)(mask - i + 1) : TOGETHER;

		err = python_heap_read(h, table + i * SET_ENTRY, bytes, n * SET_ENTRY);
		if (err)
			return err;
		for (size_t k = 0; k < n; k++) {
			uint64_t object = entry_word(bytes, k * SET_ENTRY);

			if (object && !fn(context, object))
				return 0;
		}
	}
	return 0;
}
