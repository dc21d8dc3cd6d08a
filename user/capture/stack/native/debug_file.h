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

/* What is known of such a file. */
struct debug_name {
	const void *build_id;
	size_t id_size;	       /* 0 none */
	const char *link;      /* its name, without a folder; NULL none */
	const char *alternate; /* its path; NULL none */
};

/* Who opens files that may be it: the first of *candidate and those after it that is there, with
 * *candidate the next one then.  Returns a descriptor, to be closed, or -ENOENT: no more are there.
 */
struct debug_files {
	int (*open)(void *context, const struct debug_name *name, uint32_t *candidate);
	void *context;
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

/* Of that program.  0 with *m to be closed, or -ENOENT. */
int debug_file_open(struct elf_map *m, const struct debug_files *files, Elf *program);
/* What dwz has moved to a file that several share. */
int debug_file_open_alternate(struct elf_map *m, const struct debug_files *files, const char *name,
			      const void *build_id, size_t size);

#endif
