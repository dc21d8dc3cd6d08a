/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python_line.h - the line of a place in Python code, and Python's strings as bytes.
 *
 * The input is copied from a watched program's memory and may hold anything: no read outside of the
 * copy, no endless loop; bad data gives "not known".
 */
#ifndef DBLEAK_CAPTURE_PYTHON_LINE_H
#define DBLEAK_CAPTURE_PYTHON_LINE_H

#include <stddef.h>
#include <stdint.h>

/* How a code object maps its instructions to lines. */
enum python_lines {
	PYTHON_LNOTAB = 0,    /* up to 3.9 */
	PYTHON_LINETABLE = 1, /* 3.10 */
	PYTHON_LOCATIONS = 2, /* from 3.11 on */
};

/* Returns the line of the instruction `at` bytes into the code whose function begins on `first`.
 * 0: the table has none. */
uint32_t python_line(enum python_lines kind, const uint8_t *table, size_t size, uint32_t at,
		     uint32_t first);

/* Writes a string's characters, of `kind` bytes each (1 Latin-1, 2 or 4), as UTF-8.  A byte that
 * Python could not decode (surrogateescape) becomes itself again, a NUL a question mark.  Whole
 * characters that do not fit are left out.  room is above 0.  Returns the bytes written, less the
 * NUL behind them. */
size_t python_text(const uint8_t *from, size_t characters, unsigned int kind, char *to,
		   size_t room);

#endif
