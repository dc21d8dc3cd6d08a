/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * screen.c - see screen.h.
 */
#include "user/top/screen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/base/utf8.h"

#define FITTED (4 * SCREEN_COLUMNS_MOST + 1)

void screen_free(struct screen *s)
{
	free(s->cells);
	s->cells = NULL;
	s->rows = s->columns = 0;
}

void screen_clear(struct screen *s)
{
	for (size_t i = 0; i < s->rows * s->columns; i++)
		s->cells[i] = (struct screen_cell){.code = ' '};
}

int screen_size(struct screen *s, size_t rows, size_t columns)
{
	rows = rows < SCREEN_ROWS_MOST ? rows : SCREEN_ROWS_MOST;
	columns = columns < SCREEN_COLUMNS_MOST ? columns : SCREEN_COLUMNS_MOST;
	if (rows != s->rows || columns != s->columns || !s->cells) {
		screen_free(s);
		s->cells = calloc(rows * columns + 1, sizeof(*s->cells));
		if (!s->cells)
			return -ENOMEM;
		s->rows = rows;
		s->columns = columns;
	}
	screen_clear(s);
	return 0;
}

const struct screen_cell *screen_at(const struct screen *s, size_t row, size_t column)
{
	return &s->cells[row * s->columns + column];
}

static void screen_set(struct screen *s, size_t row, size_t column, enum screen_style style,
		       uint32_t code)
{
	if (row < s->rows && column < s->columns)
		s->cells[row * s->columns + column] = (struct screen_cell){.code = code,
									   .style = (uint8_t)style};
}

/* The character of a unit that escape_next has checked. */
static uint32_t code_of(const struct escape_unit *unit)
{
	const unsigned char *t = (const unsigned char *)unit->text;

	switch (unit->length) {
	case 2:
		return (t[0] & 0x1fU) << 6 | (t[1] & 0x3fU);
	case 3:
		return (t[0] & 0x0fU) << 12 | (t[1] & 0x3fU) << 6 | (t[2] & 0x3fU);
	default:
		return (t[0] & 0x07U) << 18 | (t[1] & 0x3fU) << 12 | (t[2] & 0x3fU) << 6 |
		       (t[3] & 0x3fU);
	}
}

/* Marks that are put on the character before them, and letters of writing from right to left:
 * terminals disagree about both, and each would move what stands behind. */
static bool is_restless(uint32_t code)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{0x0300, 0x036f},   {0x0483, 0x0489},	{0x0590, 0x08ff},   {0x0900, 0x0dff},
		{0x0e31, 0x0e3a},   {0x0e47, 0x0e4e},	{0x0eb1, 0x0ebc},   {0x0ec8, 0x0ece},
		{0x0f18, 0x0fc6},   {0x102b, 0x109d},	{0x135d, 0x135f},   {0x1712, 0x17dd},
		{0x1885, 0x18a9},   {0x1920, 0x193b},	{0x1a17, 0x1cff},   {0x1dc0, 0x1dff},
		{0x20d0, 0x20f0},   {0x2cef, 0x2cf1},	{0x2d7f, 0x2dff},   {0x302a, 0x302f},
		{0x3099, 0x309a},   {0xa66f, 0xa69f},	{0xa6f0, 0xa6f1},   {0xa802, 0xaaf6},
		{0xabe3, 0xabed},   {0xfb1d, 0xfdff},	{0xfe20, 0xfe2f},   {0xfe70, 0xfefc},
		{0x10000, 0x1afff}, {0x1d165, 0x1d244}, {0x1da00, 0x1efff}, {0x1f3fb, 0x1f3ff},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	return false;
}

static void set_unit(struct screen *s, size_t row, size_t column, enum screen_style style,
		     const struct escape_unit *unit)
{
	bool ascii = !(unit->text[0] & 0x80);
	uint32_t code = ascii ? 0 : code_of(unit);
	bool shown = !ascii && s->utf8 && !is_restless(code);

	for (size_t i = 0; i < unit->columns; i++)
		if (ascii)
			screen_set(s, row, column + i, style, (uint32_t)unit->text[i]);
		else
			screen_set(s, row, column + i, style,
				   !shown ? '?'
				   : i	  ? SCREEN_HALF
					  : code);
}

size_t screen_text(struct screen *s, size_t row, size_t column, size_t columns,
		   enum screen_style style, const char *text)
{
	struct escape_unit unit;
	char fitted[FITTED];
	size_t room = column < s->columns ? s->columns - column : 0, used = 0, length;

	if (row >= s->rows || !room)
		return 0;
	columns = columns < room ? columns : room;
	escape_fit(fitted, sizeof(fitted), text, strlen(text), columns, ESCAPE_CUT_END);
	length = strlen(fitted);
	for (size_t at = 0; at < length; used += unit.columns) {
		at += escape_next(&unit, fitted + at, length - at);
		set_unit(s, row, column + used, style, &unit);
	}
	return used;
}

void screen_text_right(struct screen *s, size_t row, size_t column, size_t columns,
		       enum screen_style style, const char *text)
{
	size_t need = escape_columns(text, strlen(text));

	if (need < columns) {
		column += columns - need;
		columns = need;
	}
	screen_text(s, row, column, columns, style, text);
}

void screen_sign(struct screen *s, size_t row, size_t column, enum screen_style style,
		 uint32_t code, char plain)
{
	screen_set(s, row, column, style, s->utf8 ? code : (uint32_t)plain);
}

void screen_paint(struct screen *s, size_t row, size_t column, size_t columns,
		  enum screen_style style)
{
	for (size_t i = column; row < s->rows && i < column + columns && i < s->columns; i++)
		s->cells[row * s->columns + i].style = (uint8_t)style;
}

size_t screen_row_text(const struct screen *s, size_t row, char *out)
{
	size_t length = 0, end = 0;

	for (size_t i = 0; i < s->columns; i++) {
		uint32_t code = screen_at(s, row, i)->code;

		if (code == SCREEN_HALF)
			continue;
		length += utf8_put(out + length, code);
		if (code != ' ')
			end = length;
	}
	out[end] = '\0';
	return end;
}
