/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pool.h - whose Python takes pools of its own allocator into use.  Shared by both halves, never
 * recorded.
 */
#ifndef DBLEAK_POOL_H
#define DBLEAK_POOL_H

#include "growth.h"

/* Kernel to user only: a struct raw_growth of a pool that was taken into use; its bytes are those of
 * all that it stands for, its address that of the first block taken of it. */
#define RAW_POOL 82

#define POOL_TAKERS  256
#define POOLS_MOST   16384
#define POOL_CANARY  1 /* cookies of probes that only count: this and the next two */
#define POOL_COOKIES 4

/* A process that is looked at: what user space asks for, and what came of it. */
struct pool_taker {
	__u64 start_ns; /* to the nanosecond, or cut to a clock tick of 10 ms */
	__u64 gap_ns;	/* between samples, at least, in the long run */
	__u64 bytes;	/* of a pool: a power of two */
	__u64 takes;
	__u64 full;	  /* samples for which there was no room */
	__u64 sampled_ns; /* when one was taken last */
	__u32 interval;	  /* one of so many is a sample; never 0 */
	__u32 reserved;
	struct raw_growth out; /* in the making: the stack leaves no room for it */
};

/* A pool that was sampled, and not taken again since. */
struct pool_key {
	__u64 address;
	__u32 pid;
	__u32 reserved;
};

#endif
