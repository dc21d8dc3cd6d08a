/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * heap.h - shared by user space and the allocator programs, never recorded: the function that a
 * probe sits in, the held blocks, and the sites that took them.
 */
#ifndef DBLEAK_HEAP_H
#define DBLEAK_HEAP_H

#include "bpf/event.h"

/* The kinds of functions, with the order of their arguments. */
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
	HEAP_VALLOC = 11,      /* (size), may pass the work on to another function */
	HEAP_MPROTECT = 12,    /* (address, size, protection) */
	HEAP_KINDS = 13,
	HEAP_CANARY = 240, /* and the next three: only count; the third one's return is awaited */
};

/* The attach cookie, which describes the probe completely. */
#define HEAP_COOKIE(kind, flags, file, before) \
	((__u64)(kind) | (__u64)(flags) << 8 | (__u64)(file) << 16 | (__u64)(before) << 32)

enum heap_cookie_flag {
	HEAP_DEAR = 1, /* at an instruction that the kernel single-steps */
	HEAP_ENDS = 2, /* an exception may leave the call: ends are probed, not the return */
};

#define HEAP_FILES  64 /* files with an allocator */
#define HEAP_RANGES 64

/* The code ranges of an allocator, relative to the start of its file's code.  Its calls from there
 * are not counted. */
struct heap_file {
	__u32 length; /* length of the file's code */
	__u32 ranges;
	__u32 library; /* 1: a C library, whose other code maps memory for itself, too */
	__u32 reserved;
	struct {
		__u32 start, end;
	} range[HEAP_RANGES];
};

/* The table of held blocks.  A table of our own takes a fourth of the memory of a BPF hash map, and
 * user space reads it without a system call.  A block lies in its home bucket or, if that is full,
 * in one of a few others.  Key 0: free. */
#define HEAP_PLACES 7

struct heap_bucket {
	__u64 key[HEAP_PLACES];	  /* heap_key */
	__u64 spilled;		  /* blocks of this bucket that lie in others */
	__u64 value[HEAP_PLACES]; /* site number and size */
	__u64 reserved;
};

#define HEAP_KEY(process, address) ((__u64)(process) << 44 | (__u64)(address) >> 3)
/* The hash of a key.  Its low bits choose the home bucket, its high bits the step to others. */
#define HEAP_HASH(key) ((key)*0x9e3779b97f4a7c15ULL ^ ((key)*0x9e3779b97f4a7c15ULL) >> 32)
/* The home bucket of a key, by its hash, and the other buckets, 1 to HEAP_OTHERS: so many that
 * where one process has its whole share, fewer than one block in ten million finds no room. */
#define HEAP_HOME(hash, mask)	  ((__u32)(hash) & (mask))
#define HEAP_OTHERS		  6
#define HEAP_OTHER(hash, i, mask) ((__u32)((hash) + (i) * (1 + ((hash) >> 52))) & (mask))
#define HEAP_KEY_PROCESS(key)	  ((__u32)((key) >> 44))
#define HEAP_ADDRESS_MOST	  (1ULL << 47)
#define HEAP_PROCESSES_MOST	  (1U << 20) /* seen in one run */
#define HEAP_VALUE(site, size)	  ((__u64)(site) << 44 | (size))
#define HEAP_VALUE_SITE(value)	  ((__u32)((value) >> 44 & 0x7ffff))
#define HEAP_VALUE_SIZE(value)	  ((value) & ((1ULL << 44) - 1))

/* A mapping, found by its start.  Its value is site and size, as for a block, in whole pages.  Site
 * 0: reserved only, no program can write there yet. */
struct heap_mapping_key {
	__u64 start;
	__u32 process; /* number of the process */
	__u32 reserved;
};

/* The rest of a mapping whose first part is an entry of its own: not counted as a block. */
#define HEAP_PIECE (1ULL << 63)
#define HEAP_SITES 16384 /* number 0 is not used */

/* The share of one process in each table; what is beyond is refused, and counted with it.  The
 * selected processes are few, so one may have much.  But a table of blocks that is three quarters
 * full has no room in some buckets, for nobody. */
#define HEAP_STACKS_EACH	  4096 /* sites; further ones are told by caller ... */
#define HEAP_SITES_EACH		  5120 /* ... up to so many */
#define HEAP_MAPPINGS		  4096
#define HEAP_MAPPINGS_EACH	  (HEAP_MAPPINGS / 4 * 3)
#define HEAP_BLOCKS_EACH(buckets) ((buckets) / 16 * 9 * HEAP_PLACES)

enum heap_table { HEAP_TABLE_BLOCKS, HEAP_TABLE_SITES, HEAP_TABLE_MAPPINGS, HEAP_TABLES };

/* A site: the place where blocks are taken.  Sums are over sampled blocks, each weighted by the
 * inverse of its chance. */
struct heap_site {
	__u64 start_ns; /* start of the process; 0: not in use */
	__u64 place;	/* identity: a stack, or a caller and the depth of its stack */
	__u64 caller;
	__u64 stack; /* the latest stack; 0 none */
	__u64 first_ns;
	__u64 taken_bytes, freed_bytes;
	__u64 taken, freed;		  /* blocks, in 256ths */
	__u64 spread_taken, spread_freed; /* variances, in units of the interval */
	__u64 lost;			  /* blocks that found no room: not in the sums */
	__u32 process;			  /* number of the process */
	__u32 pid;
	__u32 kind;	   /* enum heap_kind */
	__u32 calls;	   /* sampled calls */
	__u64 connection;  /* of the latest reply during which blocks were taken; 0 none */
	__u64 reply_bytes; /* part of taken_bytes taken during replies */
};

struct heap_place {
	__u64 place;
	__u32 process;
	__u32 kind;
};

#define HEAP_MAPPED 8

/* A process that is followed.  An exec makes it another one. */
struct heap_process {
	__u64 start_ns;
	__u64 older; /* freed blocks that were not seen taken; only if every block is taken */
	__u32 number;
	__u32 exec;
	__u32 held[HEAP_TABLES];    /* its entries in the tables */
	__u32 refused[HEAP_TABLES]; /* those beyond its share */
	__u32 files;
	__u32 reserved;
	struct {
		__u64 start; /* 0: none */
		__u32 file, reserved;
	} mapped[HEAP_MAPPED]; /* mapped code of files with an allocator */
};

/* The hits of probes, by the price of their place. */
struct heap_hits {
	__u64 cheap, dear;
	__u64 returns;
	__u64 foreign; /* hits in processes that are not selected */
	__u64 canary[4];
};

#endif
