/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * elf.h - finds the functions of an ELF file without trusting the file.
 *
 * The owner of a watched program chose its files: a container's library is an adversary's data,
 * read by root.  So every count, offset and size is bounded.  A malformed file gives -EBADMSG and
 * never a crash, an endless loop or much memory.  x86-64 only: other machines are -ENOTSUP.
 *
 * An "address of the file" is an address as its program headers give it, before loading.
 */
#ifndef DBLEAK_CAPTURE_ELF_H
#define DBLEAK_CAPTURE_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "user/capture/elf/elf_symbol.h"

struct elf_file;
struct elf_question;

/* fd stays the caller's, who keeps it open until elf_close.  0, -EBADMSG no (sane) ELF file,
 * -ENOTSUP another machine's, -ENOMEM.  All reads of the file share one budget of bytes and time.
 * Once that is spent, searches find nothing, reads give -EDQUOT and elf_given_up is true. */
int elf_open(struct elf_file **out, int fd);
/* Begins a new, larger budget, for a look that is not in a hurry. */
void elf_deepen(struct elf_file *e);
/* Restarts the elapsed time of the budget: time between two looks does not count. */
void elf_resume(struct elf_file *e);
bool elf_given_up(const struct elf_file *e);
void elf_close(struct elf_file *e);

/* Finds functions by name.  Searches table after table until all are found: .dynsym through its
 * hash table; if deep, also .symtab, then .symtab of .gnu_debugdata (xz).  Does not tell versions
 * of a symbol apart, nor weak, global and local ones.  Indirect functions (IFUNC) do not count.
 * Takes microseconds; if deep, up to some 10 ms for 100 MB.  Returns how many were found (a name
 * wanted twice counts twice), or -errno.  A malformed table counts as no table. */
int elf_find(struct elf_file *e, const char *const *names, size_t n, bool deep,
	     struct elf_symbol *out);

/* Finds variables likewise.  Their .offset is the address of the file instead, because some
 * variables (.bss) have no bytes in the file; .size is the variable's own. */
int elf_find_variables(struct elf_file *e, const char *const *names, size_t n, bool deep,
		       struct elf_symbol *out);
/* Reads the bytes loaded at an address of the file, at most size.  Returns bytes, -EFAULT: the file
 * loads nothing there, or another -errno. */
ssize_t elf_read_address(struct elf_file *e, uint64_t address, void *buf, size_t size);
/* The load bias: what to add to an address of the file in a process.  The segment that begins in
 * the page at offset (0: the first) is mapped at start.  0; -ENOENT: no such segment. */
int elf_bias(struct elf_file *e, uint64_t start, uint64_t offset, uint64_t *bias);
/* The offset and the address of the first loaded code.  0 or -ENOENT. */
int elf_code(struct elf_file *e, uint64_t *offset, uint64_t *address);
/* All segments of loaded code, at most `most`.  Returns how many. */
size_t elf_codes(const struct elf_file *e, struct elf_code *out, size_t most);
/* The i-th loaded segment that is not writable, counted from 0.  0; -ENOENT: there are fewer. */
int elf_constants(const struct elf_file *e, unsigned int i, uint64_t *offset, uint64_t *size);
/* The address of the file for the code at this offset; 0: no code is there. */
uint64_t elf_code_address(struct elf_file *e, uint64_t offset);
/* The address of a section with contents (SHT_PROGBITS); 0: no such section.  The name is shorter
 * than 32 bytes. */
uint64_t elf_section(struct elf_file *e, const char *name);

/* The next four are for decoders (elf_question.h).  In a process that has a worker read the file,
 * they find nothing. */

/* Reads a whole section of notes (SHT_NOTE).  Returns bytes, 0: no such section; -E2BIG: more than
 * size; or another -errno.  The name is shorter than 32 bytes. */
ssize_t elf_read_notes(struct elf_file *e, const char *name, void *buf, size_t size);
/* The offset in the file of size bytes that are loaded at an address and may be written to; 0: the
 * file has none there. */
uint64_t elf_variable_offset(struct elf_file *e, uint64_t address, size_t size);

/* The slots where the file keeps the addresses of functions, by name.  calls: the slots that its
 * linkage table (PLT) jumps through.  pointers: the slots that its code reads itself (GLOB_DAT).
 * Addresses of the file; 0: no slot. */
void elf_slots(struct elf_file *e, const char *const *names, size_t n, uint64_t *calls,
	       uint64_t *pointers);

/* The address of the file's own function that the slot is for, unless the linker puts another
 * file's there.  0: the function belongs to another file. */
uint64_t elf_linked(struct elf_file *e, uint64_t slot);

/* Calls fn for each function in .symtab, perhaps hundreds of thousands.  name is valid during the
 * call.  0 or -ENOMEM.  A malformed table counts as no table. */
int elf_each(struct elf_file *e, elf_function_fn *fn, void *context);

/* NT_GNU_BUILD_ID as hexadecimal digits, "" when there is none.  size at least 3. */
void elf_build_id(struct elf_file *e, char *hex, size_t size);

/* The segment of loaded code that holds this offset: its start in the file and its size.  0 or
 * -ENOENT. */
int elf_segment(struct elf_file *e, uint64_t offset, uint64_t *start, uint64_t *size);
/* Is the file a program, not a library?  Libraries inside a program are static copies. */
bool elf_is_program(const struct elf_file *e);

/* Reads bytes of the file from offset on, at most size.  Returns bytes or -errno. */
ssize_t elf_read(struct elf_file *e, uint64_t offset, void *buf, size_t size);

/* Asks what a decoder of elf_question.h answers, and checks the answer.  0; -EPROTO: the answer
 * makes no sense, and the file is given up; -EDQUOT: the file is given up; or another -errno, of
 * the decoder.  *out is zero after an error. */
int elf_ask(struct elf_file *e, const struct elf_question *question, const void *in, void *out);

/* Answers, in the process that reads the file.  All answers about the code share one budget, which
 * the first of them begins.  0 or -errno of the decoder. */
int elf_answer(struct elf_file *e, const struct elf_question *question, const void *in, void *out);

#endif
