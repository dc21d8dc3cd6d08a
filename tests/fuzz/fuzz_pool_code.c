/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_pool_code.c - any bytes as a Python, and as the memory of its process.  The function that is
 * named lies within the file, where its code is.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/capture/elf/elf.h"
#include "user/capture/memory/pool_code.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

/* The file as it is loaded, and nothing else. */
static ssize_t read_loaded(const struct memory *m, uint64_t address, void *to, size_t size)
{
	return elf_read_address((struct elf_file *)m->context, address, to, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory memory = {.read = read_loaded};
	uint64_t offset = 0;
	static int fd = -1;
	struct elf_file *e;

	if (fd < 0)
		fd = memfd_create("python", MFD_CLOEXEC);
	require(fd >= 0 && !ftruncate(fd, 0));
	require(pwrite(fd, data, size, 0) == (ssize_t)size);
	if (elf_open(&e, fd))
		return 0;
	memory.context = e;
	if (!pool_code_find(e, 0, &memory, &offset))
		require(offset < size && elf_code_address(e, offset));
	elf_close(e);
	return 0;
}
