/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sql.h - SQL text without its private parts, and a number for its shape.
 *
 * Reads tokens, not grammar: any bytes are fine, also text cut in the middle.  It refuses to
 * judge or to repair SQL, and when it doubts where a literal ends it replaces too much.
 */
#ifndef DBLEAK_BASE_SQL_H
#define DBLEAK_BASE_SQL_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

/* Literals stay, unless the text mentions a password or another secret anywhere. */
#define SQL_KEEP_LITERALS 0x1U

/* Writes sql with each literal as `?`, without comments, each run of white space as one space.
 * Ends with NUL; what does not fit is cut at a character.  len + 1 bytes always suffice.
 * out and sql must not overlap.  Returns the length written, without the NUL. */
size_t sql_normalise(char *out, size_t out_size, const char *sql, size_t len, enum ev_database db,
		     unsigned flags);

/* Returns a number for the shape of a text.  It is equal for texts that differ only in literals,
 * letter case outside quotes, spacing, comments, or the length of a list of values or of rows.
 * Looks at the first 4,095 bytes. */
uint64_t sql_fingerprint(const char *sql, size_t len, enum ev_database db);

/* Finds the statement in PREPARE name FROM 'statement' (MySQL), without its quotes, and its length;
 * cut at the end of sql like sql itself.  NULL: not such a text. */
const char *sql_prepared(const char *sql, size_t len, size_t *length);

#endif
