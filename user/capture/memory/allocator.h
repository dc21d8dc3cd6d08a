/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * allocator.h - the allocator in a file: its functions, where probes go, and which code is its own.
 *
 * Pure, apart from reading the file.  A new function needs a row in allocator.c and a live test.
 */
#ifndef DBLEAK_CAPTURE_ALLOCATOR_H
#define DBLEAK_CAPTURE_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/memory/heap.h"
#include "user/capture/elf/elf.h"
#include "user/capture/probe/probe_exit.h"

#define ALLOCATOR_PROBES 64
#define ALLOCATOR_EXITS	 128

struct allocator {
	struct heap_file code; /* relative to the start of the file's code */
	bool whole;	       /* the file is nothing but an allocator */
	size_t count;
	struct allocator_probe {
		uint64_t offset; /* in the file */
		uint32_t before; /* bytes from the start of its code */
		uint8_t kind;	 /* enum heap_kind */
		bool returns;	 /* needs a return probe; false: it gives back, or may throw */
		bool throws;	 /* an exception may leave it: its ends are among the exits */
		bool cheap;
	} probe[ALLOCATOR_PROBES];
	size_t exit_count;
	struct probe_exit exit[ALLOCATOR_EXITS]; /* offsets in the file */
	bool refused; /* a function that may throw was left out: its ends cannot be found */
};

/* Looks for malloc and free in what the file exports or, if deep, in its full symbol table.
 * at_entry: no chosen probe points.  0; -ENOENT: it has none; or another -errno. */
int allocator_find(struct elf_file *elf, bool deep, bool at_entry, struct allocator *out);

/* The name of a kind's function: "malloc", "mmap". */
const char *allocator_kind(uint32_t kind);

#endif
