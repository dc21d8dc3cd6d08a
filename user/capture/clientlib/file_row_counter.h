/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * file_row_counter.h - finds SQLite's row counter in an ELF file, with row_counter.h.
 *
 * The file's worker decodes, and this side checks what it says (elf_question.h).
 */
#ifndef DBLEAK_CAPTURE_FILE_ROW_COUNTER_H
#define DBLEAK_CAPTURE_FILE_ROW_COUNTER_H

#include <stdint.h>

#include "user/capture/elf/elf.h"

struct elf_question;

/* The question of file_row_counter_find, for the table of the workers. */
extern const struct elf_question row_counter_question;

/* Searches the `size` bytes of code at this offset of the file.  0 and the counter's offset in a
 * statement; -E2BIG: too much code; or another -errno, as row_counter_find and elf_ask. */
int file_row_counter_find(struct elf_file *elf, uint64_t start, uint64_t size, uint32_t *offset);

#endif
