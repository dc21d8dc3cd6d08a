/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * call_site.h - the instructions by which a file's code calls the allocator.
 *
 * Files belong to whoever runs the watched programs: everything is bounded, and a call is named
 * only where the file's own unwind table says that a function begins, all of that function can be
 * decoded, and the call leads to a stub of the linkage table for that name.  A probe in the middle
 * of an instruction would change the program.
 */
#ifndef DBLEAK_CAPTURE_CALL_SITE_H
#define DBLEAK_CAPTURE_CALL_SITE_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/memory/library_heap.h"

struct elf_file;

struct call_site {
	uint64_t offset;   /* in the file, of a direct call or jump */
	uint32_t function; /* enum library_function */
};

#define CALL_SITES_MOST 1024

struct call_sites {
	uint64_t slot; /* address, as the file has it, where it keeps that of free(); 0 none */
	size_t count;
	size_t hidden;	/* calls of these functions that go through a pointer: not listed */
	size_t skipped; /* functions that could not be decoded */
	struct call_site all[CALL_SITES_MOST];
};

/* 0; -ENOENT no such call is there; -E2BIG too many to be listed; -EBADMSG the file has no unwind
 * table that makes sense; -ENOMEM. */
int call_sites_find(struct elf_file *e, struct call_sites *out);

#endif
