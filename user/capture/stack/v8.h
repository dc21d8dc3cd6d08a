/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * v8.h - JavaScript calls in a copied stack of Node.js, named without any flag.
 *
 * What the builds of nodejs.org tell debuggers about themselves (v8dbg_* symbols) says where things
 * are.  A frame is one only if its function, context, script and code are objects of the right
 * types; what makes no sense ends the walk.  The line is exact where V8 has kept the positions of
 * the function's code; else it is where the function begins, and the frame says so.
 */
#ifndef DBLEAK_CAPTURE_V8_H
#define DBLEAK_CAPTURE_V8_H

#include "bpf/stack/raw_stack.h"
#include "user/capture/elf/elf.h"
#include "user/capture/stack/native/frame.h"
#include "user/capture/host/memory.h"

struct v8;

/* What the file tells of itself; takes some milliseconds.  0; -ENOENT there is no V8 in it that
 * tells; -ENOTSUP it lacks what is needed; -ENOMEM. */
int v8_open(struct v8 **out, struct elf_file *e);
/* Accepts NULL. */
void v8_close(struct v8 *v);

/* Names the JavaScript frames of a copied stack, at most STACK_FRAMES, soon after the copy, while
 * the process lives.  fp: the frame pointer, registers.bp, or what unwinding to machine code that
 * cannot be unwound further has made of it.  Texts are t's.  *flags: enum ev_stack_flag.  How many;
 * 0 none. */
int v8_read(const struct v8 *v, const struct memory *m, const struct raw_stack *raw, uint64_t fp,
	    struct texts *t, struct frame *frames, uint32_t *flags);

#endif
