/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * debug_file.c - tries the few files that can be the debug file of a program.
 *
 * Files are mapped, not read, because most of a debug file is never looked at.  A file that is cut
 * short while it is mapped kills its reader, which must be a process that may die.
 */
#include "user/capture/stack/native/debug_file.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define FILE_MAX     (4UL << 30)
#define CHECKSUM_MAX (512UL << 20)

static int elf_map_check(struct elf_map *m)
{
	Elf64_Ehdr *head = m->elf && elf_kind(m->elf) == ELF_K_ELF ? elf64_getehdr(m->elf) : NULL;
	int err = !head ? -EBADMSG : head->e_machine != EM_X86_64 ? -ENOTSUP : 0;

	if (err)
		elf_map_close(m);
	return err;
}

int elf_map_open(struct elf_map *m, int fd)
{
	struct stat st;

	memset(m, 0, sizeof(*m));
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(Elf64_Ehdr))
		return -EBADMSG;
	if ((size_t)st.st_size > FILE_MAX)
		return -EFBIG;
	m->elf = elf_version(EV_CURRENT) ? elf_begin(fd, ELF_C_READ_MMAP, NULL) : NULL;
	if (m->elf)
		elf_cntl(m->elf, ELF_C_FDDONE);
	return elf_map_check(m);
}

int elf_map_bytes(struct elf_map *m, void *bytes, size_t size)
{
	m->bytes = bytes;
	m->elf = elf_version(EV_CURRENT) ? elf_memory(bytes, size) : NULL;
	return elf_map_check(m);
}

void elf_map_close(struct elf_map *m)
{
	if (m->elf)
		elf_end(m->elf);
	free(m->bytes);
	memset(m, 0, sizeof(*m));
}

Elf_Scn *elf_map_section(Elf *elf, const char *name, GElf_Shdr *header)
{
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return NULL;
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		const char *text;

		if (!gelf_getshdr(scn, header))
			continue;
		text = elf_strptr(elf, names, header->sh_name);
		if (text && !strcmp(text, name))
			return scn;
	}
	return NULL;
}

/* The properties of the debug file that is looked for. */
struct wanted {
	const void *build_id;
	size_t id_size; /* 0: the checksum decides */
	uint32_t checksum;
};

static bool debug_file_is_wanted(const struct elf_map *m, const struct wanted *wanted)
{
	const void *id;
	ssize_t n = wanted->id_size ? dwelf_elf_gnu_build_id(m->elf, &id) : 0;
	size_t size;
	char *bytes;

	if (wanted->id_size)
		return n == (ssize_t)wanted->id_size && !memcmp(id, wanted->build_id, (size_t)n);
	bytes = elf_rawfile(m->elf, &size);
	return bytes && size <= CHECKSUM_MAX &&
	       crc32_z(0, (const unsigned char *)bytes, size) == wanted->checksum;
}

static int try_file(struct elf_map *m, int fd, const struct wanted *wanted)
{
	int err = elf_map_open(m, fd);

	close(fd);
	if (err || debug_file_is_wanted(m, wanted))
		return err;
	elf_map_close(m);
	return -ENOENT;
}

static int try_all(struct elf_map *m, const struct debug_files *files,
		   const struct debug_name *name, const struct wanted *wanted)
{
	uint32_t candidate = 0;
	int fd;

	while ((fd = files->open(files->context, name, &candidate)) >= 0)
		if (!try_file(m, fd, wanted))
			return 0;
	return -ENOENT;
}

int debug_file_open(struct elf_map *m, const struct debug_files *files, Elf *program)
{
	struct wanted wanted = {.id_size = 0};
	GElf_Word checksum = 0;
	const char *link = dwelf_elf_gnu_debuglink(program, &checksum);
	ssize_t size = dwelf_elf_gnu_build_id(program, &wanted.build_id);

	wanted.id_size = size > 0 ? (size_t)size : 0;
	wanted.checksum = checksum;
	return try_all(m, files, &(struct debug_name){wanted.build_id, wanted.id_size, link, NULL},
		       &wanted);
}

int debug_file_open_alternate(struct elf_map *m, const struct debug_files *files, const char *name,
			      const void *build_id, size_t size)
{
	struct wanted wanted = {build_id, size, 0};

	return size ? try_all(m, files, &(struct debug_name){build_id, size, NULL, name}, &wanted)
		    : -ENOENT;
}
