/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * json_quote.h - strings of JSON written one by one, where a whole tree would take too much memory.
 */
#ifndef DBLEAK_BASE_JSON_QUOTE_H
#define DBLEAK_BASE_JSON_QUOTE_H

#include <stdio.h>

/* Writes a text with its quotes, in ASCII.  Text of watched programs is first made harmless as for
 * a terminal (escape.h).  '<' is escaped, too: a page may hold the file.  NULL is an empty text. */
void json_quote(FILE *out, const char *text);

#endif
