/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_probe_exit.c - any bytes as the code of a function, and what lies around it.
 *
 * Input: the code.  It is looked at as a function of all sizes that its first byte may mean.
 */
#include <stdlib.h>
#include <string.h>

#include "user/capture/probe/probe_exit.h"

#define BASE 0x400000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct code {
	const uint8_t *bytes;
	size_t size;
};

static void require(bool condition)
{
	if (!condition)
		abort();
}

static size_t read_code(void *context, uint64_t address, uint8_t *bytes, size_t n)
{
	const struct code *code = context;

	if (address < BASE || address - BASE >= code->size)
		return 0;
	if (n > code->size - (address - BASE))
		n = code->size - (address - BASE);
	memcpy(bytes, code->bytes + (address - BASE), n);
	return n;
}

/* A slot holds what its number says, or nothing. */
static uint64_t linked(void *context, uint64_t slot)
{
	const struct code *code = context;

	return slot & 1 ? 0 : BASE + slot % (code->size + 1);
}

/* A probe goes to these bytes: they are a jump, or a return. */
static void check_exit(const struct code *code, const struct probe_exit *exit)
{
	size_t at = exit->address - BASE;

	require(exit->address >= BASE && at < code->size);
	require(exit->result < 16 && exit->result != 4 && exit->height <= UINT16_MAX);
	if (exit->cheap) {
		uint8_t first = code->bytes[at];

		require(first == 0x90 || first == 0xeb || first == 0xe9 || first == 0x0f ||
			(first & 0xf0) == 0x70);
		require(exit->when == PROBE_ALWAYS || first == 0x0f || (first & 0xf0) == 0x70);
		return;
	}
	while (at + 1 < code->size && code->bytes[at] != 0xc3)
		at++; /* prefixes */
	require(code->bytes[at] == 0xc3 && at - (exit->address - BASE) < 15 && !exit->height);
}

static void check(const struct code *code, uint64_t size, bool pointer, bool memory)
{
	const struct probe_function f = {.read = read_code,
					 .linked = linked,
					 .context = (void *)(uintptr_t)code,
					 .entry = BASE,
					 .size = size,
					 .first = BASE,
					 .end = BASE + code->size,
					 .pointer = pointer,
					 .memory = memory};
	struct probe_exits exits;

	if (probe_exits_find(&f, &exits))
		return;
	require(exits.count > 0 && exits.count <= PROBE_EXITS_MOST);
	for (size_t i = 0; i < exits.count; i++) {
		check_exit(code, &exits.all[i]);
		require(!i || exits.all[i].address > exits.all[i - 1].address);
		require(exits.all[i].shared == (size == 0 || exits.all[i].address - BASE >= size));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct code code = {.size = size};
	uint8_t *bytes = malloc(size + 1);

	require(bytes);
	memcpy(bytes, data, size);
	code.bytes = bytes;
	check(&code, 0, false, false);
	check(&code, size, true, false);
	check(&code, size ? data[0] : 1, false, true);
	free(bytes);
	return 0;
}
