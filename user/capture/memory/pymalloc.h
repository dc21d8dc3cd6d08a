/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pymalloc.h - whether an object of Python still lives where it was put.
 *
 * Python frees and fills its blocks without a system call.  So a page that stays says nothing of
 * the object for which it was first touched, but the pools do.  They are read in the process's
 * memory and believed only if every number in them agrees with the others.
 */
#ifndef DBLEAK_CAPTURE_PYMALLOC_H
#define DBLEAK_CAPTURE_PYMALLOC_H

#include <stdbool.h>

#include "user/capture/host/memory.h"

/* A fingerprint of what is in a block.  Zeroed: nobody has looked yet. */
struct pymalloc_print {
	uint64_t block;	  /* its address */
	uint8_t words[8]; /* hashes: of its type, and of each word that it keeps for life */
	uint8_t count;
	bool collected; /* the garbage collector has its head before the object */
	bool dead;	/* its count of references is 0 */
};

/* Looks at the block at that address: notes it in *print the first time, and compares it later.  1:
 * the object of the first time lives there; 0: it does not; -EAGAIN: the pool is changing now;
 * -ENOENT: no pool is there; or another -errno of the reading. */
int pymalloc_lives(const struct memory *m, uint64_t address, struct pymalloc_print *print);

#define PYMALLOC_POOL_MOST (16 << 10) /* bytes of a pool, which is aligned to its size */

#define PYMALLOC_WORDS 12 /* read of a block: a print needs no more */

/* Notes a block from PYMALLOC_WORDS words that were read already; a smaller block is followed by
 * others.  size_index: as in the head of its pool.  0; -EINVAL: there is no such block. */
int pymalloc_note(uint64_t block, const void *words, uint32_t size_index,
		  struct pymalloc_print *print);

#endif
