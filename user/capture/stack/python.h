/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * python.h - names the frames of a Python stack that the kernel half walked.
 *
 * A worker (objects.h) reads code objects from the process while it lives; what they say is kept.
 * A code object that was freed before it could be read stays without a name; an object that took
 * its place is not mistaken for it.  Memory is bounded.  In a process with greenlets, a stack whose
 * outermost frame begins neither a program nor a thread gets EV_STACK_GREENLET.
 */
#ifndef DBLEAK_CAPTURE_PYTHON_H
#define DBLEAK_CAPTURE_PYTHON_H

#include "bpf/stack/raw_stack.h"
#include "user/capture/stack/native/frame.h"
#include "user/capture/stack/python_build.h"

struct objects;
struct pythons;

/* objects, which read the code objects, are borrowed.  0 or -errno. */
int pythons_open(struct pythons **out, struct objects *objects);
/* Accepts NULL. */
void pythons_close(struct pythons *p);

/* Names the frames of a raw_stack with RUNTIME_PYTHON; build: the one of its row.  frames has room
 * for STACK_FRAMES.  Sets *flags (enum ev_stack_flag); EV_STACK_NAMELESS: some frames, or all, have
 * no name because nothing could be read.  Returns how many frames; 0: none can be believed; or
 * -errno; -ESRCH: the process is gone and nothing is known of it; else as objects_python. */
int python_read(struct pythons *p, const struct python_build *build, const struct raw_stack *raw,
		struct frame *frames, uint32_t *flags);

struct python_counts {
	uint64_t stacks, frames;
	uint64_t read;	/* code objects read from processes */
	uint64_t stale; /* of those, read where another was before */
	uint64_t bytes; /* kept now */
};
struct python_counts python_counts(const struct pythons *p);

#endif
