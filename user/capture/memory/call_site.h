/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * call_site.h - the instructions by which a file's code calls the allocator.
 *
 * The files belong to those who run the watched programs, so everything is bounded.  A call is
 * named only if three things hold.  The file's unwind table shows where its function begins.  All
 * of that function can be decoded.  The call leads to a stub of the linkage table for that name.  A
 * probe in the middle of an instruction would change the program.
 *
 * The file's worker decodes, and this side checks what it says (elf_question.h).
 */
#ifndef DBLEAK_CAPTURE_CALL_SITE_H
#define DBLEAK_CAPTURE_CALL_SITE_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/memory/library_heap.h"

struct elf_file;
struct elf_question;

struct call_site {
	uint64_t offset;   /* in the file, of a direct call or jump */
	uint32_t function; /* enum library_function */
};

#define CALL_SITES_MOST 1024

struct call_sites {
	uint64_t slot; /* address, as the file has it, of the pointer to free(); 0: none */
	size_t count;
	size_t hidden;	/* calls of these functions that go through a pointer: not listed */
	size_t skipped; /* functions that could not be decoded */
	struct call_site all[CALL_SITES_MOST];
};

/* The question of call_sites_find, for the table of the workers. */
extern const struct elf_question call_sites_question;

/* 0; -ENOENT: there is no such call; -E2BIG: too many to be listed; -EBADMSG: the file has no
 * unwind table that makes sense; or another -errno, as elf_ask. */
int call_sites_find(struct elf_file *e, struct call_sites *out);

#endif
