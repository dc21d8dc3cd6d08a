/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * source_line.h - does the line at which a thread waits take a connection to a database?
 *
 * A pool that a program made itself waits in a queue of the language, as worker threads at rest do.
 * The program's own words tell them apart: "conn = pool.get()", and not "job = jobs.get()".  A
 * server hands connections of its clients to workers by the same words.  So the lines after it must
 * speak of queries, too: there, or where the function was called.  Only the answer leaves this
 * file, never the text.
 */
#ifndef DBLEAK_CAPTURE_SOURCE_LINE_H
#define DBLEAK_CAPTURE_SOURCE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/capture/stack/native/frame.h"

/* Does a text of a program name a connection, or a pool that can only be one of connections? */
bool words_of_connections(const char *text);
/* Does it name what is done with a database alone: cursors, commits, queries? */
bool words_of_queries(const char *text);

/* Sets EV_FRAME_TAKES in the frame that called the language's own waiting function, if the
 * innermost frames are such functions, and that line takes a connection to a database. */
void source_line_mark(uint32_t pid, struct frame *frames, size_t n);

#endif
