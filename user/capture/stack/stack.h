/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stack.h - the stacks that the kernel half has taken, named, and what they are evidence for.
 *
 * A stack comes as a sample, is named by whoever reads its language, and is told of only when it
 * is evidence for something: its frames and itself once, however many samples are equal.  Samples
 * and evidence may come in any order.  Memory is bounded: the oldest samples are forgotten.
 */
#ifndef DBLEAK_CAPTURE_STACK_H
#define DBLEAK_CAPTURE_STACK_H

#include "bpf/event.h"
#include "user/capture/stack/native/frame.h"

/* Frames and stacks, after which all are told of anew: the model keeps so many that nothing refers
 * to (CODE_RECENT of model/code.h). */
#define STACKS_TOLD_MOST 65536

struct stacks;

struct stacks_host {
	void *context;
	/* Tells one record; its time is the host's to set. */
	void (*tell)(void *context, struct ev_head *record);
	/* The sample is forgotten here: the kernel half is to send its like anew. */
	void (*forget)(void *context, uint64_t sample);
};

/* Whose stack a sample is. */
struct stack_owner {
	uint64_t start_ns;
	uint32_t pid;
};

/* host is copied.  0 or -ENOMEM. */
int stacks_open(struct stacks **out, const struct stacks_host *host);
/* Accepts NULL. */
void stacks_close(struct stacks *s);

/* What the frames of a sample are, the innermost first; n 0: they cannot be known.  flags: enum
 * ev_stack_flag.  0 or -ENOMEM. */
int stacks_named(struct stacks *s, uint64_t sample, const struct stack_owner *owner,
		 const struct frame *frames, size_t n, uint32_t flags);
/* Evidence whose stack is a sample's id, or 0: none could be taken.  0 or -ENOMEM. */
int stacks_evidence(struct stacks *s, const struct ev_evidence *evidence);

/* The id of the EV_STACK that a sample is, which is told of now unless that is done; 0: it has none
 * that can be known.  0, or -EAGAIN: it is not named yet, or was never met, or is forgotten. */
int stacks_told(struct stacks *s, uint64_t sample, uint64_t *stack);

/* Stacks that were not told of for want of room, and evidence whose sample never came. */
uint64_t stacks_lost(const struct stacks *s);

#endif
