/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stack.bpf.h - who called: the stack of the current thread, taken at an event.
 *
 * A stack is sent to user space once; what it is evidence for keeps its id.
 */
#ifndef DBLEAK_STACK_BPF_H
#define DBLEAK_STACK_BPF_H

#include "bpf/emit.bpf.h"
#include "bpf/stack/python.h"
#include "bpf/stack/stack.h"

#define STACK_ROOM 144 /* 128, a word that begins in them, and one more */

/* Which processes run code that is not machine code. */
struct runtimes_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u32); /* process id */
	__type(value, struct runtime_process);
};

/* The id of an interpreted stack, by the addresses in its frames. */
struct stack_met {
	__u64 id;
	__u64 ns;
};

/* A stack in the making, of which each CPU has one.  A walker of interpreted frames finds it by
 * itself: the verifier of 6.1 takes no pointers into functions it looks at alone. */
struct stack_scratch {
	__u64 busy;  /* how many threads want it */
	__u64 taken; /* copied stacks of this CPU so far */
	/* Here and not on the stack, of which callers leave little. */
	__u64 woke_ns;	       /* when a copied stack last woke user space */
	__u64 addresses;       /* the frames', or those in the slots of a shape */
	struct stack_met met;
	struct stack_rate none; /* zero */
	__u64 rate;		/* key of stack_rates */
	__u8 room[STACK_ROOM]; /* for a walker */
	__u64 next;	       /* what its walk comes to next; 0 nothing */
	__u64 window_at;       /* where in the process what is in the window was, */
	__u32 window_bytes;    /* and how much that is */
	__u8 window[PYTHON_WINDOW + 256]; /* more than is used, for the verifier */
	struct raw_stack out;
	__u8 beyond[PAGE_BYTES]; /* never reached; the verifier cannot tell */
};

struct stack_scratch_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stack_scratch);
};

extern struct runtimes_map runtimes SEC(".maps");
extern struct stack_scratch_map stack_scratch SEC(".maps");

/* What stacks are taken for.  Each has its share of what a process may have in a second, so that memory
 * that grows leaves connections their evidence. */
enum stack_share {
	STACK_SHARE_EVENTS = 0,
	STACK_SHARE_MEMORY = 1,
};

__u64 stack_take_share(__u64 ip, __u64 sp, __u32 share);

/* Takes the stack of the current thread, in whatever program: Python (or other interpreted) frames
 * where its process runs such code, else a copy of registers and the top of the stack.  ip: where
 * the thread is, if not where its saved registers say (in a return probe: the address returned
 * to), and sp its stack pointer there; 0 they are right.  Returns its id; 0: none, for it could not
 * be read, or the process has had its share for now. */
static __always_inline __u64 stack_take(__u64 ip)
{
	return stack_take_share(ip, 0, STACK_SHARE_EVENTS);
}

/* The return address that a return probe, ours or another tracer's, has replaced there; 0 none. */
static __always_inline __u64 replaced_address(__u64 slot)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct return_instance *pending = NULL;
	__u64 address;
	int i;

	if (bpf_core_field_exists(task->utask) && task->utask)
		pending = task->utask->return_instances;
	for (i = 0; i < STACK_RETURNS && pending && pending->stack <= slot; i++) {
		if (pending->stack == slot) {
			address = pending->orig_ret_vaddr;
			barrier_var(address); /* or it is loaded together with the other */
			return address;
		}
		pending = pending->next;
	}
	return 0;
}

#endif
