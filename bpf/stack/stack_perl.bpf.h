/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stack_perl.bpf.h - walks the calls of a Perl with threads (ithreads), 5.32 to 5.42.
 *
 * Each thread has an interpreter of its own, found by the key of its thread-specific data, of glibc
 * or of musl.  An interpreter is believed if its stack of contexts makes sense.
 */
#ifndef DBLEAK_STACK_PERL_BPF_H
#define DBLEAK_STACK_PERL_BPF_H

#include "bpf/stack/stack_scratch.bpf.h"
#include "bpf/stack/stack_perl.h"

#define PERL_STEPS	   192 /* contexts read: loops and blocks are contexts, too */
#define PERL_CONTEXT_BYTES 104
#define PERL_CONTEXTS_MOST (1 << 24)
#define PERL_MAIN	   1 /* PERLSI_MAIN */

/* struct stackinfo */
struct perl_stack {
	__u64 arguments;
	__u64 contexts;
	__u64 previous, next;
	__s32 top, most; /* index of the innermost context, and of the last possible one */
	__s32 watermark;
	__s32 type;
};

/* struct context of a call, as far as it is needed. */
struct perl_context {
	__u8 type, unused[15]; /* type: in the low half */
	__u64 cop;	       /* place of the call */
	__u64 unused_too[6];
	__u64 sub; /* CV */
};

/* The state of a walk, in the scratch's room.  The count is in memory: if the verifier knew it, it
 * would check every value of it. */
struct perl_walk {
	__u64 cop; /* COP of the next frame */
	__u32 count;
	struct perl_stack stack;
	struct perl_context context;
};

_Static_assert(sizeof(struct perl_walk) <= STACK_ROOM, "a walk fits in its room");

static __always_inline __u64 perl_word(__u64 address)
{
	__u64 word = 0;

	bpf_probe_read_user(&word, sizeof(word), (void *)address);
	return word;
}

static __always_inline int perl_stack_read(struct perl_stack *s, __u64 at)
{
	return bpf_probe_read_user(s, sizeof(*s), (void *)at) || s->top < -1 || s->top > s->most ||
	       s->most > PERL_CONTEXTS_MOST;
}

/* Starts the walk at the interpreter's current place.  Returns its COP; 0: none. */
static __always_inline __u64 perl_begin(struct perl_walk *w, __u64 interpreter, __u32 row)
{
	__u32 at = row == PERL_5_32 ? 224 : 208; /* PL_curcop, 16 before PL_curstackinfo */

	if (!interpreter || perl_stack_read(&w->stack, perl_word(interpreter + at + 16)))
		return 0;
	return perl_word(interpreter + at);
}

/* Finds the interpreter of the thread.  Returns the COP where it is; 0: none. */
static __always_inline __u64 perl_find(struct perl_walk *w, __u64 key_at, __u32 row)
{
	__u64 cop;
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 fs = task->thread.fsbase;
	__u32 key = perl_word(key_at);

	if (key >= 1024) /* PTHREAD_KEYS_MAX */
		return 0;
	cop = perl_begin(w, perl_word(perl_word(fs + 1296 + key / 32 * 8) + key % 32 * 16 + 8),
			 row);
	if (cop)
		return cop;
	return perl_begin(w, perl_word(perl_word(fs + 128) + key * 8), row); /* musl */
}

/* Moves one context further out.  Returns 0 when there is none.  A function of its own, so that the
 * verifier checks it once. */
__noinline int perl_step(void)
{
	__u32 zero = 0, n;
	struct stack_scratch *s = bpf_map_lookup_elem(&stack_scratch, &zero);
	struct perl_walk *w;
	__u8 type;

	if (!s)
		return 0;
	w = (struct perl_walk *)s->room;
	n = w->count;
	if (n >= STACK_FRAMES - 1)
		return 0;
	if (w->stack.top < 0)
		return w->stack.type != PERL_MAIN && !perl_stack_read(&w->stack, w->stack.previous);
	if (bpf_probe_read_user(&w->context, sizeof(w->context),
				(void *)(w->stack.contexts + w->stack.top * PERL_CONTEXT_BYTES)))
		return 0;
	w->stack.top--;
	type = w->context.type & 15;
	if (type < PERL_SUB || type > PERL_EVAL)
		return 1;
	barrier_var(n); /* the verifier of 6.1 forgets its bounds */
	s->out.frame[n & (STACK_FRAMES - 1)].code = w->cop;
	s->out.frame[n & (STACK_FRAMES - 1)].at = type == PERL_EVAL ? 1 : w->context.sub;
	w->cop = w->context.cop;
	w->count = n + 1;
	return 1;
}

/* Writes frames into the scratch: the COP, and the code that it is in.  That is a CV, 0 for the
 * file, or 1 for an eval, require or do of the next frame.  key_at: address of PL_thr_key.  Returns
 * how many. */
__noinline __u32 perl_walk(__u64 key_at, __u32 row)
{
	__u32 zero = 0, n, i;
	struct stack_scratch *s = bpf_map_lookup_elem(&stack_scratch, &zero);
	struct perl_walk *w;

	if (!s)
		return 0;
	w = (struct perl_walk *)s->room;
	w->count = 0;
	w->cop = perl_find(w, key_at, row);
	if (!w->cop)
		return 0;
	for (i = 0; i < PERL_STEPS; i++)
		if (!perl_step())
			break;
	if (w->stack.top >= 0 || w->stack.type != PERL_MAIN)
		s->out.flags |= EV_STACK_CUT;
	n = w->count;
	s->out.frame[n & (STACK_FRAMES - 1)].code = w->cop;
	s->out.frame[n & (STACK_FRAMES - 1)].at = 0;
	return n + 1;
}

#endif
