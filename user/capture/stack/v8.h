/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * v8.h - names the JavaScript frames in a copied stack of Node.js, without any option of Node.js.
 *
 * The offsets come from the debug data in the builds of nodejs.org (v8dbg_* symbols).  A frame is
 * believed only if its function, context, script and code are objects of the right types.
 * Senseless data ends the walk.  The line is exact if V8 has kept the positions of the function's
 * code.  Else it is the line where the function begins, and the frame has EV_FRAME_DEFINED.
 */
#ifndef DBLEAK_CAPTURE_V8_H
#define DBLEAK_CAPTURE_V8_H

#include "bpf/stack/raw_stack.h"
#include "user/capture/elf/elf.h"
#include "user/capture/stack/native/frame.h"
#include "user/capture/host/memory.h"

struct v8;

/* Reads V8's debug data from the file, which takes some milliseconds.  Returns 0; -ENOENT: no V8
 * with debug data; -ENOTSUP: a value is missing that is needed; -ENOMEM. */
int v8_open(struct v8 **out, struct elf_file *e);
/* Accepts NULL. */
void v8_close(struct v8 *v);

#define V8_PACKED_MOST 2048

/* Writes all that v8_read needs to know of a build to another process of dbleak: at most
 * V8_PACKED_MOST bytes.  Returns how many. */
size_t v8_pack(const struct v8 *v, void *to);
/* Makes a build of those bytes.  0, -EINVAL or -ENOMEM. */
int v8_unpack(struct v8 **out, const void *from, size_t size);

/* Names the JavaScript frames of a copied stack, at most STACK_FRAMES, soon after the copy, while
 * the process lives.  fp: the frame pointer, from registers.bp, or from unwinding as far as the
 * machine code has unwind rules.  The texts belong to t.  Sets *flags (enum ev_stack_flag).
 * Returns how many; 0 none. */
int v8_read(const struct v8 *v, const struct memory *m, const struct raw_stack *raw, uint64_t fp,
	    struct texts *t, struct frame *frames, uint32_t *flags);

#endif
