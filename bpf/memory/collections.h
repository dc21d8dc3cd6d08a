/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * collections.h - the garbage collections of a process, as its run time announces them.  Shared by
 * both halves, never recorded.
 */
#ifndef DBLEAK_COLLECTIONS_H
#define DBLEAK_COLLECTIONS_H

#include "bpf/event.h"

#define COLLECTING_MOST 1024 /* processes at once */

/* The way to the argument that says how much is collected. */
enum collection_argument {
	COLLECTION_CONSTANT = 1, /* the number itself */
	COLLECTION_REGISTER = 2,
	COLLECTION_MEMORY = 3, /* at the register's value plus the number */
};

/* An attach cookie.  A collection is a full one if its argument is at least `least`. */
#define COLLECTION_COOKIE(argument, base, size, least, number)                                 \
	((__u64)(argument) | (__u64)(base) << 8 | (__u64)(size) << 16 | (__u64)(least) << 24 | \
	 (__u64)(__u32)(number) << 32)
#define COLLECTION_ARGUMENT(cookie) ((__u32)(cookie)&255)
#define COLLECTION_BASE(cookie)	    ((__u32)(cookie) >> 8 & 255)
#define COLLECTION_SIZE(cookie)	    ((__u32)(cookie) >> 16 & 255)
#define COLLECTION_LEAST(cookie)    ((__u32)(cookie) >> 24)
#define COLLECTION_NUMBER(cookie)   ((__s32)((__u64)(cookie) >> 32))

/* User space makes the entry of each process that carries the probes. */
struct collecting {
	__u64 full, partial; /* collections that began */
	__u64 full_ns;	     /* start of the last full one; 0 none */
	__u64 last_ns;	     /* start of the last of all; 0 none */
};

#endif
