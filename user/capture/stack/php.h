/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * php.h - which files are a PHP, and the names of the frames walked in one.
 *
 * Reads PHP 7.4 to 8.4 without threads (NTS).  An opline is believed only if it lies within its
 * function, a string only if its header and end are right.  Builds with threads (ZTS) are
 * recognised and refused.
 */
#ifndef DBLEAK_CAPTURE_PHP_H
#define DBLEAK_CAPTURE_PHP_H

#include "bpf/stack/raw_stack.h"
#include "user/capture/elf/elf.h"
#include "user/capture/stack/native/frame.h"
#include "user/capture/host/memory.h"

struct elf_question;

/* Finds the version of a file: a search in all its constants, so the file's worker does it. */
extern const struct elf_question php_question;

/* Takes some milliseconds for a file that is a PHP.  Returns 0: *out has the runtime, its row, and
 * the address of executor_globals as the file has it; -ENOENT: no PHP; -ENOTSUP: a PHP that is not
 * read, and *why says why (a clause, for EV_GAP). */
int php_probe(struct elf_file *e, struct runtime_process *out, const char **why);

/* Names the frames of a walked stack, at most STACK_FRAMES, while the process lives; the texts
 * belong to t.  Functions of extensions have neither file nor line.  Sets *flags (enum
 * ev_stack_flag).  Returns how many; 0: none can be believed; or -errno. */
int php_read(const struct memory *m, const struct raw_stack *raw, struct texts *t,
	     struct frame *frames, uint32_t *flags);

#endif
