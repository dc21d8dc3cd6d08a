/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_go_table.c - any bytes as the table of a Go program.  What it tells must lie within it.
 */
#include <stdlib.h>
#include <string.h>

#include "user/capture/stack/native/go_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_text(const struct go_table *t, const char *text)
{
	const uint8_t *at = (const uint8_t *)text;

	require(!text || (at >= t->bytes && at < t->bytes + t->size &&
			  memchr(at, 0, (size_t)(t->bytes + t->size - at))));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct go_table t;

	if (!go_table_open(&t, data, size, 0x401000))
		return 0;
	for (uint64_t i = 0; i < 80; i++) {
		struct frame frame = {.line = 0};

		if (!go_table_find(&t, (t.text ? t.text : 0x401000) + i, &frame))
			continue;
		check_text(&t, frame.function);
		check_text(&t, frame.file);
	}
	return 0;
}
