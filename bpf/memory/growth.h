/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * growth.h - the processes whose memory grows, and the samples of the growth.  Shared by both
 * halves, never recorded.
 */
#ifndef DBLEAK_GROWTH_H
#define DBLEAK_GROWTH_H

#include "bpf/event.h"
#include "bpf/raw_kind.h"

/* A process whose memory grows: the orders of user space. */
struct growing {
	__u64 start_ns; /* start of the process, in full or cut to a clock tick of 10 ms */
	__u64 gap_ns;	/* least time between samples, in the long run */
	__u32 pages;	/* least pages between samples, on average; never 0 */
	__u32 batch;	/* the kernel's count of pages is late by about so many */
	__u32 huge;	/* enum growing_huge */
	__u32 reserved;
};

/* A process id is looked up only if a growing process has the same low bits. */
#define GROWING_NEAR 4096

/* The anonymous areas that get a huge page (2 MB) at their first touch. */
enum growing_huge {
	GROWING_HUGE_NEVER = 0,
	GROWING_HUGE_ASKED = 1,	 /* areas for which madvise asked for it */
	GROWING_HUGE_ALWAYS = 2, /* all but areas for which madvise refused it */
};

/* For so long after a thread's last message to a connection, its allocations count for the
 * reply. */
#define MESSAGE_REPLY_NS 5000000000ULL

/* RAW_GROWTH: a page was touched for the first time.  RAW_POOL: a pool of Python was taken into
 * use; bytes is that of all pools the sample stands for, address that of the first block taken from
 * it. */
struct raw_growth {
	struct ev_head head;
	__u64 start_ns;
	__u64 bytes;	  /* bytes taken since the last sample */
	__u64 address;	  /* address that was touched */
	__u64 stack;	  /* id of a raw_stack; 0 none */
	__u64 connection; /* connection of the thread's last message; 0 none seen */
	__u64 message_ns; /* time of that message */
	__u32 pid, tid;
};

/* The kernel half's state of a growing process; zero at first.  Pages are resident and anonymous,
 * or swapped out. */
struct growth_state {
	__s64 last;    /* pages at the last fault */
	__u64 touched; /* first touches since the last sample, huge pages not counted */
	__u64 risen;   /* the same by the kernel's count, which is late; only rises count */
	__u64 due;     /* pages at which the next sample is taken */
	__u64 owed;    /* pages of huge pages whose fault was not sampled */
	__u64 region;  /* the 2 MB region touched last */
	__u64 sampled_ns, huge_ns; /* time of the last sample, of the last wait for a huge page */
	__u64 paid_ns;	/* each sample moves it on by gap_ns; it may not pass the clock */
	__u32 interval; /* pages between samples, on average: more when samples come fast */
	__u32 rarely;	/* one of 2^rarely first touches is waited for */
	__u16 waits;	/* the waiting sample counts if a huge page came */
	__u16 met;	/* a fault was seen */
	__u32 reserved;
	struct raw_growth waiting;
	struct raw_growth out; /* the record being built: the stack has no room for it */
};

#endif
