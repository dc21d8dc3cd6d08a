/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pymalloc_state.h - the head of a pool, for pymalloc.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_PYMALLOC_STATE_H
#define DBLEAK_CAPTURE_PYMALLOC_STATE_H

#include <stdint.h>

/* struct pool_header */
struct pymalloc_header {
	uint32_t used; /* blocks */
	uint32_t reserved;
	uint64_t free; /* the first block given back */
	uint64_t next, previous;
	uint32_t arena;
	uint32_t size_index;
	uint32_t untouched, last; /* offsets: of the first block never used, of the last there is */
};

#endif
