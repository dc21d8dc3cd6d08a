/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pool.h - the Python processes whose allocator is watched, and the samples of pools taken into
 * use.  Shared by both halves, never recorded.
 */
#ifndef DBLEAK_POOL_H
#define DBLEAK_POOL_H

#include "bpf/memory/growth.h"

#define POOL_WORDS 12

/* RAW_POOL_SEEN: the contents of a sampled pool's first block, a moment later. */
struct raw_pool_seen {
	struct ev_head head;
	__u64 start_ns;
	__u64 address; /* address of the block */
	__u64 words[POOL_WORDS];
	__u32 pid;
	__u32 size_index; /* the block's size is 16 times (this plus 1) */
};

#define POOL_TAKERS  256
#define POOLS_MOST   65536
#define POOL_CANARY  1 /* cookies from here on belong to probes that only count */
#define POOL_COOKIES 8

/* A watched process: the orders of user space, and the results. */
struct pool_taker {
	__u64 start_ns; /* start of the process, in full or cut to a clock tick of 10 ms */
	__u64 bytes;	/* bytes of a pool: a power of two */
	__u64 takes;
	__u64 full;	       /* samples that found no room */
	__u64 looked_ns;       /* when the counts in recent and before began */
	__u32 recent, before;  /* pools taken in this period, and in the last one */
	struct raw_growth out; /* the record being built: the stack has no room for it */
	struct raw_pool_seen seen;
	__u64 waits; /* sampled block whose object may not be made yet; 0 none */
};

/* A sampled pool that was not taken again since. */
struct pool_key {
	__u64 address;
	__u32 pid;
	__u32 reserved;
};

#endif
