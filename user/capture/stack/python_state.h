/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python_state.h - kept code objects, for python.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_PYTHON_STATE_H
#define DBLEAK_CAPTURE_PYTHON_STATE_H

#include <stdbool.h>

#include "user/base/table.h"
#include "user/capture/stack/python.h"
#include "user/capture/stack/python_object.h"

#define CODES_MOST 65536
#define BYTES_MOST (32UL << 20) /* of all that is kept */
#define PLACES	   4

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
	struct python_span *spans;
	size_t span_count, bytes; /* bytes: all of it */
};

/* The process that was asked last whether it has greenlets. */
struct greenlets {
	struct python_process process;
	bool loaded;	    /* the process has loaded the library */
	uint64_t looked_at; /* value of counts.read when that was checked last */
};

struct pythons {
	struct objects *objects; /* borrowed */
	struct table codes;
	struct table twins; /* the same objects by address and check alone, whatever the process:
			     * one of several */
	struct python_code *oldest, *newest;
	struct python_code *dead; /* dropped while a stack was read; its frames may be in use until
				   * the next stack */
	struct greenlets greenlets;
	struct python_counts counts;
};

#endif
