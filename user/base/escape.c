/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * escape.c - strings of watched programs made harmless.
 *
 * A process can name itself, its database and its SQL as it likes, so each byte is suspect:
 * terminal commands (C0, C1, DEL), text that runs backwards or hides (bidi, zero width), broken
 * UTF-8.
 */
#include "user/base/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOT_A_CHARACTER 0xffffffffU
#define REPLACEMENT	"\xef\xbf\xbd"
#define DOTS		"..."

struct escape_range {
	uint32_t first, last;
};

/* The lead bytes of UTF-8 and the bytes that may follow each: no overlong forms, no surrogates. */
static const struct lead {
	uint8_t first, last, second_first, second_last, more;
} leads[] = {
	{0xc2, 0xdf, 0x80, 0xbf, 1}, {0xe0, 0xe0, 0xa0, 0xbf, 2}, {0xe1, 0xec, 0x80, 0xbf, 2},
	{0xed, 0xed, 0x80, 0x9f, 2}, {0xee, 0xef, 0x80, 0xbf, 2}, {0xf0, 0xf0, 0x90, 0xbf, 3},
	{0xf1, 0xf3, 0x80, 0xbf, 3}, {0xf4, 0xf4, 0x80, 0x8f, 3},
};

/* Controls, marks that change direction, and all characters that are invisible. */
static const struct escape_range hidden[] = {
	{0x0000, 0x001f},   {0x007f, 0x009f},	{0x00ad, 0x00ad},     {0x034f, 0x034f},
	{0x061c, 0x061c},   {0x115f, 0x1160},	{0x17b4, 0x17b5},     {0x180b, 0x180f},
	{0x200b, 0x200f},   {0x2028, 0x202e},	{0x2060, 0x206f},     {0x3164, 0x3164},
	{0xfdd0, 0xfdef},   {0xfe00, 0xfe0f},	{0xfeff, 0xfeff},     {0xffa0, 0xffa0},
	{0xfff0, 0xfffb},   {0xfffe, 0xffff},	{0x1bca0, 0x1bca3},   {0x1d173, 0x1d17a},
	{0xe0000, 0xe0fff}, {0xffffe, 0xfffff}, {0x10fffe, 0x10ffff},
};

/* Two columns wide: East Asian writing and emoji, in whole blocks. */
static const struct escape_range wide[] = {
	{0x1100, 0x115e},   {0x231a, 0x231b},	{0x2329, 0x232a},   {0x23e9, 0x23f3},
	{0x25fd, 0x25fe},   {0x2600, 0x27bf},	{0x2b00, 0x2bff},   {0x2e80, 0x303e},
	{0x3041, 0xa4cf},   {0xa960, 0xa97f},	{0xac00, 0xd7a3},   {0xf900, 0xfaff},
	{0xfe10, 0xfe19},   {0xfe30, 0xfe6f},	{0xff00, 0xff60},   {0xffe0, 0xffe6},
	{0x16fe0, 0x18dff}, {0x1aff0, 0x1b2ff}, {0x1f000, 0x1faff}, {0x20000, 0x3fffd},
};

static bool in_ranges(const struct escape_range *ranges, size_t count, uint32_t code)
{
	for (size_t i = 0; i < count; i++)
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	return false;
}

#define IN(ranges, code) in_ranges(ranges, sizeof(ranges) / sizeof((ranges)[0]), code)

static const struct lead *lead_of(uint8_t byte)
{
	for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++)
		if (byte >= leads[i].first && byte <= leads[i].last)
			return &leads[i];
	return NULL;
}

