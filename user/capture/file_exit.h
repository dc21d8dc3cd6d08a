/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * file_exit.h - where the functions of an ELF file end: probe_exit.h on a file.
 */
#ifndef DBLEAK_CAPTURE_FILE_EXIT_H
#define DBLEAK_CAPTURE_FILE_EXIT_H

#include "elf.h"
#include "probe_exit.h"

/* Of the function that begins at this offset of the file and has so many bytes (0 not known: then
 * the table for unwinders is asked).  The exits' addresses become offsets in the file. 0 or -errno,
 * as probe_exits_find. */
int file_exits_find(struct elf_file *elf, uint64_t offset, uint64_t size, struct probe_exits *out);

#endif
