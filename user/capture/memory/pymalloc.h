/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pymalloc.h - whether an object of Python still lives where it was put.
 *
 * Python frees and fills its blocks without a system call, so a page that stays says nothing of the
 * object for which it was first touched.  Its pools say it: they are read in the process's memory
 * and believed only if every number in them agrees with the others.
 */
#ifndef DBLEAK_CAPTURE_PYMALLOC_H
#define DBLEAK_CAPTURE_PYMALLOC_H

#include <stdbool.h>

#include "user/capture/host/memory.h"

/* What a block looked like.  Zeroed: it was not looked at yet. */
struct pymalloc_print {
	uint64_t block;	  /* its address */
	uint8_t words[8]; /* a hash of its type, and of each word that it keeps for life */
	uint8_t count;
	bool collected; /* it has a head of the collector's */
	bool dead;	/* nobody refers to it */
};

/* Looks at the block at that address, notes it in *print the first time, and compares later.  1:
 * the object of the first time lives there; 0: it does not; -EAGAIN: the pool changes just now;
 * -ENOENT: no pool is there; or another -errno of the reading. */
int pymalloc_lives(const struct memory *m, uint64_t address, struct pymalloc_print *print);

#define PYMALLOC_POOL_MOST (16 << 10) /* bytes, and that aligned, of a pool */

#define PYMALLOC_WORDS 12 /* read of a block: a print needs no more */

/* Notes a block of which so many words, or what follows it, were read already.  size_index: as its
 * pool has it.  0, or -EINVAL: there is no such block. */
int pymalloc_note(uint64_t block, const void *words, uint32_t size_index,
		  struct pymalloc_print *print);

#endif