/* Decodes one character; NOT_A_CHARACTER: a broken part.  Returns the bytes of either. */
static size_t utf8_next(uint32_t *code, const uint8_t *s, size_t len)
{
	const struct lead *lead = lead_of(s[0]);

	*code = s[0] < 0x80 ? s[0] : NOT_A_CHARACTER;
	if (!lead)
		return 1;

	uint32_t value = s[0] & (0x3f >> lead->more);

	for (size_t i = 1; i <= lead->more; i++) {
		uint8_t low = i == 1 ? lead->second_first : 0x80;
		uint8_t high = i == 1 ? lead->second_last : 0xbf;

		if (i >= len || s[i] < low || s[i] > high)
			return i;
		value = value << 6 | (s[i] & 0x3f);
	}
	*code = value;
	return lead->more + 1;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* An escape written earlier stays in one piece when its text is wrapped or shortened later. */
static bool is_written_escape(const char *s, size_t len)
{
	return len >= 4 && s[0] == '\\' && s[1] == 'x' && is_hex(s[2]) && is_hex(s[3]);
}

static void unit_set(struct escape_unit *unit, const char *text, size_t length, size_t columns)
{
	memcpy(unit->text, text, length);
	unit->text[length] = '\0';
	unit->length = (unsigned char)length;
	unit->columns = (unsigned char)columns;
}

static void unit_escape(struct escape_unit *unit, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		snprintf(unit->text + 4 * i, 5, "\\x%02x", (uint8_t)s[i]);
	unit->length = unit->columns = (unsigned char)(4 * len);
}

/* Most characters are: an answer for them before any table is asked. */
static bool is_plain_ascii(char c)
{
	return c >= ' ' && c < 0x7f && c != '\\';
}

size_t escape_next(struct escape_unit *unit, const char *s, size_t len)
{
	uint32_t code;

	if (!len)
		return 0;
	if (is_plain_ascii(*s)) {
		unit_set(unit, s, 1, 1);
		return 1;
	}
	if (is_written_escape(s, len)) {
		unit_set(unit, s, 4, 4);
		return 4;
	}
	size_t used = utf8_next(&code, (const uint8_t *)s, len);

	if (code == NOT_A_CHARACTER || IN(hidden, code))
		unit_escape(unit, s, used);
	else
		unit_set(unit, s, used, IN(wide, code) ? 2 : 1);
	return used;
}

size_t escape_columns(const char *s, size_t len)
{
	struct escape_unit unit;
	size_t columns = 0;

	for (size_t at = 0; at < len; columns += unit.columns)
		at += escape_next(&unit, s + at, len - at);
	return columns;
}

/* A bounded string under construction; a unit that does not fit whole is left out. */
struct target {
	char *out;
	size_t size, length;
};

static void target_add(struct target *t, const char *text, size_t length)
{
	if (t->length + length >= t->size)
		return;
	memcpy(t->out + t->length, text, length);
	t->length += length;
	t->out[t->length] = '\0';
}

/* Adds units from s while they fit in `columns`.  Returns the bytes taken. */
static size_t target_fill(struct target *t, const char *s, size_t len, size_t columns, size_t *used)
{
	struct escape_unit unit;
	size_t at = 0;

	while (at < len) {
		size_t bytes = escape_next(&unit, s + at, len - at);

		if (*used + unit.columns > columns)
			break;
		target_add(t, unit.text, unit.length);
		*used += unit.columns;
		at += bytes;
	}
	return at;
}

/* Returns where the longest tail of at most `columns` columns starts; total: the columns of all of
 * s. */
static size_t tail_start(const char *s, size_t len, size_t total, size_t columns)
{
	struct escape_unit unit;
	size_t at = 0;

	while (at < len && total > columns) {
		at += escape_next(&unit, s + at, len - at);
		total -= unit.columns;
	}
	return at;
}

size_t escape_fit(char *out, size_t out_size, const char *s, size_t len, size_t columns,
		  enum escape_cut cut)
{
	struct target t = {out, out_size, 0};
	size_t total = escape_columns(s, len), used = 0;

	if (!out_size)
		return 0;
	out[0] = '\0';
	if (total <= columns) {
		target_fill(&t, s, len, columns, &used);
		return used;
	}
	size_t dots = columns < strlen(DOTS) ? columns : strlen(DOTS);
	size_t tail = cut == ESCAPE_CUT_MIDDLE ? (columns - dots) / 2 : 0;

	target_fill(&t, s, len, columns - dots - tail, &used);
	target_add(&t, DOTS, dots);
	used += dots;

	size_t rest = tail_start(s, len, total, tail);

	target_fill(&t, s + rest, len - rest, columns, &used);
	return used;
}

/* A number stays with its unit where the line has another space. */
static bool is_before_unit(const char *s, size_t at)
{
	return at && s[at - 1] >= '0' && s[at - 1] <= '9';
}

/* Returns the end of the longest part of s that fits: at the last space if there is one, else
 * behind a slash of its path. */
static size_t line_end(const char *s, size_t len, size_t columns)
{
	struct escape_unit unit;
	size_t at = 0, used = 0, space = 0, unit_space = 0, slash = 0;

	while (at < len) {
		size_t bytes = escape_next(&unit, s + at, len - at);

		if (s[at] == ' ' && is_before_unit(s, at))
			unit_space = at;
		else if (s[at] == ' ')
			space = at;
		if (used + unit.columns > columns && s[at] != ' ')
			return space ? space : unit_space ? unit_space : slash ? slash : at;
		if (s[at] == '/' && at)
			slash = at + 1;
		used += unit.columns;
		at += bytes;
	}
	return len;
}

size_t escape_line(char *out, size_t out_size, const char *s, size_t len, size_t columns)
{
	struct target t = {out, out_size, 0};
	size_t end = line_end(s, len, columns), used = 0, text_end = end;

	if (out_size)
		out[0] = '\0';
	while (text_end && s[text_end - 1] == ' ')
		text_end--;
	target_fill(&t, s, text_end, columns, &used);
	while (end < len && s[end] == ' ')
		end++;
	return end;
}

char *escape_terminal(const char *s, size_t len)
{
	struct target t = {NULL, 4 * len + 1, 0};
	size_t used = 0;

	t.out = malloc(t.size);
	if (!t.out)
		return NULL;
	t.out[0] = '\0';
	target_fill(&t, s, len, 4 * len, &used);
	return t.out;
}

char *escape_utf8(const char *s, size_t len)
{
	struct target t = {NULL, 3 * len + 1, 0};
	uint32_t code;

	t.out = malloc(t.size);
	if (!t.out)
		return NULL;
	t.out[0] = '\0';
	for (size_t at = 0; at < len;) {
		size_t bytes = utf8_next(&code, (const uint8_t *)s + at, len - at);

		if (code == NOT_A_CHARACTER || !code)
			target_add(&t, REPLACEMENT, strlen(REPLACEMENT));
		else
			target_add(&t, s + at, bytes);
		at += bytes;
	}
	return t.out;
}
