/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library_heap.h - heap memory that a client library's own calls take and give back.  Shared by
 * both halves, never recorded.
 */
#ifndef DBLEAK_LIBRARY_HEAP_H
#define DBLEAK_LIBRARY_HEAP_H

#include "bpf/event.h"

#define LIBRARY_SITES	    4096 /* call sites in all files; a cookie holds an index below it */
#define LIBRARY_FILES	    32
#define LIBRARY_STACK_BYTES 65536 /* at most one stack for so many bytes taken */

enum library_function {
	LIBRARY_FREE = 1,
	LIBRARY_MALLOC = 2,
	LIBRARY_CALLOC = 3,
	LIBRARY_REALLOC = 4,
	LIBRARY_STRDUP = 5,
	LIBRARY_STRNDUP = 6,
};

/* An attach cookie: the site's index, its function, its file, and whether its probe is attached in
 * sampling windows only. */
#define LIBRARY_COOKIE(site, function, file, windowed) \
	((__u32)(site) | (__u32)(function) << 12 | (__u32)(file) << 16 | (__u32)(windowed) << 24)
#define LIBRARY_SITE_OF(cookie)	    ((__u32)(cookie)&0xfff)
#define LIBRARY_FUNCTION_OF(cookie) ((__u32)(cookie) >> 12 & 15)
#define LIBRARY_FILE_OF(cookie)	    ((__u32)(cookie) >> 16 & 255)
#define LIBRARY_WINDOWED(cookie)    ((__u32)(cookie) >> 24 & 1)

/* The key of a balance.  Probes attached in windows only are counted apart from permanent ones. */
struct library_key {
	__u32 pid;
	__u16 file;
	__u16 windowed;
};

struct library_balance {
	__u64 start_ns;			/* start of the process */
	__u64 memory;			/* its address space: an exec makes a new one */
	__u64 taken, freed;		/* blocks */
	__u64 taken_bytes, freed_bytes; /* sizes as glibc rounds them */
	__u64 unread;			/* blocks given back without a glibc size */
	__u64 hits;
	__u64 first_ns, last_ns;
	__u64 stack_bytes; /* taken_bytes when the last stack was taken */
	__u64 unwanted;	   /* 1: not selected: only hits are counted */
};

struct library_stack_key {
	__u64 stack; /* 0: no stack could be taken */
	struct library_key of;
};

struct library_stack {
	__u64 bytes; /* bytes taken since the stack before this one */
	__u64 ns;
};

#endif
