/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * heap.h - what user space and the allocator programs share: which function a probe sits in, the
 * blocks that are held, and where they were taken.  Never recorded.
 */
#ifndef DBLEAK_HEAP_H
#define DBLEAK_HEAP_H

#include "bpf/event.h"

/* What a function does, by where its arguments are. */
enum heap_kind {
	HEAP_MALLOC = 1,       /* (size) */
	HEAP_CALLOC = 2,       /* (n, size) */
	HEAP_REALLOC = 3,      /* (block, size) */
	HEAP_REALLOCARRAY = 4, /* (block, n, size) */
	HEAP_ALIGNED = 5,      /* (alignment, size) */
	HEAP_POSIX = 6,	       /* (block *, alignment, size), 0 when done */
	HEAP_FREE = 7,	       /* (block) */
	HEAP_MMAP = 8,	       /* (address, size, protection, flags) */
	HEAP_MUNMAP = 9,       /* (block, size) */
	HEAP_MREMAP = 10,      /* (block, old size, size, flags) */
	HEAP_VALLOC = 11,      /* (size), which others may do for it */
	HEAP_MPROTECT = 12,    /* (address, size, protection) */
	HEAP_KINDS = 13,
	HEAP_CANARY = 240, /* and the next three: they only count, the third's return is awaited */
};

/* An attach cookie says all of a probe. */
#define HEAP_COOKIE(kind, flags, file, before) \
	((__u64)(kind) | (__u64)(flags) << 8 | (__u64)(file) << 16 | (__u64)(before) << 32)

enum heap_cookie_flag {
	HEAP_DEAR = 1, /* at an instruction that the kernel steps over */
	HEAP_ENDS =
		2, /* the call may be left by an exception: its ends are probed, not its return */
};

#define HEAP_FILES  64 /* with an allocator */
#define HEAP_RANGES 64

/* Where an allocator's code is, from the start of its file's code: what it calls there is its own
 * business. */
struct heap_file {
	__u32 length; /* of the file's code */
	__u32 ranges;
	__u32 library; /* 1: a C library, whose other code maps memory for nobody else either */
	__u32 reserved;
	struct {
		__u32 start, end;
	} range[HEAP_RANGES];
};

/* Blocks that are held: a table of our own, which takes a fourth of the memory of the kernel's and
 * is read by user space without a call.  A block lies in its bucket, or where that is full in one
 * of a few others.  Key 0: free. */
#define HEAP_PLACES 7

struct heap_bucket {
	__u64 key[HEAP_PLACES];	  /* heap_key */
	__u64 spilled;		  /* blocks that lie in others for want of room here */
	__u64 value[HEAP_PLACES]; /* site number and size */
	__u64 reserved;
};

#define HEAP_KEY(process, address) ((__u64)(process) << 44 | (__u64)(address) >> 3)
/* The bucket where a key belongs, from its hash; and the others, 1 to HEAP_OTHERS. */
#define HEAP_HASH(key)		  ((key)*0x9e3779b97f4a7c15ULL ^ ((key)*0x9e3779b97f4a7c15ULL) >> 32)
#define HEAP_HOME(hash, mask)	  ((__u32)(hash) & (mask))
#define HEAP_OTHERS		  4
#define HEAP_OTHER(hash, i, mask) ((__u32)((hash) + (i) * (1 + ((hash) >> 52))) & (mask))
#define HEAP_KEY_PROCESS(key)	  ((__u32)((key) >> 44))
#define HEAP_ADDRESS_MOST	  (1ULL << 47)
#define HEAP_PROCESSES_MOST	  (1U << 20) /* met in one run */
#define HEAP_VALUE(site, size)	  ((__u64)(site) << 44 | (size))
#define HEAP_VALUE_SITE(value)	  ((__u32)((value) >> 44 & 0x7ffff))
#define HEAP_VALUE_SIZE(value)	  ((value) & ((1ULL << 44) - 1))

/* What is mapped, by where it begins: its site and size as of a block, whole pages.  Site 0: only
 * reserved, nobody can write there yet. */
struct heap_mapping_key {
	__u64 start;
	__u32 process; /* its number */
	__u32 reserved;
};

/* Cut off from a block that goes on before it, and no block itself */
#define HEAP_PIECE	(1ULL << 63)
#define HEAP_SITES	16384 /* number 0 is none's */
#define HEAP_SITES_EACH 4096  /* of a process, beyond which only callers are told apart */

/* Where blocks are taken.  Sums are of the sampled blocks, each by the inverse of its chance. */
struct heap_site {
	__u64 start_ns; /* of the process; 0: not in use */
	__u64 place;	/* what makes it a site: a stack, or a caller and how deep it was called */
	__u64 caller;
	__u64 stack; /* the latest taken; 0 none */
	__u64 first_ns;
	__u64 taken_bytes, freed_bytes;
	__u64 taken, freed;		  /* blocks, in 256ths */
	__u64 spread_taken, spread_freed; /* variances, in units of the interval */
	__u64 lost;			  /* blocks that found no room: not in the sums */
	__u32 process;			  /* its number */
	__u32 pid;
	__u32 kind;	   /* enum heap_kind */
	__u32 calls;	   /* sampled */
	__u64 connection;  /* whose reply was at work on, at the latest; 0 none */
	__u64 reply_bytes; /* of taken_bytes, what was taken while one was */
};

struct heap_place {
	__u64 place;
	__u32 process;
	__u32 kind;
};

#define HEAP_MAPPED 8

/* A process that is followed: another program in it is another one. */
struct heap_process {
	__u64 start_ns;
	__u64 older; /* blocks freed that we had not seen taken; only where every block is taken */
	__u32 number;
	__u32 exec;
	__u32 sites;
	__u32 files;
	struct {
		__u64 start; /* 0: none */
		__u32 file, reserved;
	} mapped[HEAP_MAPPED]; /* code of files with an allocator, as it calls them */
};

/* What probes cost: hits by the price of their place. */
struct heap_hits {
	__u64 cheap, dear;
	__u64 returns;
	__u64 foreign; /* of the hits, those of processes that nobody asked for */
	__u64 canary[4];
};

#endif
