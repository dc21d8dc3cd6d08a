/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * v8_position.h - V8's tables that map places in code to places in a script.
 *
 * The bytes come from a watched program and may be anything; bad data gives "not known".
 */
#ifndef DBLEAK_CAPTURE_V8_POSITION_H
#define DBLEAK_CAPTURE_V8_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct v8_position {
	uint32_t offset;  /* in the script, in characters */
	uint16_t inlined; /* 0, or 1 + an index into the code's list of inlined calls */
};

/* Finds the place in the script that belongs to a place in the code: an offset into the bytecode,
 * or, in optimised code, the offset of an instruction's last byte.  Returns 0; -ENOENT: the table
 * has none. */
int v8_position_find(const uint8_t *table, size_t size, uint32_t code, struct v8_position *out);

/* Decodes a position that another table holds in one word.  Returns 0; -ENOENT: it is none. */
int v8_position_of(uint64_t word, struct v8_position *out);

/* In baseline code, finds the bytecode whose instruction returns to `code`.  sizes: of the
 * bytecodes, in three rows of `kinds`: plain, with operands twice as wide, and four times as wide.
 * Returns 0 or -ENOENT. */
int v8_bytecode_find(const uint8_t *table, size_t size, const uint8_t *bytecode, size_t length,
		     const uint8_t *sizes, size_t kinds, uint32_t code, uint32_t *offset);

#endif
