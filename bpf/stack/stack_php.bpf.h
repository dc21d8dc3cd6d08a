/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stack_php.bpf.h - walks the calls of a PHP without threads (NTS), 7.4 to 8.4.
 *
 * Reads only what has one place in all of these; what depends on the version is read in user
 * space, which also checks that it makes sense.
 */
#ifndef DBLEAK_STACK_PHP_BPF_H
#define DBLEAK_STACK_PHP_BPF_H

#include "bpf/stack/stack_scratch.bpf.h"

#define PHP_CURRENT	  488 /* executor_globals.current_execute_data */
#define PHP_USER_FUNCTION 2
#define PHP_EVAL_CODE	  4

/* struct _zend_execute_data, as far as it is needed. */
struct php_call {
	__u64 opline; /* of an internal function: whatever was there before */
	__u64 call, return_value;
	__u64 function;
	__u64 this[2];
	__u64 previous;
};

/* In the scratch's room.  The verifier must not know the count: it would look at each one apart. */
struct php_walk {
	struct php_call call;
	__u64 at; /* the next call */
	__u32 count;
	__u8 type;
};

_Static_assert(sizeof(struct php_walk) <= STACK_ROOM, "a walk fits in its room");

/* One call further out; 0: there is none.  The verifier looks at it by itself, once. */
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
	/* Calls without a function glue the machine's stack to PHP's: they count as none. */
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

/* Frames in the scratch: the function (zend_function), and its opline, 0 if it has none.  globals:
 * address of executor_globals.  Returns how many. */
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
