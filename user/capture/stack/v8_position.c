/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * v8_position.c - see v8_position.h.
 */
#include "user/capture/stack/v8_position.h"

#include <errno.h>

#define WIDE_MOST 3 /* bytecodes up to this one say that the next has wide operands */

struct position_table {
	const uint8_t *at, *end;
};

/* Reads a number of variable length: seven bits in each byte, the lowest first.  The highest bit
 * says that more follow. */
static bool number_read(struct position_table *t, uint64_t *value)
{
	*value = 0;
	for (unsigned int shift = 0; shift < 64 && t->at < t->end; shift += 7) {
		uint8_t byte = *t->at++;

		*value |= (uint64_t)(byte & 127) << shift;
		if (!(byte & 128))
			return true;
	}
	return false;
}

static bool signed_read(struct position_table *t, int64_t *value)
{
	uint64_t word;

	if (!number_read(t, &word))
		return false;
	*value = (int64_t)(word >> 1 ^ -(word & 1));
	return true;
}

int v8_position_of(uint64_t word, struct v8_position *out)
{
	uint32_t offset = word >> 1 & ((1U << 30) - 1);

	if (word & 1 || !offset) /* in no script, or nowhere */
		return -ENOENT;
	out->offset = offset - 1;
	out->inlined = (uint16_t)(word >> 31);
	return 0;
}

int v8_position_find(const uint8_t *table, size_t size, uint32_t code, struct v8_position *out)
{
	struct position_table t = {table, table + size};
	int64_t at = -1, by, delta;
	uint64_t position = 0;

	while (t.at < t.end) {
		if (!signed_read(&t, &by))
			return -ENOENT;
		/* A negative step stands for -(by + 1).  The sign only says that the place is no
		 * statement. */
		at = (int64_t)((uint64_t)at + (uint64_t)(by >= 0 ? by : -(by + 1)));
		if (at > (int64_t)code)
			break;
		if (!signed_read(&t, &delta))
			return -ENOENT;
		position += (uint64_t)delta;
	}
	return v8_position_of(position, out);
}

/* Returns the size of the bytecode at the start; 0: there is none. */
static size_t bytecode_size(const uint8_t *code, size_t length, const uint8_t *sizes, size_t kinds)
{
	size_t row = 0, prefix = 0, size;

	if (length && code[0] <= WIDE_MOST) {
		row = code[0] % 2 ? 2 : 1;
		prefix = 1;
	}
	if (length <= prefix || code[prefix] >= kinds)
		return 0;
	size = sizes[row * kinds + code[prefix]];
	return size && prefix + size <= length ? prefix + size : 0;
}

int v8_bytecode_find(const uint8_t *table, size_t size, const uint8_t *bytecode, size_t length,
		     const uint8_t *sizes, size_t kinds, uint32_t code, uint32_t *offset)
{
	struct position_table t = {table, table + size};
	uint64_t end, by;
	size_t at = 0, next = 0;

	if (!number_read(&t, &end) || end >= code) /* code before the first bytecode */
		return -ENOENT;
	while (end < code) {
		size_t n = bytecode_size(bytecode + next, length - next, sizes, kinds);

		if (!n || !number_read(&t, &by) || by > UINT32_MAX)
			return -ENOENT;
		end += by;
		at = next;
		next += n;
	}
	*offset = (uint32_t)at;
	return 0;
}
