/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * file_exit.h - where the functions of an ELF file end: probe_exit.h on a file.
 */
#ifndef DBLEAK_CAPTURE_FILE_EXIT_H
#define DBLEAK_CAPTURE_FILE_EXIT_H

#include "user/capture/elf/elf.h"
#include "user/capture/probe/probe_exit.h"

/* A function: where it begins in the file and how many bytes it has (0 not known: then the table
 * for unwinders is asked), and what is read at its ends, as in struct probe_function. */
struct file_function {
	uint64_t offset, size;
	bool pointer, memory, returns_only;
	uint64_t begun; /* offset */
};

/* The exits' addresses become offsets in the file.  0 or -errno, as probe_exits_find. */
int file_exits_find(struct elf_file *elf, const struct file_function *function,
		    struct probe_exits *out);

/* The attach cookie of a probe there: EXIT_COOKIE of bpf/client.h, with the number of the row. */
uint64_t probe_exit_cookie(const struct probe_exit *exit, uint32_t row);

#endif
