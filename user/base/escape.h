/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * escape.h - strings of watched programs made harmless: for a terminal, and as UTF-8 for JSON.
 *
 * Text is taken apart into units: one printable character, or one escape such as \x1b.  Nothing
 * here splits a unit.  It refuses to interpret: white space is not trimmed, and a backslash in
 * the text stays as it is, so escaping twice changes nothing and cannot be undone.
 */
#ifndef DBLEAK_BASE_ESCAPE_H
#define DBLEAK_BASE_ESCAPE_H

#include <stddef.h>

#define ESCAPE_UNIT_COLUMNS 16 /* the widest: four bytes, each \xNN */

struct escape_unit {
	char text[ESCAPE_UNIT_COLUMNS + 1]; /* printable, ends with NUL */
	unsigned char length;		    /* bytes of text, at least 1 */
	unsigned char columns; /* on a terminal, at least 1: rather too many than too few */
};

/* The place where escape_fit leaves out text that does not fit. */
enum escape_cut { ESCAPE_CUT_END, ESCAPE_CUT_MIDDLE };

/* The unit at the start of s.  Returns how many bytes of s it stands for; 0 only if len is 0. */
size_t escape_next(struct escape_unit *unit, const char *s, size_t len);

/* Columns of the escaped text. */
size_t escape_columns(const char *s, size_t len);

/* Writes s escaped, in at most `columns` columns, with "..." for what was left out.  Ends with NUL;
 * a buffer of 4 * columns + 1 bytes always suffices.  Returns the columns used. */
size_t escape_fit(char *out, size_t out_size, const char *s, size_t len, size_t columns,
		  enum escape_cut cut);

/* Writes the next line of a text wrapped at `columns` (at least ESCAPE_UNIT_COLUMNS), broken at
 * spaces where it can be.  Buffer as above.  Returns how many bytes of s it took, the spaces after
 * the line included. */
size_t escape_line(char *out, size_t out_size, const char *s, size_t len, size_t columns);

/* The whole text escaped for a terminal.  The caller frees it; NULL if there is no memory. */
char *escape_terminal(const char *s, size_t len);

/* The text with U+FFFD for what is not valid UTF-8 (one for each maximal broken part) and for NUL.
 * Control characters stay: JSON escapes them itself.  The caller frees it; NULL without memory. */
char *escape_utf8(const char *s, size_t len);

#endif
