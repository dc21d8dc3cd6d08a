/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stack_php.bpf.h - walks the calls of a PHP without threads (NTS), 7.4 to 8.4.
 *
 * The walk reads only fields that have the same place in all these versions.  User space reads the
 * rest and checks that the result makes sense.
 */
#ifndef DBLEAK_STACK_PHP_BPF_H
#define DBLEAK_STACK_PHP_BPF_H

#include "bpf/stack/stack_scratch.bpf.h"

#define PHP_CURRENT	  488 /* executor_globals.current_execute_data */
#define PHP_USER_FUNCTION 2
#define PHP_EVAL_CODE	  4

/* struct _zend_execute_data, as far as it is needed. */
struct php_call {
	__u64 opline; /* in an internal function: an old value */
	__u64 call, return_value;
	__u64 function;
	__u64 this[2];
	__u64 previous;
};

/* The state of a walk, in the scratch's room.  The count is in memory: if the verifier knew it, it
 * would check every value of it. */
struct php_walk {
	struct php_call call;
	__u64 at; /* the next call */
	__u32 count;
	__u8 type;
};

_Static_assert(sizeof(struct php_walk) <= STACK_ROOM, "a walk fits in its room");

/* Moves one call further out.  Returns 0 when there is none.  A function of its own, so that the
 * verifier checks it once. */
__noinline int php_step(void)
{
	__u32 zero = 0, n;
	struct stack_scratch *s = bpf_map_lookup_elem(&stack_scratch, &zero);
	struct php_walk *w;

	if (!s)
		return 0;
	w = (struct php_walk *)s->room;
	n = w->count;
	if (!w->at || n >= STACK_FRAMES ||
	    bpf_probe_read_user(&w->call, sizeof(w->call), (void *)w->at))
		return 0;
	w->at = w->call.previous;
	/* Calls without a function only link the machine's stack with PHP's: skip them. */
	if (bpf_probe_read_user(&w->type, sizeof(w->type), (void *)w->call.function))
		return 1;
	if (w->type != PHP_USER_FUNCTION && w->type != PHP_EVAL_CODE)
		w->call.opline = 0;
	barrier_var(n); /* the verifier of 6.1 forgets its bounds */
	s->out.frame[n & (STACK_FRAMES - 1)].code = w->call.function;
	s->out.frame[n & (STACK_FRAMES - 1)].at = w->call.opline;
	w->count = n + 1;
	return 1;
}

/* Writes frames into the scratch: the function (zend_function), and its opline, 0 if it has none.
 * globals: address of executor_globals.  Returns how many. */
__noinline __u32 php_walk(__u64 globals)
{
	__u32 zero = 0, i;
	struct stack_scratch *s = bpf_map_lookup_elem(&stack_scratch, &zero);
	struct php_walk *w;

	if (!s)
		return 0;
	w = (struct php_walk *)s->room;
	w->count = 0;
	if (bpf_probe_read_user(&w->at, sizeof(w->at), (void *)(globals + PHP_CURRENT)))
		return 0;
	for (i = 0; i < STACK_FRAMES + STACK_FRAMES / 2; i++)
		if (!php_step())
			break;
	if (w->at)
		s->out.flags |= EV_STACK_CUT;
	return w->count;
}

#endif
