/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * topics.c - see topics.h.
 */
#include "user/command/topics.h"

#include <stdio.h>
#include <stdlib.h>

#include "user/base/escape.h"
#include "user/command/nearest.h"
#include "user/system/debug.h"

#define WORD_COLUMNS 32

const char *topics_names(char *out, size_t size)
{
	size_t length = 0;

	for (int i = 0; i < DEBUG_TOPICS && length < size; i++)
		length += (size_t)snprintf(out + length, size - length, "%s%s", i ? ", " : "",
					   debug_table[i].name);
	if (length < size)
		snprintf(out + length, size - length, " or all");
	return out;
}

static int topics_refuse(const struct debug_word *unknown)
{
	struct nearest near = nearest_begin(unknown->text, unknown->length);
	char word[4 * WORD_COLUMNS + 1], names[TOPICS_NAMES];

	for (int i = 0; i < DEBUG_TOPICS; i++)
		nearest_try(&near, debug_table[i].name);
	nearest_try(&near, "all");
	escape_fit(word, sizeof(word), unknown->text, unknown->length, WORD_COLUMNS,
		   ESCAPE_CUT_END);
	fprintf(stderr, "dbleak: DBLEAK_DEBUG has no topic \"%s\"%s%s%s\n", word,
		near.name ? "; did you mean " : "", near.name ? near.name : "",
		near.name ? "?" : "");
	fprintf(stderr, "its topics are %s\n", topics_names(names, sizeof(names)));
	return 2;
}

int topics_choose(const char *list)
{
	struct debug_word unknown;
	unsigned int topics;

	if (debug_parse(list ? list : "", &topics, &unknown))
		return topics_refuse(&unknown);
	debug_choose(topics);
	return -1;
}
