/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_jit_map.c - any bytes as a map of code that a program compiled.  What is found must hold the
 * address, and its name must end.
 */
#include <stdlib.h>
#include <string.h>

#include "user/capture/stack/native/jit_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_address(struct jit_map *m, uint64_t address)
{
	struct jit_symbol *symbol = jit_map_find(m, address);
	char buf[JIT_NAME_MAX];
	struct frame frame;

	if (!symbol)
		return;
	require(address - symbol->start < symbol->size);
	jit_map_name(m, symbol, buf, &frame);
	require(frame.function && strlen(frame.function) < JIT_NAME_MAX);
	require(!frame.file || strlen(frame.file) < JIT_NAME_MAX);
	require(!(frame.flags & EV_FRAME_DEFINED) || frame.file);
}

/* The first 8 bytes are an address to look for, beside low ones. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jit_map *m = jit_map_open();
	uint64_t address = 0;
	size_t used;

	require(m);
	if (size > sizeof(address)) {
		memcpy(&address, data, sizeof(address));
		data += sizeof(address);
		size -= sizeof(address);
	}
	used = jit_map_add(m, (const char *)data, size);
	require(used <= size && !memchr(data + used, '\n', size - used));
	check_address(m, address);
	for (uint64_t i = 0; i < 64; i++)
		check_address(m, i << 8);
	jit_map_close(m);
	return 0;
}
