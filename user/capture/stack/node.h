/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * node.h - which processes run Node.js, and the JavaScript frames of their copied stacks.
 *
 * A program's file is examined when the first stack of one of its processes comes.  A file without
 * V8's debug data costs one look.
 */
#ifndef DBLEAK_CAPTURE_NODE_H
#define DBLEAK_CAPTURE_NODE_H

#include "bpf/stack/raw_stack.h"
#include "user/capture/stack/native/frame.h"
#include "user/capture/host/memory.h"

struct nodes;
struct objects;

/* objects, which reads the heap, is borrowed.  0 or -ENOMEM. */
int nodes_open(struct nodes **out, struct objects *objects);
/* Accepts NULL. */
void nodes_close(struct nodes *n);

/* Names the JavaScript frames of a stack with RUNTIME_NATIVE, soon after it was copied: at most
 * STACK_FRAMES; the texts belong to t.  Sets *flags (enum ev_stack_flag).  Returns how many; 0:
 * there are none, the caller is not JavaScript, or nothing can be read; -EBUSY: reading has used up
 * its share of time; or -errno of objects_stack. */
int nodes_read(struct nodes *n, const struct raw_stack *raw, struct texts *t, struct frame *frames,
	       uint32_t *flags);

#endif
