/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_probe_exit.c - any bytes as the code of a function, and what lies around it.
 *
 * Input: the code.  It is looked at as a function of all sizes that its first byte may mean.
 */
#include <stdlib.h>
#include <string.h>

#include "../../user/capture/probe_exit.h"

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

/* A probe goes to these bytes: they are a return, each once, in order. */
static void check(const struct code *code, uint64_t size)
{
	const struct probe_function f = {.read = read_code,
					 .linked = linked,
					 .context = (void *)(uintptr_t)code,
					 .entry = BASE,
					 .size = size,
					 .first = BASE,
					 .end = BASE + code->size};
	struct probe_exits exits;

	if (probe_exits_find(&f, &exits))
		return;
	require(exits.count > 0 && exits.count <= PROBE_EXITS_MOST);
	for (size_t i = 0; i < exits.count; i++) {
		const struct probe_exit *exit = &exits.all[i];
		size_t at = exit->address - BASE;

		require(exit->address >= BASE && at < code->size);
		while (at + 1 < code->size && code->bytes[at] != 0xc3)
			at++; /* prefixes */
		require(code->bytes[at] == 0xc3 && at - (exit->address - BASE) < 15);
		require(!i || exit->address > exits.all[i - 1].address);
		require(exit->shared == (size == 0 || exit->address - BASE >= size));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct code code = {.size = size};
	uint8_t *bytes = malloc(size + 1);

	require(bytes);
	memcpy(bytes, data, size);
	code.bytes = bytes;
	check(&code, 0);
	check(&code, size);
	check(&code, size ? data[0] : 1);
	free(bytes);
	return 0;
}
