/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library_heap.h - what a client library takes of the heap by its own calls, and gives back. Shared
 * by both halves, never recorded.
 */
#ifndef DBLEAK_LIBRARY_HEAP_H
#define DBLEAK_LIBRARY_HEAP_H

#include "bpf/event.h"

#define LIBRARY_SITES	    4096 /* call sites in all files; an attach cookie holds an index below it */
#define LIBRARY_FILES	    32
#define LIBRARY_STACK_BYTES 65536 /* at most one stack for so much that is taken */

enum library_function {
	LIBRARY_FREE = 1,
	LIBRARY_MALLOC = 2,
	LIBRARY_CALLOC = 3,
	LIBRARY_REALLOC = 4,
	LIBRARY_STRDUP = 5,
	LIBRARY_STRNDUP = 6,
};

/* An attach cookie: the site's index, its function, its file, and whether its probe comes and goes.
 */
#define LIBRARY_COOKIE(site, function, file, windowed) \
	((__u32)(site) | (__u32)(function) << 12 | (__u32)(file) << 16 | (__u32)(windowed) << 24)
#define LIBRARY_SITE_OF(cookie)	    ((__u32)(cookie)&0xfff)
#define LIBRARY_FUNCTION_OF(cookie) ((__u32)(cookie) >> 12 & 15)
#define LIBRARY_FILE_OF(cookie)	    ((__u32)(cookie) >> 16 & 255)
#define LIBRARY_WINDOWED(cookie)    ((__u32)(cookie) >> 24 & 1)

/* Whose: what probes that come and go have seen is counted apart from what those see that stay. */
struct library_key {
	__u32 pid;
	__u16 file;
	__u16 windowed;
};

struct library_balance {
	__u64 start_ns;			/* of the process */
	__u64 memory;			/* its address space: another program has another */
	__u64 taken, freed;		/* blocks */
	__u64 taken_bytes, freed_bytes; /* as glibc rounds them */
	__u64 unread;			/* given back, but their size is none of glibc's */
	__u64 hits;
	__u64 first_ns, last_ns;
	__u64 stack_bytes; /* taken_bytes when the last stack was taken */
	__u64 unwanted;	   /* nobody asked for this process: nothing but hits counts */
};

struct library_stack_key {
	__u64 stack; /* 0: none could be taken */
	struct library_key of;
};

struct library_stack {
	__u64 bytes; /* taken since the stack before it, this one's share */
	__u64 ns;
};

#endif
