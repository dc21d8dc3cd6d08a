/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * jit_map_state.h - a map in memory, for jit_map.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_JIT_MAP_STATE_H
#define DBLEAK_CAPTURE_JIT_MAP_STATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "user/capture/stack/native/jit_map.h"

struct jit_map {
	char *text;
	size_t used, room; /* of text */
	struct jit_symbol *symbols;
	size_t count, symbol_room;
	bool unsorted;
	dev_t device;
	ino_t inode;
	off_t read;   /* bytes of the file */
	bool in_long; /* in a line longer than the block, so up to its end nothing is a line */
};

#endif
