/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * frame_table.h - where the functions of a file begin and how long they are, named or not, by the
 * table that unwinders use.
 *
 * Pure but for reading the file, which is not trusted.
 */
#ifndef DBLEAK_CAPTURE_FRAME_TABLE_H
#define DBLEAK_CAPTURE_FRAME_TABLE_H

#include <stdint.h>

#include "user/capture/elf/elf.h"

struct frame_table {
	struct elf_file *elf; /* borrowed */
	uint64_t address;     /* of the table, as the file has it */
	uint32_t count;	      /* of functions, sorted by their addresses */
};

/* 0, or -EBADMSG: there is none that we read. */
int frame_table_open(struct frame_table *t, struct elf_file *elf);
/* The i-th function: its address, and its size, 0 where that does not fit together.  0 or -EBADMSG.
 */
int frame_table_at(const struct frame_table *t, uint32_t i, uint64_t *address, uint32_t *size);
/* The size of the function that begins at this address; 0 none does. */
uint32_t frame_table_size(const struct frame_table *t, uint64_t address);

#endif
