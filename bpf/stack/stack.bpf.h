/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stack.bpf.h - takes the stack of the current thread at an event.
 *
 * A stack is sent to user space once; the object that it is evidence for keeps its id.
 */
#ifndef DBLEAK_STACK_BPF_H
#define DBLEAK_STACK_BPF_H

#include "bpf/stack/stack_scratch.bpf.h"

/* The purposes of stacks.  Each purpose has its own share of a process's stacks per second, so that
 * growing memory does not use up the evidence of connections. */
enum stack_share {
	STACK_SHARE_EVENTS = 0,
	STACK_SHARE_MEMORY = 1,
};

__u64 stack_take_share(__u64 ip, __u64 sp, __u32 share);

/* Takes the stack of the current thread, in any program.  If its process runs interpreted code
 * (Python, Perl, PHP), these frames are taken, else a copy of the registers and of the top of the
 * stack.  ip: where the thread is, if its saved registers do not say so (in a return probe: the
 * address returned to).  sp: its stack pointer there.  0: the saved registers are right.  Returns
 * the stack's id; 0: it could not be read, or the process had its share for now. */
static __always_inline __u64 stack_take(__u64 ip)
{
	return stack_take_share(ip, 0, STACK_SHARE_EVENTS);
}

/* Returns the return address that a return probe, ours or another tracer's, has replaced in that
 * slot; 0: none. */
static __always_inline __u64 replaced_address(__u64 slot)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct return_instance *pending = NULL;
	__u64 at;
	int i;

	if (bpf_core_field_exists(task->utask))
		pending = BPF_CORE_READ(task, utask, return_instances);
	for (i = 0; i < STACK_RETURNS && pending; i++) {
		at = BPF_CORE_READ(pending, stack);
		if (at == slot)
			return BPF_CORE_READ(pending, orig_ret_vaddr);
		if (at > slot)
			break;
		pending = BPF_CORE_READ(pending, next);
	}
	return 0;
}

#endif
