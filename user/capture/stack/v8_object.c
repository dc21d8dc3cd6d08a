/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * v8_object.c - reads objects of V8's heap: small numbers, texts, scopes.
 */
#include "user/capture/stack/v8.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/stack/v8_state.h"

bool v8_object_at(const struct v8_walk *w, uint64_t tagged, uint64_t *at, uint16_t *type)
{
	uint64_t map;

	*at = tagged - 1;
	return (tagged & 3) == 1 && !memory_u64(w->m, *at, &map) && (map & 3) == 1 &&
	       !memory_read(w->m, map - 1 + (uint64_t)w->v->map_type, type, sizeof(*type));
}

bool v8_object_in(const struct v8_walk *w, uint64_t object, int32_t field, uint64_t *at,
		  uint16_t *type)
{
	uint64_t tagged;

	return !memory_u64(w->m, object + (uint64_t)field, &tagged) &&
	       v8_object_at(w, tagged, at, type);
}

bool v8_object_of_type(const struct v8_walk *w, uint64_t object, int32_t field, int32_t wanted,
		       uint64_t *at)
{
	uint16_t type;

	return v8_object_in(w, object, field, at, &type) && type == wanted;
}

bool v8_is_small(uint64_t word)
{
	return !(word & 0xffffffff);
}

uint32_t v8_small_of(uint64_t word)
{
	return (uint32_t)(word >> 32);
}

#define BLOCK 1024 /* characters, of a script that is read from its beginning */
#define AHEAD (16 * 4096)

/* Whoever reads a script block by block will want the next ones, too. */
static void look_ahead(const struct v8_walk *w, uint64_t at, uint32_t n, uint64_t left)
{
	if (n == BLOCK)
		memory_look_ahead(w->m, &at, 1, left < AHEAD ? left : AHEAD);
}

/* Reads n characters of a string, starting with the character `from`.  False: they cannot be
 * read. */
static bool characters(const struct v8_walk *w, uint64_t at, uint16_t type, uint32_t from,
		       uint32_t n, unsigned int depth, uint16_t *out)
{
	const struct v8 *v = w->v;
	uint8_t narrow[BLOCK];
	uint32_t length, first;
	uint64_t word;

	if (type >= v->is_string_below || depth > DEPTH_MOST || n > sizeof(narrow) ||
	    memory_read(w->m, at + (uint64_t)v->string_length, &length, sizeof(length)) ||
	    from > length || n > length - from)
		return false;
	type &= (uint16_t)v->representation | (uint16_t)v->one_byte;
	if (type == v->one_byte) {
		at += (uint64_t)v->one_byte_data + from;
		look_ahead(w, at, n, length - from);
		if (memory_read(w->m, at, narrow, n))
			return false;
		for (uint32_t i = 0; i < n; i++)
			out[i] = narrow[i];
		return true;
	}
	if (!type) {
		at += (uint64_t)v->two_byte_data + 2ULL * from;
		look_ahead(w, at, n, 2ULL * (length - from));
		return !memory_read(w->m, at, out, 2ULL * n);
	}
	type &= (uint16_t)v->representation;
	depth++;
	if (type == v->thin)
		return v8_object_in(w, at, v->thin_actual, &at, &type) &&
		       characters(w, at, type, from, n, depth, out);
	if (type == v->sliced)
		return !memory_u64(w->m, at + (uint64_t)v->sliced_offset, &word) &&
		       v8_is_small(word) && v8_object_in(w, at, v->sliced_parent, &at, &type) &&
		       characters(w, at, type, v8_small_of(word) + from, n, depth, out);
	if (type != v->cons)
		return false; /* an external string: V8 does not hold its characters */
	if (!v8_object_in(w, at, v->cons_first, &word, &type) ||
	    memory_read(w->m, word + (uint64_t)v->string_length, &first, sizeof(first)))
		return false;
	if (from < first) {
		uint32_t part = n < first - from ? n : first - from;

		if (!characters(w, word, type, from, part, depth, out))
			return false;
		out += part;
		from += part;
		n -= part;
	}
	return !n || (v8_object_in(w, at, v->cons_second, &word, &type) &&
		      characters(w, word, type, from - first, n, depth, out));
}

