/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_sql.c - SQL: any bytes are survived, and no literal comes out.
 *
 * Input: a byte of kind, then either the text itself or the choices of a grammar that puts a mark
 * into each literal.
 */
#include <stdlib.h>

#include "user/base/sql.h"
#include "tests/unit/support/secret_grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KIND_RAW    1
#define KIND_SECRET 2
#define KIND_CUT    4
#define KIND_DB	    8 /* times a database, of raw bytes */

static void normalise(const char *sql, size_t len, enum ev_database database, unsigned int flags,
		      bool marked)
{
	char out[EV_SQL_LEN + 1];
	size_t n = sql_normalise(out, sizeof(out), sql, len, database, flags);

	if (n >= sizeof(out) || strlen(out) != n || n > len || (marked && has_mark(out, n))) {
		fprintf(stderr, "fuzz_sql: of %d, %.*s becomes %s\n", database, (int)len, sql, out);
		abort();
	}
	sql_fingerprint(sql, len, database);
	sql_prepared(sql, len, &n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct choices c = {.bytes = data + 1, .left = size - 1};
	enum ev_database database;
	unsigned int flags;
	struct made m;
	size_t len;

	if (!size)
		return 0;
	if (*data & KIND_RAW) {
		for (flags = 0; flags <= SQL_KEEP_LITERALS; flags++)
			normalise((const char *)data + 1, size - 1, *data / KIND_DB % 4, flags,
				  false);
		return 0;
	}
	database = make_sql(&m, &c, *data & KIND_SECRET);
	len = *data & KIND_CUT ? choose(&c, m.length) : m.length;
	/* A cut text may have lost what told of the secret. */
	flags = *data & KIND_SECRET && !(*data & KIND_CUT) ? SQL_KEEP_LITERALS : 0;
	normalise(m.text, len, database, flags, true);
	normalise(m.text, len, EV_DB_UNKNOWN, flags, true);
	return 0;
}
