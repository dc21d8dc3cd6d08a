/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * frame_table.h - the start and size of each function, named or not, from .eh_frame_hdr, the table
 * that unwinders use.
 *
 * Reads only the file, and does not trust it.
 */
#ifndef DBLEAK_CAPTURE_FRAME_TABLE_H
#define DBLEAK_CAPTURE_FRAME_TABLE_H

#include <stdint.h>

#include "user/capture/elf/elf.h"

struct frame_table {
	struct elf_file *elf; /* borrowed */
	uint64_t address;     /* of the table, as the file's program headers have it */
	uint32_t count;	      /* of functions, sorted by their addresses */
};

/* 0, or -EBADMSG: no table, or none in the usual encoding. */
int frame_table_open(struct frame_table *t, struct elf_file *elf);
/* The address and size of the i-th function; size 0: its entries contradict each other.  0 or
 * -EBADMSG. */
int frame_table_at(const struct frame_table *t, uint32_t i, uint64_t *address, uint32_t *size);
/* The function that holds this address.  0; -ENOENT: none does; or -EBADMSG. */
int frame_table_around(const struct frame_table *t, uint64_t address, uint64_t *start,
		       uint32_t *size);
/* The size of the function that begins at this address; 0: no function does. */
uint32_t frame_table_size(const struct frame_table *t, uint64_t address);

#endif
