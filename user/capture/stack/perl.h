/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * perl.h - which files are a Perl, and the names of the frames walked in one.
 *
 * Reads Perl 5.32 to 5.42 built with threads (ithreads), as distributions build it.  A line is
 * believed only if its statement is a real COP.  Builds without threads are recognised and refused.
 */
#ifndef DBLEAK_CAPTURE_PERL_H
#define DBLEAK_CAPTURE_PERL_H

#include "bpf/stack/raw_stack.h"
#include "user/capture/elf/elf.h"
#include "user/capture/stack/native/frame.h"
#include "user/capture/host/memory.h"

/* Returns 0: *out has the runtime, its row, and the address of PL_thr_key as the file has it;
 * -ENOENT: no Perl; -ENOTSUP: a Perl that is not read, and *why says why (a clause, for EV_GAP). */
int perl_probe(struct elf_file *e, struct runtime_process *out, const char **why);

/* Names the frames of a walked stack, at most STACK_FRAMES, while the process lives; the texts
 * belong to t.  Sets *flags (enum ev_stack_flag).  Returns how many; 0: none can be believed; or
 * -errno. */
int perl_read(const struct memory *m, const struct raw_stack *raw, struct texts *t,
	      struct frame *frames, uint32_t *flags);

#endif