const char *v8_text_of(const struct v8_walk *w, uint64_t at, uint16_t type)
{
	uint16_t wide[TEXT_MOST];
	char text[3 * TEXT_MOST];
	uint32_t length;
	size_t n = 0;

	if (type >= w->v->is_string_below ||
	    memory_read(w->m, at + (uint64_t)w->v->string_length, &length, sizeof(length)) ||
	    !length || length > TEXT_MOST || !characters(w, at, type, 0, length, 0, wide))
		return NULL;
	for (uint32_t i = 0; i < length; i++) {
		uint32_t c = wide[i];

		if (c >= 0xd800 && c < 0xdc00 && i + 1 < length && wide[i + 1] >= 0xdc00 &&
		    wide[i + 1] < 0xe000)
			c = 0x10000 + ((c - 0xd800) << 10) + (wide[++i] - 0xdc00);
		n += utf8_put(text + n, c);
	}
	return texts_add(w->t, text, n);
}

bool v8_scope_read(const struct v8_walk *w, uint64_t scope, const char **name, uint32_t *begin)
{
	const struct v8 *v = w->v;
	uint64_t locals, slot[NAME_SLOTS], first, at, place = 1;
	uint16_t type;

	scope += 8; /* skip its map */
	if (memory_u64(w->m, scope + 8ULL * (uint64_t)v->scope_locals, &locals) ||
	    !v8_is_small(locals) || v8_small_of(locals) > LOCALS_MOST)
		return false;
	locals = v8_small_of(locals);
	first = (uint64_t)v->scope_first + locals + (locals < LOCALS_INLINE ? locals : 1);
	if (memory_read(w->m, scope + 8 * first, slot, sizeof(slot)))
		return false;
	if (v->scope_first > SCOPE_COUNTS) /* V8 13: the place comes first */
		memory_u64(w->m, scope + 8 * SCOPE_COUNTS, &place);
	for (size_t i = 0; i < NAME_SLOTS; i++) {
		if (!v8_is_small(slot[i]) && !*name && v8_object_at(w, slot[i], &at, &type))
			*name = v8_text_of(w, at, type);
		if (i && v8_is_small(slot[i]) && v8_is_small(slot[i - 1]) &&
		    v8_small_of(slot[i - 1]) < v8_small_of(slot[i]) && !v8_is_small(place))
			place = slot[i - 1];
	}
	*begin = v8_small_of(place);
	return v8_is_small(place);
}

void v8_place_read(const struct v8_walk *w, uint64_t script, uint32_t position, struct frame *f)
{
	uint16_t block[BLOCK], type, last = 0;
	uint32_t line = 1, begin = 0;
	uint64_t source, offset;

	if (position > POSITION_MOST ||
	    !v8_object_in(w, script, w->v->script_source, &source, &type))
		return;
	for (uint32_t at = 0; at < position; at += BLOCK) {
		uint32_t n = position - at < BLOCK ? position - at : BLOCK;

		if (!characters(w, source, type, at, n, 0, block))
			return;
		for (uint32_t i = 0; i < n; i++) {
			uint16_t c = block[i];

			if (c == '\n' && last == '\r')
				begin = at + i + 1;
			else if (c == '\n' || c == '\r' || c == 0x2028 || c == 0x2029) {
				begin = at + i + 1;
				line++;
			}
			last = c;
		}
	}
	f->line = line;
	f->column = position - begin + 1;
	/* A script may begin further down in its file: its line offset follows its name. */
	if (!memory_u64(w->m, script + (uint64_t)w->v->script_name + 8, &offset) &&
	    v8_is_small(offset) && v8_small_of(offset) < POSITION_MOST)
		f->line += v8_small_of(offset);
}
