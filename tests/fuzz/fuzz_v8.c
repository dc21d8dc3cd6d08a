/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_v8.c - a heap of V8 with any of its words changed, and any tables.
 *
 * Input: a byte that says how much of the rest are changes, 8 bytes each: which byte of the heap or
 * the stack (16 bits), how many (a byte), what with (the rest); then a table.
 */
#include <stdlib.h>

#include "tests/unit/support/v8_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void change(const uint8_t *c)
{
	size_t heap = sizeof(v8_build) - offsetof(typeof(v8_build), context);
	size_t at = (size_t)c[0] << 8 | c[1], n = c[2] % 6;

	if (at < 0x8000) {
		at %= heap - 8;
		memcpy((uint8_t *)v8_build.context + at, c + 3, n);
	} else {
		memcpy(v8_build.raw.bytes + at % 256, c + 3, n);
	}
}

static void check_stack(void)
{
	struct memory m = foreign_memory(&v8_build.memory);
	struct texts *t = malloc(sizeof(*t)); /* of its own, so that a byte beyond is noticed */
	struct frame frames[STACK_FRAMES];
	uint32_t flags;
	int n;

	require(t != NULL);
	n = v8_read(&v8_build.v8, &m, &v8_build.raw, v8_build.raw.registers.bp, t, frames, &flags);
	require(n >= 0 && n <= STACK_FRAMES);
	for (int i = 0; i < n; i++) {
		require(frames[i].file && strlen(frames[i].file) < sizeof(t->bytes));
		require(!frames[i].function || strlen(frames[i].function) < sizeof(t->bytes));
	}
	free(t);
}

static void check_tables(const uint8_t *data, size_t size)
{
	uint8_t sizes[3 * 200], *copy = malloc(size + 1);
	struct v8_position position;
	uint32_t offset;

	require(copy != NULL);
	memcpy(copy, data, size);
	for (size_t i = 0; i < sizeof(sizes); i++)
		sizes[i] = (uint8_t)(i % 17);
	v8_position_find(copy, size, (uint32_t)size, &position);
	if (!v8_bytecode_find(copy, size / 2, copy + size / 2, size - size / 2, sizes, 200, 1000,
			      &offset))
		require(offset < size - size / 2);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t changes;

	if (!size)
		return 0;
	changes = data[0] % 16;
	data++;
	size--;
	v8_build_make();
	for (; changes && size >= 8; changes--, data += 8, size -= 8)
		change(data);
	check_stack();
	check_tables(data, size);
	return 0;
}
