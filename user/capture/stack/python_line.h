/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python_line.h - the line of a place in Python code, and Python's strings as bytes.
 *
 * The process that reads objects decodes tables and strings.  dbleak itself keeps the spans and
 * looks places up in them.  The input is copied from a watched program's memory and may hold
 * anything: no read outside of the copy, no endless loop; bad data gives "not known".
 */
#ifndef DBLEAK_CAPTURE_PYTHON_LINE_H
#define DBLEAK_CAPTURE_PYTHON_LINE_H

#include <stddef.h>
#include <stdint.h>

/* The way in which a code object maps its instructions to lines. */
enum python_lines {
	PYTHON_LNOTAB = 0,    /* up to 3.9 */
	PYTHON_LINETABLE = 1, /* 3.10 */
	PYTHON_LOCATIONS = 2, /* from 3.11 on */
};

/* A part of a function's code that comes from one line.  It begins where the one before ends. */
struct python_span {
	uint32_t end;  /* offset of the first byte behind it; UINT32_MAX: the rest of the code */
	uint32_t line; /* 0 none */
};

/* Decodes the table of lines of a function that begins on line `first` into at most `most` spans.
 * Code behind them has no line.  Returns how many. */
size_t python_spans(enum python_lines kind, const uint8_t *table, size_t size, uint32_t first,
		    struct python_span *spans, size_t most);
/* Returns the line of the instruction `at` bytes into the code; 0 none. */
uint32_t python_line(const struct python_span *spans, size_t n, uint32_t at);

/* Writes a string's characters, of `kind` bytes each (1 Latin-1, 2 or 4), as UTF-8.  A byte that
 * Python could not decode (surrogateescape) becomes itself again, a NUL a question mark.  Whole
 * characters that do not fit are left out.  room is above 0.  Returns the bytes written, less the
 * NUL behind them. */
size_t python_text(const uint8_t *from, size_t characters, unsigned int kind, char *to,
		   size_t room);

#endif
