/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_pool_code.c - any bytes as a Python, and as the memory of its process.  The function that is named
 * lies within the file, where its code is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../user/capture/elf.h"
#include "../../user/capture/pool_code.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t size;
};

static void require(int condition)
{
	if (!condition)
		abort();
}

/* The file, as if all of it were mapped at 0, and nothing else. */
static ssize_t read_input(const struct memory *m, uint64_t address, void *to, size_t size)
{
	const struct input *in = m->context;

	if (address >= in->size)
		return -EFAULT;
	if (size > in->size - address)
		size = in->size - address;
	memcpy(to, in->data + address, size);
	return (ssize_t)size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct input input = {data, size};
	const struct memory memory = {.read = read_input, .context = &input};
	uint64_t offset = 0;
	static int fd = -1;
	struct elf_file *e;

	if (fd < 0)
		fd = memfd_create("python", MFD_CLOEXEC);
	require(fd >= 0 && !ftruncate(fd, 0));
	require(pwrite(fd, data, size, 0) == (ssize_t)size);
	if (elf_open(&e, fd))
		return 0;
	if (!pool_code_find(e, 0, &memory, &offset))
		require(offset < size && elf_code_address(e, offset));
	elf_close(e);
	return 0;
}
