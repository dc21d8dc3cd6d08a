/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * strings.h - texts of a page, each once, named by number.
 */
#ifndef DBLEAK_REPORT_STRINGS_H
#define DBLEAK_REPORT_STRINGS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "user/base/table.h"

#define STRING_MOST   768    /* bytes of one; a longer one is cut */
#define STRINGS_BYTES 700000 /* of all, escaped */
#define STRING_UNIT   6	     /* bytes that one byte may take, escaped */

/* Zeroed but for its arena is empty. */
struct strings {
	struct arena *arena;
	struct table by_text;
	struct {
		const char *text;
		size_t length;
	} * all;
	size_t count, room, bytes;
	uint64_t refused; /* texts left out for lack of room */
	int err;	  /* -ENOMEM */
};

/* The number of a text, from 1; 0 for an empty one, one that does not fit, or without memory. */
size_t strings_add(struct strings *s, const char *text, size_t length);
/* The same for a text with its NUL, or NULL. */
size_t strings_text(struct strings *s, const char *text);

/* Writes all as an array of JSON; the first is "". */
void strings_write(FILE *out, const struct strings *s);

/* Frees all but the arena. */
void strings_free(struct strings *s);

#endif
