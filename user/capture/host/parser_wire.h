/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * parser_wire.h - what the messages have in common between dbleak and a worker that parses memory.
 *
 * dbleak asks one question at a time.  Until its answer is whole, the worker may ask for memory of
 * the process that the question is about.  Packets of the worker hold messages one after the other.
 * dbleak does not trust what comes back: what the worker read may have taken control of it.
 */
#ifndef DBLEAK_CAPTURE_PARSER_WIRE_H
#define DBLEAK_CAPTURE_PARSER_WIRE_H

#include <stdint.h>

#include "user/capture/host/memory.h"

#define PARSER_PACKET_MAX (FETCH_BYTES + 1024)

enum parser_kind {
	PARSER_PIECES = 1, /* of the worker: count memory_pieces that it asks for */
	PARSER_BYTES = 2,  /* result: how many bytes follow, or -errno */
	PARSER_FREE = 16,  /* numbers from here on belong to the kinds of workers */
};

struct parser_head {
	uint32_t kind;
	uint32_t size; /* of the message; of the worker's, a multiple of 8 */
	int32_t result;
	uint32_t count;
};

struct parser_pieces {
	struct parser_head head;
	struct memory_piece piece[MEMORY_PIECES];
};

#endif
