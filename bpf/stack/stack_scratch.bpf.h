/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stack_scratch.bpf.h - the buffer in which a stack is built, filled by the walkers of interpreted
 * frames.
 */
#ifndef DBLEAK_STACK_SCRATCH_BPF_H
#define DBLEAK_STACK_SCRATCH_BPF_H

#include "bpf/task.bpf.h"
#include "bpf/stack/python.h"
#include "bpf/stack/raw_stack.h"

#define STACK_ROOM 144 /* 128, a word that begins in them, and one more */

/* The processes that run interpreted code. */
struct runtimes_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u32); /* process id */
	__type(value, struct runtime_process);
};

/* The id of a stack, found by the addresses in its frames. */
struct stack_met {
	__u64 id;
	__u64 ns;
};

/* The buffer in which a stack is built; each CPU has one.  A walker of interpreted frames looks it
 * up by itself, because the verifier of 6.1 takes no pointers into global functions. */
struct stack_scratch {
	__u64 busy;  /* threads that want the buffer: only the first gets it */
	__u64 taken; /* stacks copied on this CPU so far */
	/* The fields below are here because callers leave little of the stack. */
	__u64 woke_ns;	 /* when a copied stack last woke user space */
	__u64 addresses; /* hash of the frames' addresses, or of those in a shape's slots */
	struct stack_met met;
	struct stack_rate none;		  /* zero */
	__u64 rate;			  /* key of stack_rates */
	__u8 room[STACK_ROOM];		  /* for a walker */
	__u64 next;			  /* address of the next frame or thread; 0 none */
	__u64 window_at;		  /* address in the process of the window's bytes */
	__u32 window_bytes;		  /* count of the window's bytes */
	__u8 window[PYTHON_WINDOW + 256]; /* larger than used, for the verifier */
	struct raw_stack out;
	__u8 beyond[PAGE_BYTES]; /* never reached, but the verifier cannot know */
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
