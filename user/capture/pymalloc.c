/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pymalloc.c - see pymalloc.h.
 *
 * Objects/obmalloc.c of CPython 3.7 to 3.14: memory for objects of at most 512 bytes comes from pools of
 * 16 KB (4 KB before 3.10), each of blocks of one size, with those given back in a list that runs
 * through their first words, and those never used behind the others.
 */
#include "pymalloc.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define POOL_MOST   (16 << 10)
#define ALIGNMENT   16
#define LARGEST     512
#define COUNTS_END  24 /* a head of the collector's, and a count of references, change while it lives */
#define SMALL	    32 /* blocks that have no such head */
#define SMALL_END   16

/* struct pool_header */
struct header {
	uint32_t used; /* blocks */
	uint32_t reserved;
	uint64_t free; /* the first block given back */
	uint64_t next, previous;
	uint32_t arena;
	uint32_t size_index;
	uint32_t untouched, last; /* offsets: of the first block never used, of the last there is */
};

struct pool {
	uint64_t address;
	uint32_t bytes, block; /* size of it, and of its blocks */
	struct header head;
	uint64_t words[POOL_MOST / 8];
};

static const uint32_t pool_sizes[] = {16 << 10, 4 << 10};

/* The number of the block in which an offset lies; its head counts with the first. */
static uint32_t block_at(const struct pool *p, uint64_t offset)
{
	return offset < sizeof(p->head) ? 0 : (offset - sizeof(p->head)) / p->block;
}

static uint32_t offset_of(const struct pool *p, uint32_t block)
{
	return sizeof(p->head) + block * p->block;
}

static bool is_pool(struct pool *p)
{
	const struct header *h = &p->head;
	uint32_t most;

	if (h->size_index >= LARGEST / ALIGNMENT)
		return false;
	p->block = (h->size_index + 1) * ALIGNMENT;
	most = (p->bytes - sizeof(*h)) / p->block;
	return h->last == p->bytes - p->block && h->used <= most &&
	       h->untouched >= sizeof(*h) && h->untouched <= p->bytes &&
	       (h->untouched - sizeof(*h)) % p->block == 0;
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

/* Is that block in the list of those given back?  -EAGAIN where the list does not add up. */
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

static void take_print(const struct pool *p, uint32_t block, struct pymalloc_print *print)
{
	uint32_t from = offset_of(p, block), at = p->block <= SMALL ? SMALL_END : COUNTS_END;

	*print = (struct pymalloc_print){.block = p->address + from};
	for (; at + 8 <= p->block && print->count < sizeof(print->words); at += 8)
		print->words[print->count++] = hash_word(p->words[(from + at) / 8]);
}

/* Nearly all that it keeps for life is as it was; a text notes its hash when that is asked for. */
static bool is_same(const struct pymalloc_print *a, const struct pymalloc_print *b)
{
	uint32_t others = 0;

	for (uint32_t i = 0; i < a->count; i++)
		others += a->words[i] != b->words[i];
	return a->block == b->block && a->count == b->count && others <= a->count / 5;
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
	take_print(&p, block, &now);
	if (!print->block)
		*print = now;
	return is_same(print, &now);
}
