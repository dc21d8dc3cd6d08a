/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pymalloc.c - see pymalloc.h.
 *
 * Objects/obmalloc.c of CPython 3.7 to 3.14: memory for objects of at most 512 bytes comes from
 * pools of 16 KB (4 KB before 3.10).  All blocks of a pool have one size.  Blocks given back form a
 * list that runs through their first words.  Blocks never used lie behind the others.
 */
#include "user/capture/memory/pymalloc.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "user/capture/memory/pymalloc_state.h"

#define ALIGNMENT  16
#define LARGEST	   512
#define HEAD_WORDS 2 /* of the garbage collector, before an object; both change while it lives */
#define COUNT_MOST (1ULL << 33) /* of references: no address is so low */

struct pool {
	uint64_t address;
	uint32_t bytes, block; /* size of the pool, and of its blocks */
	struct pymalloc_header head;
	uint64_t words[PYMALLOC_POOL_MOST / 8];
};

static const uint32_t pool_sizes[] = {16 << 10, 4 << 10};

/* The number of the block in which an offset lies; the pool's head counts with the first. */
static uint32_t block_at(const struct pool *p, uint64_t offset)
{
	return offset < sizeof(p->head) ? 0 : (offset - sizeof(p->head)) / p->block;
}

static uint32_t offset_of(const struct pool *p, uint32_t block)
{
	return (uint32_t)(sizeof(p->head) + (size_t)block * p->block);
}

static bool is_pool(struct pool *p)
{
	const struct pymalloc_header *h = &p->head;
	uint32_t most;

	if (h->size_index >= LARGEST / ALIGNMENT)
		return false;
	p->block = (h->size_index + 1) * ALIGNMENT;
	most = (p->bytes - sizeof(*h)) / p->block;
	return h->last == p->bytes - p->block && h->used <= most && h->untouched >= sizeof(*h) &&
	       h->untouched <= p->bytes && (h->untouched - sizeof(*h)) % p->block == 0;
}

static int read_pool(const struct memory *m, uint64_t address, struct pool *p)
{
	for (size_t i = 0; i < sizeof(pool_sizes) / sizeof(pool_sizes[0]); i++) {
		int err;

		p->bytes = pool_sizes[i];
		p->address = address & ~(uint64_t)(p->bytes - 1);
		err = memory_read(m, p->address, p->words, p->bytes);
		if (err && err != -EFAULT)
			return err;
		memcpy(&p->head, p->words, sizeof(p->head));
		if (!err && is_pool(p))
			return 0;
	}
	return -ENOENT;
}

/* Whether a block is free: given back, or never used.  -EAGAIN: the list does not add up. */
static int is_free(const struct pool *p, uint32_t block)
{
	uint32_t known = block_at(p, p->head.untouched), freed = 0;
	uint64_t at = p->head.free;
	bool met = false;

	while (at && at - p->address < p->head.untouched) {
		uint64_t offset = at - p->address;

		if (offset < sizeof(p->head) || (offset - sizeof(p->head)) % p->block ||
		    ++freed > known)
			return -EAGAIN;
		met |= block_at(p, offset) == block;
		at = p->words[offset / 8];
	}
	if (known - freed != p->head.used)
		return -EAGAIN;
	return met || block >= known;
}

static uint8_t hash_word(uint64_t word)
{
	word *= 0x9e3779b97f4a7c15ULL;
	return word >> 56;
}

static bool is_count(uint64_t word)
{
	return word && word < COUNT_MOST;
}

/* Takes the print of a block.  An object begins with its count of references; the count is 0 if a
 * type keeps dead objects for later. */
static void take_print(uint64_t block, const uint64_t *words, uint32_t all,
		       struct pymalloc_print *print)
{
	uint32_t at;

	*print = (struct pymalloc_print){.block = block};
	print->collected = !is_count(words[0]) && all > HEAD_WORDS + 1;
	at = print->collected ? HEAD_WORDS : 0;
	print->dead = print->collected && !(uint32_t)words[at];
	for (at++; at < all && print->count < sizeof(print->words); at++)
		print->words[print->count++] = hash_word(words[at]);
}

/* Whether two prints show the same object: one of the same type.  An object that the garbage
 * collector leaves alone never changes, except for values not known yet, such as a text's hash.  Of
 * the others at least four fifths must be as before. */
static bool is_same(const struct pymalloc_print *a, const struct pymalloc_print *b)
{
	uint32_t others = 0;

	if (a->block != b->block || a->count != b->count || a->collected != b->collected ||
	    b->dead || (a->count && a->words[0] != b->words[0]))
		return false;
	for (uint32_t i = 1; i < a->count; i++)
		others += a->words[i] != b->words[i] && a->words[i] != hash_word(UINT64_MAX);
	return others <= (a->collected ? a->count / 5 : 0);
}

int pymalloc_lives(const struct memory *m, uint64_t address, struct pymalloc_print *print)
{
	struct pymalloc_print now;
	struct pool p;
	uint32_t block;
	int freed, err = read_pool(m, address, &p);

	if (err)
		return err;
	block = block_at(&p, address - p.address);
	freed = is_free(&p, block);
	if (freed)
		return freed < 0 ? freed : 0;
	take_print(p.address + offset_of(&p, block), p.words + offset_of(&p, block) / 8,
		   p.block / 8, &now);
	if (!print->block)
		*print = now;
	return is_same(print, &now);
}

int pymalloc_note(uint64_t block, const void *bytes, uint32_t size_index,
		  struct pymalloc_print *print)
{
	uint64_t words[PYMALLOC_WORDS];

	if (size_index >= LARGEST / ALIGNMENT)
		return -EINVAL;
	memcpy(words, bytes, sizeof(words));
	take_print(block, words, (size_index + 1) * ALIGNMENT / 8, print);
	return 0;
}
