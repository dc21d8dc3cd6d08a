/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python_line.c - see python_line.h; the tables are described in CPython's
 * Objects/lnotab_notes.txt (up to 3.10) and Objects/locations.md (from 3.11 on).
 */
#include "user/capture/stack/python_line.h"

#include <stdbool.h>
#include <string.h>

#include "user/base/utf8.h"

#define UNIT	2 /* bytes of an instruction */
#define NO_LINE (-128)

/* Location codes of 3.11 and later. */
enum {
	CODE_ONE_LINE = 10, /* 10 to 12: the line is (code - 10) lines further on */
	CODE_NO_COLUMNS = 13,
	CODE_LONG = 14,
	CODE_NONE = 15,
};

struct pyline_reader {
	const uint8_t *at, *end;
};

/* The spans found so far. */
struct span_list {
	struct python_span *spans;
	size_t count, most;
};

/* Lines of CPython fit an int. */
static uint32_t python_line_whole(int64_t line)
{
	return line > 0 && line <= INT32_MAX ? (uint32_t)line : 0;
}

/* Adds the code up to `end`, unless nothing is left of it.  False: there is no room. */
static bool span_add(struct span_list *l, uint64_t end, int64_t line)
{
	struct python_span *last = l->count ? &l->spans[l->count - 1] : NULL;
	uint32_t whole = python_line_whole(line);

	if (end == (last ? last->end : 0))
		return true;
	if (last && last->line == whole) {
		last->end = (uint32_t)end;
		return true;
	}
	if (l->count == l->most)
		return false;
	l->spans[l->count++] = (struct python_span){(uint32_t)end, whole};
	return true;
}

/* co_lnotab, up to 3.9: pairs of a step in the code and the step in lines that counts from there
 * on. */
static void spans_by_lnotab(struct pyline_reader r, int64_t line, struct span_list *out)
{
	uint64_t address = 0;

	for (; r.end - r.at >= 2; r.at += 2) {
		address += r.at[0];
		if (!span_add(out, address, line))
			return;
		line += (int8_t)r.at[1];
	}
	span_add(out, UINT32_MAX, line);
}

/* co_linetable of 3.10: pairs of a length in the code and the step in lines before that part;
 * NO_LINE: the part has no line. */
static void spans_by_linetable(struct pyline_reader r, int64_t line, struct span_list *out)
{
	uint64_t end = 0;

	for (; r.end - r.at >= 2; r.at += 2) {
		int8_t lines = (int8_t)r.at[1];

		end += r.at[0];
		if (lines != NO_LINE)
			line += lines;
		if (!span_add(out, end, lines == NO_LINE ? 0 : line))
			return;
	}
}

/* Reads a number of variable length: six bits in each byte, the lowest first. */
static uint32_t python_line_read_number(struct pyline_reader *r)
{
	uint32_t value = 0;

	for (unsigned int shift = 0; r->at < r->end; shift += 6) {
		uint8_t byte = *r->at++;

		if (shift < 32)
			value |= (uint32_t)(byte & 63) << shift;
		if (!(byte & 64))
			break;
	}
	return value;
}

static int64_t read_signed(struct pyline_reader *r)
{
	uint32_t value = python_line_read_number(r);

	return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

/* Returns an entry's step in lines, and skips its columns. */
static int64_t read_location(struct pyline_reader *r, unsigned int code)
{
	int64_t lines = 0;

	if (code == CODE_LONG) {
		lines = read_signed(r);
		for (int i = 0; i < 3; i++)
			python_line_read_number(r);
	} else if (code == CODE_NO_COLUMNS) {
		lines = read_signed(r);
	} else if (code != CODE_NONE) {
		size_t columns = code >= CODE_ONE_LINE ? 2 : 1;

		lines = code >= CODE_ONE_LINE ? code - CODE_ONE_LINE : 0;
		r->at += (size_t)(r->end - r->at) < columns ? r->end - r->at : (ptrdiff_t)columns;
	}
	return lines;
}

/* Location table, from 3.11 on.  Each entry begins with a byte whose highest bit is set; it holds
 * the location code and the length in units of code. */
static void spans_by_locations(struct pyline_reader r, int64_t line, struct span_list *out)
{
	uint64_t end = 0;

	while (r.at < r.end) {
		uint8_t first = *r.at++;
		unsigned int code = first >> 3 & 15;

		if (!(first & 0x80))
			return;
		line += read_location(&r, code);
		end += (uint64_t)(((first & 7) + 1) * UNIT);
		if (!span_add(out, end, code == CODE_NONE ? 0 : line))
			return;
	}
}

size_t python_spans(enum python_lines kind, const uint8_t *table, size_t size, uint32_t first,
		    struct python_span *spans, size_t most)
{
	struct pyline_reader r = {table, table + size};
	struct span_list list = {spans, 0, most};

	switch (kind) {
	case PYTHON_LNOTAB:
		spans_by_lnotab(r, first, &list);
		break;
	case PYTHON_LINETABLE:
		spans_by_linetable(r, first, &list);
		break;
	case PYTHON_LOCATIONS:
		spans_by_locations(r, first, &list);
		break;
	}
	return list.count;
}

uint32_t python_line(const struct python_span *spans, size_t n, uint32_t at)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (spans[middle].end > at)
			high = middle;
		else
			low = middle + 1;
	}
	return low < n ? spans[low].line : 0;
}

static uint32_t character_at(const uint8_t *from, size_t i, unsigned int kind)
{
	uint16_t two;
	uint32_t four;

	if (kind == 1)
		return from[i];
	if (kind == 2) {
		memcpy(&two, from + 2 * i, sizeof(two));
		return two;
	}
	memcpy(&four, from + 4 * i, sizeof(four));
	return four;
}

/* Writes one character; to has room for 4 bytes.  Returns how many bytes it takes. */
static size_t encode(uint32_t c, char *to)
{
	if (!c || c > 0x10ffff)
		c = '?';
	if (c >= 0xdc80 && c <= 0xdcff) {
		to[0] = (char)(c - 0xdc00);
		return 1;
	}
	return utf8_put(to, c);
}

size_t python_text(const uint8_t *from, size_t characters, unsigned int kind, char *to, size_t room)
{
	size_t used = 0;
	char bytes[4];

	for (size_t i = 0; i < characters; i++) {
		size_t n = encode(character_at(from, i, kind), bytes);

		if (n >= room - used)
			break;
		memcpy(to + used, bytes, n);
		used += n;
	}
	to[used] = '\0';
	return used;
}
