/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stack_php.bpf.h - walks the calls of a PHP without threads (NTS), 7.4 to 8.4.
 *
 * Reads only what has one place in all of these; what depends on the version is read in user
 * space, which also checks that it makes sense.
 */
#ifndef DBLEAK_STACK_PHP_BPF_H
#define DBLEAK_STACK_PHP_BPF_H

#include "stack.bpf.h"

#define PHP_CURRENT 488 /* executor_globals.current_execute_data */
#define PHP_USER_FUNCTION 2
#define PHP_EVAL_CODE 4

/* struct _zend_execute_data, as far as it is needed. */
struct php_call {
	__u64 opline; /* of an internal function: whatever was there before */
	__u64 call, return_value;
	__u64 function;
	__u64 this[2];
	__u64 previous;
};

/* Frames in the scratch: the function (zend_function), and its opline, 0 if it has none.  globals:
 * address of executor_globals.  Returns how many. */
__noinline __u32 php_walk(__u64 globals)
{
	__u32 zero = 0, n = 0, i;
	struct stack_scratch *s = bpf_map_lookup_elem(&stack_scratch, &zero);
	struct php_call c;
	__u64 at = 0;
	__u8 type;

	if (!s || bpf_probe_read_user(&at, sizeof(at), (void *)(globals + PHP_CURRENT)))
		return 0;
	/* Calls without a function glue the machine's stack to PHP's: they count as none. */
	for (i = 0; i < STACK_FRAMES + STACK_FRAMES / 2 && n < STACK_FRAMES; i++) {
		if (!at || bpf_probe_read_user(&c, sizeof(c), (void *)at))
			break;
		at = c.previous;
		if (!c.function || bpf_probe_read_user(&type, sizeof(type), (void *)c.function))
			continue;
		s->out.frame[n & (STACK_FRAMES - 1)].code = c.function;
		s->out.frame[n & (STACK_FRAMES - 1)].at =
			type == PHP_USER_FUNCTION || type == PHP_EVAL_CODE ? c.opline : 0;
		n++;
	}
	if (at)
		s->out.flags |= EV_STACK_CUT;
	return n;
}

#endif
