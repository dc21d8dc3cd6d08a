/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * objects_state.h - the side that asks the worker, for objects.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_OBJECTS_STATE_H
#define DBLEAK_CAPTURE_OBJECTS_STATE_H

#include "user/capture/host/parser.h"
#include "user/capture/stack/object_wire.h"
#include "user/capture/stack/objects.h"

#define READ_MS	  500	       /* one question reads memory for so long at most, */
#define WHOLE_MS  1500	       /* and has its answer after so long, beside that */
#define READ_MOST (16UL << 20) /* bytes of one question: a script of V8 has 8 MB at most */

/* Shares of elapsed time, in parts of a second. */
#define OWN_PART 4
#define ALL_PART 2

struct objects {
	struct parser *parser;
	uint64_t unread; /* questions about frames that nobody answered */
	struct python_span spans[PYTHON_SPANS_MOST];
	char text[2][PYTHON_TEXT_MOST + 1];
};

#endif
