/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * protobuf.c - see protobuf.h.
 */
#include "user/base/protobuf.h"

#include <stdlib.h>
#include <string.h>

#define VARINT_MOST 10
#define ROOM_LEAST  256

enum wire_type { WIRE_VARINT = 0, WIRE_LENGTH = 2 };

void protobuf_free(struct protobuf *p)
{
	free(p->bytes);
	*p = (struct protobuf){0};
}

void protobuf_reset(struct protobuf *p)
{
	p->length = 0;
}

static bool protobuf_room(struct protobuf *p, size_t more)
{
	size_t room = p->room ? p->room : ROOM_LEAST;
	uint8_t *bytes;

	if (p->failed || more <= p->room - p->length)
		return !p->failed;
	while (room - p->length < more && room < SIZE_MAX / 2)
		room *= 2;
	bytes = room - p->length < more ? NULL : realloc(p->bytes, room);
	if (!bytes) {
		p->failed = true;
		return false;
	}
	p->bytes = bytes;
	p->room = room;
	return true;
}

void protobuf_item(struct protobuf *p, uint64_t value)
{
	if (!protobuf_room(p, VARINT_MOST))
		return;
	for (; value >= 0x80; value >>= 7)
		p->bytes[p->length++] = (uint8_t)(value | 0x80);
	p->bytes[p->length++] = (uint8_t)value;
}

static void protobuf_tag(struct protobuf *p, uint32_t field, enum wire_type type)
{
	protobuf_item(p, (uint64_t)field << 3 | type);
}

void protobuf_number(struct protobuf *p, uint32_t field, uint64_t value)
{
	if (!value)
		return;
	protobuf_tag(p, field, WIRE_VARINT);
	protobuf_item(p, value);
}

void protobuf_bytes(struct protobuf *p, uint32_t field, const void *bytes, size_t length)
{
	protobuf_tag(p, field, WIRE_LENGTH);
	protobuf_item(p, length);
	if (!length || !protobuf_room(p, length))
		return;
	memcpy(p->bytes + p->length, bytes, length);
	p->length += length;
}

void protobuf_message(struct protobuf *p, uint32_t field, const struct protobuf *inner)
{
	p->failed = p->failed || inner->failed;
	protobuf_bytes(p, field, inner->bytes, inner->length);
}
