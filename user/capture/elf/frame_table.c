/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * frame_table.c - see frame_table.h.
 */
#include "user/capture/elf/frame_table.h"

#include <errno.h>
#include <stddef.h>

#define FUNCTIONS_MOST 200000

/* .eh_frame_hdr in the encoding that all linkers use: two 4-byte numbers for each function,
 * relative to the start of the table, sorted by the first. */
struct frame_header {
	uint8_t version, frame_encoding, count_encoding, table_encoding;
	int32_t frame;
	uint32_t count;
};

struct frame_entry {
	int32_t function, description;
};

struct frame_description {
	uint32_t length, common;
	int32_t begin; /* of the function, relative to this field */
	uint32_t size;
};

#define FOUR_BYTES_RELATIVE 0x1b
#define FOUR_BYTES_UNSIGNED 0x03
#define FOUR_BYTES_OF_DATA  0x3b

int frame_table_open(struct frame_table *t, struct elf_file *elf)
{
	struct frame_header head;

	t->elf = elf;
	t->address = elf_section(elf, ".eh_frame_hdr");
	if (!t->address || elf_read_address(elf, t->address, &head, sizeof(head)) != sizeof(head) ||
	    head.version != 1 || head.frame_encoding != FOUR_BYTES_RELATIVE ||
	    head.count_encoding != FOUR_BYTES_UNSIGNED ||
	    head.table_encoding != FOUR_BYTES_OF_DATA || head.count > FUNCTIONS_MOST)
		return -EBADMSG;
	t->count = head.count;
	return 0;
}

/* The size of the function with this description; 0: the description is of another address. */
static uint32_t size_of(const struct frame_table *t, uint64_t address, uint64_t description)
{
	struct frame_description d;
	uint64_t begin = description + offsetof(struct frame_description, begin);

	if (elf_read_address(t->elf, description, &d, sizeof(d)) != sizeof(d) || !d.length ||
	    d.length == UINT32_MAX || begin + (uint64_t)(int64_t)d.begin != address)
		return 0;
	return d.size;
}

static int entry_at(const struct frame_table *t, uint32_t i, uint64_t *address,
		    uint64_t *description)
{
	uint64_t at = t->address + sizeof(struct frame_header) + i * sizeof(struct frame_entry);
	struct frame_entry entry;

	if (elf_read_address(t->elf, at, &entry, sizeof(entry)) != sizeof(entry))
		return -EBADMSG;
	*address = t->address + (uint64_t)(int64_t)entry.function;
	*description = t->address + (uint64_t)(int64_t)entry.description;
	return 0;
}

int frame_table_at(const struct frame_table *t, uint32_t i, uint64_t *address, uint32_t *size)
{
	uint64_t description;

	if (entry_at(t, i, address, &description))
		return -EBADMSG;
	*size = size_of(t, *address, description);
	return 0;
}

int frame_table_around(const struct frame_table *t, uint64_t address, uint64_t *start,
		       uint32_t *size)
{
	uint32_t low = 0, high = t->count;
	uint64_t description;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (entry_at(t, middle, start, &description))
			return -EBADMSG;
		if (*start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || frame_table_at(t, low - 1, start, size))
		return -EBADMSG;
	return address >= *start && address - *start < *size ? 0 : -ENOENT;
}

uint32_t frame_table_size(const struct frame_table *t, uint64_t address)
{
	uint32_t low = 0, high = t->count;
	uint64_t here, description;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (entry_at(t, middle, &here, &description))
			return 0;
		if (here == address)
			return size_of(t, address, description);
		if (here < address)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}
