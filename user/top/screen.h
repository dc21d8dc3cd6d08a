/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * screen.h - a grid of character cells: what a terminal is to show, without a terminal.
 *
 * Text is escaped as in the reports, so a cell never holds a control, an invisible character or
 * one that turns the direction of writing.  What lies outside the grid is left out.
 */
#ifndef DBLEAK_TOP_SCREEN_H
#define DBLEAK_TOP_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCREEN_ROWS_MOST    500
#define SCREEN_COLUMNS_MOST 1000

enum screen_style {
	STYLE_PLAIN,
	STYLE_BOLD,
	STYLE_DIM,
	STYLE_GREEN,
	STYLE_YELLOW,
	STYLE_RED,
	STYLE_BAR, /* a heading or the keys */
	STYLE_CURSOR,
	STYLES,
};

/* The right half of a character that is two columns wide. */
#define SCREEN_HALF 0

struct screen_cell {
	uint32_t code; /* of Unicode; SCREEN_HALF */
	uint8_t style; /* enum screen_style */
};

struct screen {
	size_t rows, columns;
	bool utf8; /* else only ASCII is shown, and ? for all else */
	struct screen_cell *cells;
};

/* Gives the screen a size, within the bounds above, and clears it.  A zeroed screen has none.
 * 0 or -ENOMEM: the screen has no cell then. */
int screen_size(struct screen *s, size_t rows, size_t columns);
void screen_free(struct screen *s);
void screen_clear(struct screen *s);

/* The cell at a place inside the grid. */
const struct screen_cell *screen_at(const struct screen *s, size_t row, size_t column);

/* Writes text into at most so many columns; the last three are dots where it is cut.  Returns the
 * columns used. */
size_t screen_text(struct screen *s, size_t row, size_t column, size_t columns,
		   enum screen_style style, const char *text);
/* The same, its end at the right edge of those columns. */
void screen_text_right(struct screen *s, size_t row, size_t column, size_t columns,
		       enum screen_style style, const char *text);
/* Writes one character of ours: plain stands for it where the terminal has no UTF-8. */
void screen_sign(struct screen *s, size_t row, size_t column, enum screen_style style,
		 uint32_t code, char plain);
/* Gives a part of a row another style. */
void screen_paint(struct screen *s, size_t row, size_t column, size_t columns,
		  enum screen_style style);

/* Writes a row as UTF-8 without blanks at its end, and a NUL: SCREEN_COLUMNS_MOST * 4 + 1 bytes
 * suffice.  Returns its length. */
size_t screen_row_text(const struct screen *s, size_t row, char *out);

#endif
