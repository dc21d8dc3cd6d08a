/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * growth.h - whose memory grows, and the samples of where.  Shared by both halves, never recorded.
 */
#ifndef DBLEAK_GROWTH_H
#define DBLEAK_GROWTH_H

#include "bpf/event.h"

/* A process whose memory grows: what user space asks for. */
struct growing {
	__u64 start_ns; /* to the nanosecond, or cut to a clock tick of 10 ms */
	__u64 gap_ns;	/* between samples, at least, in the long run */
	__u32 pages;	/* between samples, on average, at least; never 0 */
	__u32 batch;	/* the kernel tells a count of pages late, by about so many */
	__u32 huge;	/* enum growing_huge */
	__u32 reserved;
};

/* Process ids are looked up only where one with the same low bits is entered. */
#define GROWING_NEAR 4096

/* Which anonymous areas get 2 MB at their first touch. */
enum growing_huge {
	GROWING_HUGE_NEVER = 0,
	GROWING_HUGE_ASKED = 1,	 /* those of which madvise asked for it */
	GROWING_HUGE_ALWAYS = 2, /* but those of which madvise refused it */
};

/* So long after a thread has spoken to a connection it is at work on what came back. */
#define SAID_REPLY_NS 5000000000ULL

/* Kernel to user only: memory was touched for the first time here. */
#define RAW_GROWTH 80

struct raw_growth {
	struct ev_head head;
	__u64 start_ns;
	__u64 bytes;	  /* taken since the last sample */
	__u64 address;	  /* that was touched */
	__u64 stack;	  /* id of a raw_stack; 0 none */
	__u64 connection; /* to which the thread spoke last; 0 none seen */
	__u64 said_ns;	  /* when that was */
	__u32 pid, tid;
};

/* What the kernel half remembers of a process that grows; zero at first.  Pages are resident and
 * anonymous, or swapped out. */
struct growth_state {
	__s64 last;    /* pages at the last fault */
	__u64 touched; /* pages touched first since the last sample, by faults; huge ones aside */
	__u64 risen;   /* the same by the count of pages, which is told late; falls aside */
	__u64 due;     /* so many, and a sample is taken */
	__u64 owed;    /* pages of huge ones whose fault was not looked at */
	__u64 region;  /* the 2 MB touched last */
	__u64 sampled_ns, huge_ns; /* when a sample was taken, a huge page waited for */
	__u64 paid_ns;		   /* each sample moves it by the gap; it may not pass the clock */
	__u32 interval; /* pages between samples, on average: wider where they come too fast */
	__u32 rarely;	/* of so many powers of two of first touches one is waited for */
	__u16 waits;	/* the next is a sample if a huge page came of it */
	__u16 met;	/* a fault was seen */
	__u32 reserved;
	struct raw_growth waiting;
	struct raw_growth out; /* in the making: the stack leaves no room for it */
};

#endif
