/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * elf_symbol.h - the answers of elf.h, also as they travel in packets (look_wire.h).
 */
#ifndef DBLEAK_CAPTURE_ELF_SYMBOL_H
#define DBLEAK_CAPTURE_ELF_SYMBOL_H

#include <stdint.h>

struct elf_symbol {
	uint64_t offset; /* of the first instruction, in the file; 0: no such function */
	uint64_t size;	 /* in bytes, within its segment; 0: not known (written in assembler) */
};

/* A segment of loaded code: offset and size in the file, address of its first byte. */
struct elf_code {
	uint64_t offset, size, address;
};

/* name is valid during the call. */
typedef void elf_function_fn(void *context, const char *name, const struct elf_symbol *symbol);

#endif
