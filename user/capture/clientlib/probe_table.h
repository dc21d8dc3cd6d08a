/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * probe_table.h - which functions of which client libraries acquire, use and release what.
 *
 * A new library needs rows here and a live test: see README.md.
 */
#ifndef DBLEAK_CAPTURE_PROBE_TABLE_H
#define DBLEAK_CAPTURE_PROBE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/clientlib/client.h"

#define ROWS_COUNTED 0xffff /* the statement counts the rows of its run: see row_counter.h */

struct probe_row {
	const char *symbol;
	uint8_t role;	  /* enum probe_role */
	uint8_t resource; /* enum ev_resource */
	uint8_t handle;	  /* enum probe_source, as the next three */
	uint8_t parent;
	uint8_t text, text_length;
	uint8_t success; /* enum probe_success */
	uint8_t flags;	 /* enum probe_flag; PROBE_RETURNS is added where it is needed */
	/* 1 + offset of a 64-bit row count in the object, ROWS_COUNTED, or 0 none. */
	uint16_t rows_after;
	const char *object;  /* what it hands out, named as in its manual */
	const char *release; /* the function that takes it back */
};

struct probe_library {
	const char *name;
	uint32_t bit;		    /* enum ev_client_library */
	uint8_t database;	    /* enum ev_database */
	const char *const *anchors; /* a file that has all of these has the library; NULL ends */
	const struct probe_row *rows;
	size_t count;
	uint16_t first;	    /* number of the first row, among all rows */
	const char *prefix; /* of all its functions' names; NULL: they share none */
};

extern const struct probe_library probe_libraries[];
#define PROBE_LIBRARIES_MOST 32
extern const size_t probe_library_count; /* at most that many */

/* The row with this number among all rows; NULL: there is none.  library may be NULL. */
const struct probe_row *probe_row_of(uint16_t number, const struct probe_library **library);

/* Whether the row needs probes where its calls end. */
int probe_row_returns(const struct probe_row *row);

#endif
