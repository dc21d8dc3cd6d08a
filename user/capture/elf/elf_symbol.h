/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * elf_symbol.h - what is found in an ELF file.
 */
#ifndef DBLEAK_CAPTURE_ELF_SYMBOL_H
#define DBLEAK_CAPTURE_ELF_SYMBOL_H

#include <stdint.h>

struct elf_symbol {
	uint64_t offset; /* of its first instruction, in the file; 0 there is no such function */
	uint64_t size;	 /* in bytes, within its segment; 0 not known (written in assembler) */
};

/* Loaded code. */
struct elf_code {
	uint64_t offset, size, address; /* in the file, and the first byte's as the file has it */
};

/* name is valid during the call. */
typedef void elf_function_fn(void *context, const char *name, const struct elf_symbol *symbol);

#endif
