/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * size_wire.h - the messages between dbleak and the worker that reads objects of client libraries.
 * What such messages have in common stands in host/parser_wire.h.
 */
#ifndef DBLEAK_CAPTURE_SIZE_WIRE_H
#define DBLEAK_CAPTURE_SIZE_WIRE_H

#include "user/capture/clientlib/object_size.h"
#include "user/capture/clientlib/sqlite_cache.h"
#include "user/capture/host/parser_wire.h"
#include "user/capture/worker/nursery.h"

#define SIZES_MOST 256 /* objects of one process in a question */

enum size_kind {
	SIZE_OBJECTS = PARSER_FREE, /* a size_question, cut after its last object */
	SIZE_CACHE,		    /* a size_cache */
	SIZE_ANSWER, /* a size_answer, cut: of the first `count` objects, at least of one */
	SIZE_CACHED, /* count: what sqlite_cache_kib has returned */
};

struct size_question {
	struct parser_head head; /* count: of objects */
	uint32_t pid, reserved;
	struct object_wanted wanted[SIZES_MOST];
};

struct size_cache {
	struct parser_head head;
	uint32_t pid, reserved;
	struct sqlite_cache_wanted wanted;
};

struct size_answer {
	struct parser_head head;
	struct object_size size[SIZES_MOST];
};

extern const struct nursery_role size_role;

#endif
