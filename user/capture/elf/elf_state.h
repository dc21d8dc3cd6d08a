/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * elf_state.h - an open ELF file, for the files elf.c and elf_*.c here.
 */
#ifndef DBLEAK_CAPTURE_ELF_STATE_H
#define DBLEAK_CAPTURE_ELF_STATE_H

#include <elf.h>
#include <errno.h>
#include <lzma.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/capture/worker/budget.h"
#include "user/capture/elf/look.h"

#define RELOCATIONS_MAX (1UL << 20)
#define PHDRS_MAX	(65536 / sizeof(Elf64_Phdr)) /* the limit of execve(2) */
#define SECTIONS_MAX	65536
#define DYNAMIC_MAX	4096
#define NOTES_MAX	65536
#define CHAIN_MAX	1024 /* symbols of one hash bucket; linkers aim at a few */
#define TABLE_MAX	(128UL << 20)
#define DEBUGDATA_MAX	(8UL << 20) /* compressed */
#define UNPACKED_MAX	(32UL << 20)
#define UNPACKED_STEP	(1UL << 20)
#define LZMA_MEMORY	(64UL << 20)
#define NAMES_MAX	(32UL << 20) /* bytes of names to keep in memory */
#define NAME_BYTES_MAX	255
/* A search in a library takes microseconds, through its hash table.  A search through all symbols
 * of a large program takes some 10 ms for 100 MB. */
#define LOOK_BYTES (512UL << 20)
/* A known client library takes 2 to 7 ms; the rest is for slow and emulated processors. */
#define LOOK_CPU_MS  200
#define LOOK_MS	     500 /* on a busy machine, and from a slow disk */
#define DEEP_CPU_MS  250
#define CODE_CPU_MS  500 /* all questions about the code of SQLite take 60 ms */
#define DEEP_LOOK_MS 2000
#define SPOTS_EACH   8 /* linkers store a name once, and a few times as the end of other names */
#define BLOCK	     65536
#define PAGE	     4096
#define PAGES	     16 /* a power of two */

/* Bytes of a file or of memory. */
struct image {
	int fd;
	const uint8_t *bytes; /* NULL: read fd */
	uint64_t size;
	struct budget *budget; /* shared by all reads of the file */
};

struct range {
	uint64_t at, size; /* in bytes of an image; size 0: none */
};

struct elf_file {
	struct look *look; /* the worker's side of this file; NULL: this process reads it */
	struct image image;
	Elf64_Ehdr head;
	Elf64_Phdr *phdrs;
	/* Tables of the dynamic section, in the file.  Their size runs to the segment's end; the
	 * dynamic section itself limits strings, jumps and relocations. */
	struct range symbols, strings, gnu_hash, hash;
	struct range jumps, relocations;
	bool is_pie; /* a program that may be loaded anywhere */
	struct budget budget;
	bool decodes;	  /* a question about the code has begun its own budget */
	uint32_t look_ms; /* elapsed time that a look may take, beside its processor time */
	/* A small cache, since hash lookups jump about in few pages.  Its bytes stay untouched, and
	 * so cost no memory, until used. */
	struct {
		uint64_t number; /* of the page, from 1 on; 0: empty */
		size_t size;
	} pages[PAGES];
	uint8_t bytes[PAGES][PAGE];
};

int elf_image_read(const struct image *image, uint64_t at, void *buf, size_t size);
bool elf_image_holds(const struct image *image, struct range range);
/* Reads a few bytes through the cache. */
int elf_peek(struct elf_file *e, uint64_t at, void *buf, size_t size);
int elf_head_check(const Elf64_Ehdr *head);
/* The bytes of the file from this address to the end of its segment, if the segment is loaded with
 * these flags.  size 0: none. */
struct range elf_range_of(const struct elf_file *e, uint64_t address, uint32_t flags);
/* type: SHT_PROGBITS or another. */
bool elf_section_by_name(const struct image *image, const Elf64_Ehdr *head, const char *name,
			 uint32_t type, Elf64_Shdr *out);

#endif
