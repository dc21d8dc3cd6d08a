/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python_state.h - kept code objects, for python.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_PYTHON_STATE_H
#define DBLEAK_CAPTURE_PYTHON_STATE_H

#include <stdbool.h>

#include "user/capture/stack/python.h"
#include "user/base/table.h"

#define CODES_MOST 65536
#define BYTES_MOST (32UL << 20)		       /* of all that is kept */
#define LINES_MOST 65536		       /* bytes of one table */
#define TEXT_MOST  (EV_FRAME_TEXT_LEN / 2 - 1) /* bytes of one string, so that two fit a record */
#define PLACES	   4
#define BYTES_AT   32 /* of a bytes object */

struct python_code {
	struct python_code *older, *newer;
	uint64_t address, start_ns;
	uint32_t pid, check, first_line;
	uint32_t places; /* how many entries of place were used, in turn */
	struct {
		uint64_t at;
		uint32_t line, known;
	} place[PLACES];       /* lines found last */
	char *function, *file; /* NULL not known */
	uint8_t *lines;
	size_t line_bytes, bytes; /* bytes: all of it */
};

/* The type objects of a process whose names were checked. */
struct types {
	uint64_t start_ns, code, text, bytes;
	uint32_t pid;
	bool greenlets;	    /* the process has loaded the library */
	uint64_t looked_at; /* value of counts.read when that was checked last */
};

struct pythons {
	struct table codes;
	struct table twins; /* the same objects by address and check alone, whatever the process:
			     * one of several */
	struct python_code *oldest, *newest;
	struct python_code *dead; /* dropped while a stack was read; its frames may be in use until
				   * the next stack */
	struct types types;	  /* of the process that was read last */
	struct python_counts counts;
	uint8_t heads[STACK_FRAMES][PYTHON_CODE_BYTES];
	bool have[STACK_FRAMES];
	uint8_t scratch[LINES_MOST];
};

#endif
