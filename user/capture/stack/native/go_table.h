/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * go_table.h - functions, files and lines of Go programs, from the table that Go's own run time
 * reads (.gopclntab).  The table stays when symbols and DWARF are stripped.
 *
 * Reads tables of Go 1.16 and later, and refuses others.  The bytes may be hostile, so each read is
 * checked against its bounds.  For an inlined call the line is that of the inlined code, and the
 * function is the one that holds it.
 */
#ifndef DBLEAK_CAPTURE_GO_TABLE_H
#define DBLEAK_CAPTURE_GO_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/capture/stack/native/frame.h"

/* The first word of a table, named after the first version of Go that writes such tables. */
enum go_magic {
	GO_1_16 = 0xfffffffa,
	GO_1_18 = 0xfffffff0,
	GO_1_20 = 0xfffffff1,
};

struct go_table {
	const uint8_t *bytes; /* borrowed */
	size_t size;
	uint64_t count; /* of functions */
	uint64_t text;	/* where code begins, if addresses are relative to it */
	uint64_t names, units, files, values, functions; /* offsets of its parts */
	uint64_t quantum;
	unsigned int width; /* of an address in the list of functions: 4 or 8 */
};

/* text: the address of the code's section, for tables that leave it to the dynamic linker. */
bool go_table_open(struct go_table *t, const void *bytes, size_t size, uint64_t text);

/* Sets the fields of frame that the table knows; its texts are the table's.  False: no function is
 * there. */
bool go_table_find(const struct go_table *t, uint64_t address, struct frame *frame);

#endif
