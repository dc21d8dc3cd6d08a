/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * elf.h - where the functions of an ELF file are, without trusting the file.
 *
 * The files belong to whoever runs the watched programs: a container's library is data of an
 * adversary, read by root.  Every count, offset and size is bounded; what makes no sense is
 * -EBADMSG and never a crash, an endless loop or much memory.  x86-64 only: others are -ENOTSUP.
 */
#ifndef DBLEAK_CAPTURE_ELF_H
#define DBLEAK_CAPTURE_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "user/capture/elf/elf_symbol.h"

struct elf_file;

/* fd stays the caller's, and open until elf_close.  0, -EBADMSG no (sane) ELF file, -ENOTSUP
 * another machine's, -ENOMEM.  All that is read of it together has a budget of bytes and time; when
 * that is spent nothing more is found, reads give -EDQUOT, and elf_given_up tells so. */
int elf_open(struct elf_file **out, int fd);
/* Begins a new, larger budget: for looks that are not in a hurry. */
void elf_deepen(struct elf_file *e);
/* Time that passed while nobody looked does not count. */
void elf_resume(struct elf_file *e);
bool elf_given_up(const struct elf_file *e);
void elf_close(struct elf_file *e);

/* Finds functions by name.  Tables are asked in turn until all are found: .dynsym through its
 * hash table, and, if deep, .symtab, then .symtab of .gnu_debugdata (xz).  Versions of a symbol
 * are not told apart; weak, global and local are alike; indirect functions (IFUNC) are none.
 * Takes microseconds unless deep, then up to some 10 ms for 100 MB.  Returns how many were found
 * (each name wanted twice is counted twice), or -errno; a table that makes no sense is none. */
int elf_find(struct elf_file *e, const char *const *names, size_t n, bool deep,
	     struct elf_symbol *out);

/* Finds variables likewise; their .offset is not one but the address as the file has it, of which
 * some (.bss) have no bytes in the file, and .size their own. */
int elf_find_variables(struct elf_file *e, const char *const *names, size_t n, bool deep,
		       struct elf_symbol *out);
/* Bytes as they are loaded at an address of the file, at most size.  Returns how many, or -EFAULT
 * nothing of the file is loaded there, or -errno. */
ssize_t elf_read_address(struct elf_file *e, uint64_t address, void *buf, size_t size);
/* What to add to an address of the file where the file is loaded: a segment that begins in the page
 * at offset (0: the first) is mapped at start.  0; -ENOENT none does. */
int elf_bias(struct elf_file *e, uint64_t start, uint64_t offset, uint64_t *bias);
/* The first loaded code: where it is in the file, and its address as the file has it.  0 or
 * -ENOENT. */
int elf_code(struct elf_file *e, uint64_t *offset, uint64_t *address);
/* All loaded code, at most so many pieces.  Returns how many. */
size_t elf_codes(const struct elf_file *e, struct elf_code *out, size_t most);
/* The i-th loaded segment that is not written to, from 0 on.  0 or -ENOENT: there are fewer. */
int elf_constants(const struct elf_file *e, unsigned int i, uint64_t *offset, uint64_t *size);
/* The address that the code at this offset has in the file; 0 there is none. */
uint64_t elf_code_address(struct elf_file *e, uint64_t offset);
/* The address of a section with contents, as the file has it; 0 there is none.  The name is shorter
 * than 32 bytes. */
uint64_t elf_section(struct elf_file *e, const char *name);

/* Where a file keeps the addresses of functions of other files, by name: the slot that its linkage
 * table jumps through, and the one that its code reads itself.  Addresses as the file has them, 0
 * there is none. */
void elf_slots(struct elf_file *e, const char *const *names, size_t n, uint64_t *calls,
	       uint64_t *pointers);

/* The function of the file itself whose address lies in such a slot, if nobody puts another's
 * there: its address as the file has it, 0 it is another file's. */
uint64_t elf_linked(struct elf_file *e, uint64_t slot);

/* Calls fn for each function that .symtab names; there may be hundreds of thousands.  name is valid
 * during the call.  0 or -ENOMEM; a table that makes no sense is none. */
int elf_each(struct elf_file *e, elf_function_fn *fn, void *context);

/* NT_GNU_BUILD_ID as hexadecimal digits, "" when there is none.  size at least 3. */
void elf_build_id(struct elf_file *e, char *hex, size_t size);

/* The loaded code that holds this offset: where it begins in the file, and how long it is.
 * 0 or -ENOENT. */
int elf_segment(struct elf_file *e, uint64_t offset, uint64_t *start, uint64_t *size);
/* Is it run by itself?  Then libraries in it are static copies. */
bool elf_is_program(const struct elf_file *e);

/* Bytes of the file from offset on, at most size.  Returns how many, or -errno. */
ssize_t elf_read(struct elf_file *e, uint64_t offset, void *buf, size_t size);

#endif
