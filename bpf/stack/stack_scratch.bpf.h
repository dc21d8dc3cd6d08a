/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stack_scratch.bpf.h - a stack in the making: what the walkers of interpreted frames fill.
 */
#ifndef DBLEAK_STACK_SCRATCH_BPF_H
#define DBLEAK_STACK_SCRATCH_BPF_H

#include "bpf/task.bpf.h"
#include "bpf/stack/python.h"
#include "bpf/stack/raw_stack.h"

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
	__u64 woke_ns;	 /* when a copied stack last woke user space */
	__u64 addresses; /* the frames', or those in the slots of a shape */
	struct stack_met met;
	struct stack_rate none;		  /* zero */
	__u64 rate;			  /* key of stack_rates */
	__u8 room[STACK_ROOM];		  /* for a walker */
	__u64 next;			  /* what its walk comes to next; 0 nothing */
	__u64 window_at;		  /* where in the process what is in the window was, */
	__u32 window_bytes;		  /* and how much that is */
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

#endif
