/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * node.h - which processes run Node.js, and the JavaScript frames of their copied stacks.
 *
 * A program is looked at when the first stack of one of its processes comes; what tells nothing of
 * a V8 in it costs one look for each file.
 */
#ifndef DBLEAK_CAPTURE_NODE_H
#define DBLEAK_CAPTURE_NODE_H

#include "bpf/stack/raw_stack.h"
#include "user/capture/stack/native/frame.h"
#include "user/capture/host/memory.h"

struct nodes;

/* 0 or -ENOMEM. */
int nodes_open(struct nodes **out);
/* Accepts NULL. */
void nodes_close(struct nodes *n);

/* Names the JavaScript frames of a stack with RUNTIME_NATIVE, soon after it was copied: at most
 * STACK_FRAMES, texts are t's.  *flags: enum ev_stack_flag.  How many; 0 there are none, it is not
 * JavaScript that called, or nothing can be read of it; -EBUSY: reading has had its share of time.
 */
int nodes_read(struct nodes *n, const struct raw_stack *raw, struct texts *t, struct frame *frames,
	       uint32_t *flags);

#endif
