/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * debug_file.h - where debug information is that was split from its program.
 *
 * Looked for in the files of this host and in those of the process, as gdb would; nothing is
 * fetched from anywhere.  A file counts if it has the same build id or, without one, the checksum
 * that the program names.
 */
#ifndef DBLEAK_CAPTURE_DEBUG_FILE_H
#define DBLEAK_CAPTURE_DEBUG_FILE_H

#include <gelf.h>
#include <stddef.h>
#include <stdint.h>

#define DEBUG_ROOTS 2

/* Folders that are "/": of the host, then of the process; negative: none. */
struct debug_roots {
	int fd[DEBUG_ROOTS];
};

/* An ELF file in memory. */
struct elf_map {
	Elf *elf;
	void *bytes; /* if they are its own */
};

/* Maps a regular file; fd stays the caller's, and may be closed.  0, -EFBIG, -EBADMSG, -ENOTSUP not
 * for x86-64, or -errno. */
int elf_map_open(struct elf_map *m, int fd);
/* The same of bytes that malloc gave; they are m's then, also when it fails. */
int elf_map_bytes(struct elf_map *m, void *bytes, size_t size);
void elf_map_close(struct elf_map *m);

/* Of .symtab or the like; NULL there is none.  Its header is in *header. */
Elf_Scn *elf_map_section(Elf *elf, const char *name, GElf_Shdr *header);

/* path: of the program, as its process sees it.  0 with *m to be closed, or -ENOENT. */
int debug_file_open(struct elf_map *m, const struct debug_roots *roots, Elf *program,
		    const char *path);
/* What dwz has moved to a file that several share. */
int debug_file_open_alternate(struct elf_map *m, const struct debug_roots *roots, const char *name,
			      const void *build_id, size_t size);

#endif
