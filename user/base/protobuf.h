/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * protobuf.h - messages in the wire format of protocol buffers, written only.
 *
 * Fields of type varint and of type length-delimited are all that dbleak writes.  See
 * https://protobuf.dev/programming-guides/encoding/.
 */
#ifndef DBLEAK_BASE_PROTOBUF_H
#define DBLEAK_BASE_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed is an empty message. */
struct protobuf {
	uint8_t *bytes;
	size_t length, room;
	bool failed; /* no memory: what is in it is of no use, and nothing more is added */
};

void protobuf_free(struct protobuf *p);
/* Empties a message and keeps its memory, for the next one. */
void protobuf_reset(struct protobuf *p);

/* A number; 0, which a reader takes for a missing one, is left out. */
void protobuf_number(struct protobuf *p, uint32_t field, uint64_t value);
void protobuf_bytes(struct protobuf *p, uint32_t field, const void *bytes, size_t length);
/* Adds one message to another, as a field; it stays the caller's. */
void protobuf_message(struct protobuf *p, uint32_t field, const struct protobuf *inner);
/* A number of a packed list: the list is a message of its own, which holds nothing else. */
void protobuf_item(struct protobuf *p, uint64_t value);

#endif
