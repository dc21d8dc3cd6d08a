/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pool.h - whose Python takes pools of its own allocator into use.  Shared by both halves, never
 * recorded.
 */
#ifndef DBLEAK_POOL_H
#define DBLEAK_POOL_H

#include "bpf/memory/growth.h"

/* Kernel to user only: a struct raw_growth of a pool that was taken into use; its bytes are those
 * of all that it stands for, its address that of the first block taken of it. */
#define RAW_POOL 82

/* Kernel to user only: what is in the first block of a pool that was sampled, a moment later. */
#define RAW_POOL_SEEN 83

#define POOL_WORDS 12

struct raw_pool_seen {
	struct ev_head head;
	__u64 start_ns;
	__u64 address; /* of the block */
	__u64 words[POOL_WORDS];
	__u32 pid;
	__u32 size_index; /* its size is 16 times this and one */
};

#define POOL_TAKERS  256
#define POOLS_MOST   65536
#define POOL_CANARY  1 /* cookies of probes that only count: this and the next ones */
#define POOL_COOKIES 8

/* A process that is looked at: what user space asks for, and what came of it. */
struct pool_taker {
	__u64 start_ns; /* to the nanosecond, or cut to a clock tick of 10 ms */
	__u64 bytes;	/* of a pool: a power of two */
	__u64 takes;
	__u64 full;	       /* samples for which there was no room */
	__u64 looked_ns;       /* when the next two began */
	__u32 recent, before;  /* takes of this while, and of the one before */
	struct raw_growth out; /* in the making: the stack leaves no room for it */
	struct raw_pool_seen seen;
	__u64 waits; /* a block that was sampled, and whose object was perhaps not made yet; 0 none
		      */
};

/* A pool that was sampled, and not taken again since. */
struct pool_key {
	__u64 address;
	__u32 pid;
	__u32 reserved;
};

#endif
