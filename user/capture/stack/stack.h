/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stack.h - keeps the named stacks of samples, and reports those that are evidence.
 *
 * The reader of a language names each sample.  A stack is reported only when it is evidence for
 * something: its frames and the stack itself once, however many samples are equal to it.  Samples
 * and evidence may arrive in either order.  Memory is bounded: the oldest samples are forgotten.
 */
#ifndef DBLEAK_CAPTURE_STACK_H
#define DBLEAK_CAPTURE_STACK_H

#include "bpf/event.h"
#include "user/capture/stack/native/frame.h"

/* After this many reported frames and stacks, all are reported anew.  The model keeps only as many
 * that no record refers to (CODE_RECENT of user/model/code.h). */
#define STACKS_REPORTED_MOST 65536

struct stacks;

struct stacks_host {
	void *context;
	/* Reports one record; the host sets its time. */
	void (*tell)(void *context, struct ev_head *record);
	/* The sample was forgotten here: the kernel half must send the next equal stack again. */
	void (*forget)(void *context, uint64_t sample);
};

/* The process that a sample's stack belongs to. */
struct stack_owner {
	uint64_t start_ns;
	uint32_t pid;
};

/* host is copied.  0 or -ENOMEM. */
int stacks_open(struct stacks **out, const struct stacks_host *host);
/* Accepts NULL. */
void stacks_close(struct stacks *s);

/* Gives a sample its frames, the innermost first; n 0: its frames cannot be known.  flags: enum
 * ev_stack_flag.  0 or -ENOMEM. */
int stacks_named(struct stacks *s, uint64_t sample, const struct stack_owner *owner,
		 const struct frame *frames, size_t n, uint32_t flags);
/* Takes evidence, in whose `stack` is the id of a sample; 0: no stack could be taken.  Returns 0 or
 * -ENOMEM. */
int stacks_evidence(struct stacks *s, const struct ev_evidence *evidence);

/* Sets *stack to the id of the sample's EV_STACK, and reports that stack unless this was done
 * before.  *stack 0: the sample's frames cannot be known, or there was no room for them.  Returns
 * 0, or -EAGAIN: the sample is not named yet, never came, or is forgotten. */
int stacks_reported(struct stacks *s, uint64_t sample, uint64_t *stack);

/* Stacks that were dropped because there was no room, and evidence whose sample was not named in
 * time. */
uint64_t stacks_lost(const struct stacks *s);

#endif
