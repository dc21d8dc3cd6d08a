/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pool_code.h - where in a running Python its allocator takes a pool into use.
 *
 * The function has no name in most builds, and compilers copy its caller into a hundred others.  So
 * it is found by what the exported functions read and call, and confirmed by what it writes.  Code
 * that differs is refused: nothing is guessed.
 *
 * The file's worker decodes, and this side checks what it says (elf_question.h).  The worker cannot
 * read the process, so this side reads the few words for it that the code needs.
 */
#ifndef DBLEAK_CAPTURE_POOL_CODE_H
#define DBLEAK_CAPTURE_POOL_CODE_H

#include <stdint.h>

#include "user/capture/elf/elf.h"
#include "user/capture/host/memory.h"

struct elf_question;

/* The questions of pool_code_find, for the table of the workers. */
extern const struct elf_question pool_slot_question, pool_taker_question;

/* elf: a file with Python's allocator, loaded with that bias in the process whose memory `m` reads.
 * *offset: of the function in the file; it returns the first block of the pool.  0; -ENOENT: the
 * file does not export the allocator; -EPERM: the process uses another one (PYTHONMALLOC,
 * tracemalloc); -ENOTSUP: the function is not known in this build; or another -errno of the
 * reading. */
int pool_code_find(struct elf_file *elf, uint64_t bias, const struct memory *m, uint64_t *offset);

#endif
