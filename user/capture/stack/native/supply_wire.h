/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * supply_wire.h - the requests of a worker that may open nothing, and the replies.
 *
 * A request and a reply are one packet each.  The supplier does not trust the request: a file that
 * the worker read may have taken control of it.
 */
#ifndef DBLEAK_CAPTURE_SUPPLY_WIRE_H
#define DBLEAK_CAPTURE_SUPPLY_WIRE_H

#include <stdint.h>

#define SUPPLY_PACKET_MAX  32768
#define SUPPLY_INDEXES_MAX 64
#define SUPPLY_ID_MAX	   64
#define SUPPLY_NAME_MAX	   512

enum supply_kind {
	SUPPLY_MAPS = 1,  /* code that the process maps, from index[0] on: 0 reads it anew */
	SUPPLY_FILES = 2, /* identities of the files index[] of that list */
	SUPPLY_FILE = 3,  /* the file of index[0], to be read */
	SUPPLY_DEBUG = 4, /* a separate file of debug information */
	SUPPLY_JIT = 5,	  /* perf's map of the code that the process makes */
};

enum mapping_kind {
	MAPPING_FILE = 0,
	MAPPING_ANONYMOUS = 1, /* or a file that cannot be read as a program */
	MAPPING_UPROBES = 2,   /* the kernel's own, where return probes lead */
	MAPPING_VDSO = 3,      /* the kernel's own code for all processes */
};

struct supply_request {
	uint32_t kind, pid;
	uint64_t start_ns;
	uint64_t start, end; /* DEBUG: a mapping of the program that lacks debug information; else
			      * 0 */
	uint32_t count, index[SUPPLY_INDEXES_MAX];
	uint32_t candidate; /* DEBUG: which name to try first: 0, then reply.more */
	uint32_t id_size;
	uint8_t build_id[SUPPLY_ID_MAX];
	char link[SUPPLY_NAME_MAX];	 /* .gnu_debuglink; "" none */
	char alternate[SUPPLY_NAME_MAX]; /* .gnu_debugaltlink; "" none */
};

struct supply_reply {
	int32_t error;	/* 0, or -errno: nothing follows */
	uint32_t count; /* of what follows */
	uint32_t more;	/* MAPS: ask again from there; 0: that was all.  DEBUG: the next
			 * candidate */
	uint32_t reserved;
	uint8_t bytes[] __attribute__((aligned(8)));
};

struct supply_mapping {
	uint64_t start, end, offset;
	uint64_t device, inode; /* as maps shows them, for comparing */
	uint32_t kind;		/* enum mapping_kind */
	uint32_t path_size;	/* with its NUL; the next one begins at the next multiple of 8 */
	char path[];
};

struct supply_file {
	uint64_t device, inode, changed_ns, size; /* as stat(2) has them; inode 0: not available */
};

#endif
