/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * file_exit.h - finds the ends of functions in an ELF file, with probe_exit.h.
 *
 * The file's worker decodes, and this side checks what it says (elf_question.h).
 */
#ifndef DBLEAK_CAPTURE_FILE_EXIT_H
#define DBLEAK_CAPTURE_FILE_EXIT_H

#include "user/capture/elf/elf.h"
#include "user/capture/probe/probe_exit.h"

struct elf_question;

/* A function of a file, like struct probe_function, but with offsets in the file. */
struct file_function {
	uint64_t offset, size; /* size in bytes; 0: not known, take it from the frame table */
	bool pointer, memory, returns_only;
	uint64_t begun; /* an offset */
};

/* The question of file_exits_find, for the table of the workers. */
extern const struct elf_question exits_question;

/* Finds the ends.  The addresses in *out are offsets in the file.  0 or -errno, as probe_exits_find
 * and elf_ask. */
int file_exits_find(struct elf_file *elf, const struct file_function *function,
		    struct probe_exits *out);

/* The attach cookie of a probe at this end: EXIT_COOKIE of bpf/clientlib/client.h.  row: the number
 * of the function's row. */
uint64_t probe_exit_cookie(const struct probe_exit *exit, uint32_t row);

#endif
