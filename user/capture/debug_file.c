/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * debug_file.c - tries the few names that a split debug file can have.
 *
 * Files are mapped, not read: most of a debug file is never looked at.  One that is cut short while
 * it is mapped kills its reader, which must be a process that may die.
 */
#include "debug_file.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "../base/file.h"

#define FILE_MAX     (4UL << 30)
#define CHECKSUM_MAX (512UL << 20)
#define BUILD_ID_MAX 64
#define DEBUG_FOLDER "/usr/lib/debug"

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

/* What a file must have to be the one. */
struct wanted {
	const void *build_id;
	size_t id_size; /* 0: the checksum decides */
	uint32_t checksum;
};

static bool is_wanted(const struct elf_map *m, const struct wanted *wanted)
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

static int try_path(struct elf_map *m, int root, const char *path, const struct wanted *wanted)
{
	int fd = file_open_in(root, path, 0), err;

	if (fd < 0)
		return fd;
	err = elf_map_open(m, fd);
	close(fd);
	if (err || is_wanted(m, wanted))
		return err;
	elf_map_close(m);
	return -ENOENT;
}

static int try_build_id(struct elf_map *m, int root, const struct wanted *wanted)
{
	char path[sizeof(DEBUG_FOLDER) + 2 * BUILD_ID_MAX + 32];
	const uint8_t *id = wanted->build_id;
	size_t at;

	if (wanted->id_size < 2 || wanted->id_size > BUILD_ID_MAX)
		return -ENOENT;
	at = (size_t)snprintf(path, sizeof(path), DEBUG_FOLDER "/.build-id/%02x/", id[0]);
	for (size_t i = 1; i < wanted->id_size; i++)
		at += (size_t)snprintf(path + at, sizeof(path) - at, "%02x", id[i]);
	snprintf(path + at, sizeof(path) - at, ".debug");
	return try_path(m, root, path, wanted);
}

/* Beside the program, in a folder beside it, and in the folder of all such files. */
static int try_link(struct elf_map *m, int root, const char *program, const char *link,
		    const struct wanted *wanted)
{
	static const char *const forms[] = {"%.*s/%s", "%.*s/.debug/%s", DEBUG_FOLDER "%.*s/%s"};
	const char *slash = strrchr(program, '/');
	char path[PATH_MAX];

	if (!slash || strchr(link, '/'))
		return -ENOENT;
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		int n = snprintf(path, sizeof(path), forms[i], (int)(slash - program), program,
				 link);

		if (n < (int)sizeof(path) && !try_path(m, root, path, wanted))
			return 0;
	}
	return -ENOENT;
}

int debug_file_open(struct elf_map *m, const struct debug_roots *roots, Elf *program,
		    const char *path)
{
	struct wanted wanted = {.id_size = 0};
	GElf_Word checksum = 0;
	const char *link = dwelf_elf_gnu_debuglink(program, &checksum);
	ssize_t size = dwelf_elf_gnu_build_id(program, &wanted.build_id);

	wanted.id_size = size > 0 ? (size_t)size : 0;
	wanted.checksum = checksum;
	for (size_t i = 0; i < DEBUG_ROOTS; i++) {
		if (roots->fd[i] < 0)
			continue;
		if (!try_build_id(m, roots->fd[i], &wanted) ||
		    (link && !try_link(m, roots->fd[i], path, link, &wanted)))
			return 0;
	}
	return -ENOENT;
}

int debug_file_open_alternate(struct elf_map *m, const struct debug_roots *roots, const char *name,
			      const void *build_id, size_t size)
{
	struct wanted wanted = {build_id, size, 0};
	bool known = !strncmp(name, DEBUG_FOLDER "/", sizeof(DEBUG_FOLDER));

	for (size_t i = 0; i < DEBUG_ROOTS && size; i++)
		if (roots->fd[i] >= 0 && (!try_build_id(m, roots->fd[i], &wanted) ||
					  (known && !try_path(m, roots->fd[i], name, &wanted))))
			return 0;
	return -ENOENT;
}
