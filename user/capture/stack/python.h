/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python.h - names the frames of a Python stack that the kernel half walked.
 *
 * Code objects are read from the process while it lives, and kept.  One that was freed before it
 * could be read stays without a name, and nothing that has come in its place is taken for it.  What
 * is not a code object, a string or a table of lines of Python's own is not believed.  Memory is
 * bounded.  A stack that begins neither a program nor a thread, in a process with greenlets, is
 * told to be one's.
 */
#ifndef DBLEAK_CAPTURE_PYTHON_H
#define DBLEAK_CAPTURE_PYTHON_H

#include "bpf/stack/raw_stack.h"
#include "user/capture/stack/native/frame.h"
#include "user/capture/stack/python_build.h"

struct pythons;

/* 0 or -errno. */
int pythons_open(struct pythons **out);
/* Accepts NULL. */
void pythons_close(struct pythons *p);

/* Names the frames of a raw_stack with RUNTIME_PYTHON, of the build that its row stands for.
 * frames has room for STACK_FRAMES.  *flags is set to enum ev_stack_flag; EV_STACK_NAMELESS: of
 * some frames, given without names, or of all, nothing could be read.  Returns how many frames, 0
 * when there is none to believe, or -errno; -ESRCH: the process is gone and nothing of it is known.
 */
int python_read(struct pythons *p, const struct python_build *build, const struct raw_stack *raw,
		struct frame *frames, uint32_t *flags);

struct python_counts {
	uint64_t stacks, frames;
	uint64_t read;	/* code objects read from processes */
	uint64_t stale; /* of those, in the place of another */
	uint64_t bytes; /* kept now */
};
struct python_counts python_counts(const struct pythons *p);

#endif
