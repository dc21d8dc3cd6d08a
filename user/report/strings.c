/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * strings.c - see strings.h.
 */
#include "user/report/strings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/markup.h"

#define FNV_START 0xcbf29ce484222325ULL
#define FNV_PRIME 0x100000001b3ULL

static uint64_t hash_of(const char *text, size_t length)
{
	uint64_t hash = FNV_START;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)text[i]) * FNV_PRIME;
	return hash;
}

/* The most that a text takes on the page. */
static size_t strings_size(const char *text, size_t length)
{
	size_t n = 3;

	for (size_t i = 0; i < length; i++)
		n += text[i] >= ' ' && text[i] < 0x7f && !strchr("\"\\<>&'", text[i]) ? 1
										      : STRING_UNIT;
	return n;
}

static int make_room(struct strings *s)
{
	size_t room = s->room ? 2 * s->room : 256;
	void *all;

	if (s->count < s->room)
		return 0;
	all = realloc(s->all, room * sizeof(*s->all));
	if (!all)
		return -ENOMEM;
	s->all = all;
	s->room = room;
	return 0;
}

/* Values of the table are numbers: its keys are hashes, and a second text of one hash goes on to
 * the next key. */
static size_t strings_find(const struct strings *s, const char *text, size_t length,
			   struct table_key *key)
{
	for (*key = (struct table_key){hash_of(text, length), length};; key->b += STRING_MOST + 1) {
		size_t number = (uintptr_t)table_get(&s->by_text, *key);

		if (!number || (s->all[number - 1].length == length &&
				!memcmp(s->all[number - 1].text, text, length)))
			return number;
	}
}

size_t strings_add(struct strings *s, const char *text, size_t length)
{
	struct table_key key;
	size_t number, size;

	if (!text || !length)
		return 0;
	length = length < STRING_MOST ? length : STRING_MOST;
	number = strings_find(s, text, length, &key);
	if (number)
		return number;
	size = strings_size(text, length);
	if (s->bytes + size > STRINGS_BYTES) {
		s->refused++;
		return 0;
	}
	text = arena_copy(s->arena, text, length);
	if (!text || make_room(s) ||
	    table_put(&s->by_text, key, (void *)(uintptr_t)(s->count + 1))) {
		s->err = -ENOMEM;
		return 0;
	}
	s->all[s->count].text = text;
	s->all[s->count].length = length;
	s->bytes += size;
	return ++s->count;
}

size_t strings_text(struct strings *s, const char *text)
{
	return text ? strings_add(s, text, strlen(text)) : 0;
}

void strings_write(FILE *out, const struct strings *s)
{
	fputs("[\"\"", out);
	for (size_t i = 0; i < s->count; i++) {
		fputc(',', out);
		markup_json(out, s->all[i].text, s->all[i].length);
	}
	fputc(']', out);
}

void strings_free(struct strings *s)
{
	table_free(&s->by_text);
	free(s->all);
}
