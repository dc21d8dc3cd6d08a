/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_symbol.c - any bytes as a program with symbols, unwinding tables and DWARF: what is said of
 * addresses in its code.  In the product a process without rights does this.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/stack/native/symbol.h"

#define PLACES 6 /* of each file */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int no_file(void *context, const struct debug_name *name, uint32_t *candidate)
{
	(void)context;
	(void)name;
	(void)candidate;
	return -ENOENT;
}

static void take(void *context, const struct frame *frame)
{
	size_t *length = context;

	if (frame->function)
		*length += strlen(frame->function);
	if (frame->file)
		*length += strlen(frame->file);
	if (frame->module)
		*length += strlen(frame->module);
	if (frame->build_id)
		*length += strlen(frame->build_id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct debug_files files = {no_file, NULL};
	uint8_t *bytes = malloc(size + 1);
	struct symbols *s;
	struct elf_map map;
	size_t length = 0;

	if (!bytes)
		return 0;
	memcpy(bytes, data, size);
	if (elf_map_bytes(&map, bytes, size) || symbols_open(&s, &map, "/bin/any"))
		return 0;
	for (uint64_t i = 0; i < PLACES; i++) {
		uint64_t offset = 0x1000 + i * size / PLACES / 2, address;

		if (!symbols_address(s, offset, &address))
			continue;
		free(symbols_rule(s, &files, address, true));
		symbols_name(s, &files, address, true, take, &length);
	}
	symbols_close(s);
	return 0;
}
