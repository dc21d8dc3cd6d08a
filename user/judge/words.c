/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * words.c - see words.h.
 */
#include "user/judge/words.h"

#include <string.h>

#include "user/base/count.h"

const char *memory_words(const struct rule_input *s, double bytes)
{
	if (bytes < 9.95e5)
		return arena_format(s->arena, "%.0f kB", bytes / 1e3);
	return arena_format(s->arena, bytes < 9.95e6 ? "%.1f MB" : "%.0f MB", bytes / 1e6);
}

const char *count_words(struct arena *a, uint64_t n)
{
	char text[COUNT_SIZE];

	count_text(text, n);
	return arena_copy(a, text, strlen(text));
}
