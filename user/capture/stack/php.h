/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * php.h - which files are a PHP, and the names of the calls walked in one.
 *
 * Reads PHP 7.4 to 8.4 without threads (NTS); believes an opline only if it lies within its
 * function, and a string only if it is one.  Builds with threads (ZTS) are told apart and not read.
 */
#ifndef DBLEAK_CAPTURE_PHP_H
#define DBLEAK_CAPTURE_PHP_H

#include "bpf/stack/raw_stack.h"
#include "user/capture/elf/elf.h"
#include "user/capture/stack/native/frame.h"
#include "user/capture/host/memory.h"

/* Takes some milliseconds for a file that is one.  0: *out has the runtime, its row, and the
 * address of executor_globals as the file has it; -ENOENT it is none; -ENOTSUP it is one that is
 * not read, *why says why (a clause, for a gap). */
int php_probe(struct elf_file *e, struct runtime_process *out, const char **why);

/* Names the frames of a walked stack, at most STACK_FRAMES, while the process lives; texts are t's.
 * Functions of extensions have neither file nor line.  *flags: enum ev_stack_flag.  How many, 0
 * when none can be believed, or -errno. */
int php_read(const struct memory *m, const struct raw_stack *raw, struct texts *t,
	     struct frame *frames, uint32_t *flags);

#endif
