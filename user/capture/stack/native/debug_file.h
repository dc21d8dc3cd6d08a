/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * debug_file.h - finds debug information that was split from its program.
 *
 * The search covers the files of this host and those of the process, as in gdb; nothing is fetched
 * over the network.  A file counts if it has the same build id or, without one, the checksum that
 * the program names.
 */
#ifndef DBLEAK_CAPTURE_DEBUG_FILE_H
#define DBLEAK_CAPTURE_DEBUG_FILE_H

#include <gelf.h>
#include <stddef.h>
#include <stdint.h>

/* The names by which a debug file is found. */
struct debug_name {
	const void *build_id;
	size_t id_size;	       /* 0 none */
	const char *link;      /* its name, without a folder; NULL none */
	const char *alternate; /* its path; NULL none */
};

/* Opens files that may be the debug file: the first that exists of the names from *candidate on.
 * Sets *candidate to the name after it.  Returns a descriptor, which the caller closes.  -ENOENT:
 * no more files exist. */
struct debug_files {
	int (*open)(void *context, const struct debug_name *name, uint32_t *candidate);
	void *context;
};

/* An ELF file in memory. */
struct elf_map {
	Elf *elf;
	void *bytes; /* owned; NULL: the file is mapped */
};

/* Maps a regular file; fd stays the caller's, and may be closed.  Returns 0; -EFBIG; -EBADMSG: not
 * an ELF file; -ENOTSUP: not for x86-64; or -errno. */
int elf_map_open(struct elf_map *m, int fd);
/* The same for bytes that malloc gave.  m owns them from then on, also on failure. */
int elf_map_bytes(struct elf_map *m, void *bytes, size_t size);
void elf_map_close(struct elf_map *m);

/* Finds a section by its name, such as .symtab; NULL: there is none.  *header: the section's
 * header. */
Elf_Scn *elf_map_section(Elf *elf, const char *name, GElf_Shdr *header);

/* Opens the debug file of a program.  Returns 0, with *m to be closed, or -ENOENT. */
int debug_file_open(struct elf_map *m, const struct debug_files *files, Elf *program);
/* Opens the file into which dwz has moved what several programs share.  Returns the same. */
int debug_file_open_alternate(struct elf_map *m, const struct debug_files *files, const char *name,
			      const void *build_id, size_t size);

#endif
