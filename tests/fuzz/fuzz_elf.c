/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_elf.c - any bytes as an ELF file.  What it tells must lie within it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/capture/elf/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* The same descriptor for all inputs: to make one costs more than to read it. */
static int file_of(const uint8_t *data, size_t size)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("elf", MFD_CLOEXEC);
	require(fd >= 0 && !ftruncate(fd, 0));
	require(pwrite(fd, data, size, 0) == (ssize_t)size);
	return fd;
}

static void check_symbol(struct elf_file *e, const struct elf_symbol *symbol, size_t file_size)
{
	uint8_t code[64];
	ssize_t n;

	if (!symbol->offset)
		return;
	require(symbol->offset < file_size && symbol->size <= file_size - symbol->offset);
	n = elf_read(e, symbol->offset, code, sizeof(code));
	require(n > 0 && (size_t)n <= sizeof(code));
}

static void check_functions(struct elf_file *e, size_t file_size, bool deep)
{
	static const char *const names[] = {"db_open", "db_close",     "db_long",   "db_indirect",
					    "ab",      "static_close", "db_open",   "static_open",
					    "",	       "db_imported",  "db_in_data"};
	enum { COUNT = sizeof(names) / sizeof(*names) };
	struct elf_symbol out[COUNT];
	int found = elf_find(e, names, COUNT, deep, out), counted = 0;

	for (size_t i = 0; found >= 0 && i < COUNT; i++) {
		counted += out[i].offset > 0;
		check_symbol(e, &out[i], file_size);
	}
	require(found < 0 || found == counted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_file *e;
	char hex[24];

	if (elf_open(&e, file_of(data, size)))
		return 0;
	check_functions(e, size, false);
	check_functions(e, size, true);
	elf_build_id(e, hex, sizeof(hex));
	require(strlen(hex) < sizeof(hex) && strspn(hex, "0123456789abcdef") == strlen(hex));
	elf_close(e);
	return 0;
}
