/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * v8_position.h - V8's tables from places in code to places in a script.
 *
 * The bytes come from a watched program: any are taken, and what makes no sense is "not known".
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

/* Which place of the script a place of the code belongs to: an offset into the bytecode, or of
 * the last byte of an instruction.  0; -ENOENT the table does not tell. */
int v8_position_find(const uint8_t *table, size_t size, uint32_t code, struct v8_position *out);

/* A position as other tables have it, in a word.  0; -ENOENT it is none. */
int v8_position_of(uint64_t word, struct v8_position *out);

/* Of baseline code: which bytecode an instruction that returns to `code` belongs to.  sizes: of
 * the bytecodes, three rows of `kinds`, plain and with operands twice and four times as wide.  0;
 * -ENOENT. */
int v8_bytecode_find(const uint8_t *table, size_t size, const uint8_t *bytecode, size_t length,
		     const uint8_t *sizes, size_t kinds, uint32_t code, uint32_t *offset);

#endif
