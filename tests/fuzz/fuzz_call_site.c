/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_call_site.c - any bytes as a library.  Each call that is named lies within the file, where
 * its code is, and is a direct call or jump.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/capture/memory/call_site.h"
#include "user/capture/elf/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void check(struct elf_file *e, const uint8_t *data, size_t size)
{
	static struct call_sites sites;
	int err = call_sites_find(e, &sites);

	require(sites.count <= CALL_SITES_MOST && err <= 0);
	require(err || sites.count);
	for (size_t i = 0; i < sites.count; i++) {
		uint64_t at = sites.all[i].offset;

		require(at < size && size - at >= 5);
		require(data[at] == 0xe8 || data[at] == 0xe9);
		require(elf_code_address(e, at));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct elf_file *e;

	if (fd < 0)
		fd = memfd_create("library", MFD_CLOEXEC);
	require(fd >= 0 && !ftruncate(fd, 0));
	require(pwrite(fd, data, size, 0) == (ssize_t)size);
	if (elf_open(&e, fd))
		return 0;
	check(e, data, size);
	elf_close(e);
	return 0;
}
