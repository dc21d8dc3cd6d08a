/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * guard.h - which file a worker is reading, for whoever finds it dead; and how long it may.
 */
#ifndef DBLEAK_CAPTURE_GUARD_H
#define DBLEAK_CAPTURE_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#define GUARD_CPU_SECONDS  2  /* for one look into a file */
#define GUARD_WALL_SECONDS 10 /* ... which may hang */
#define GUARD_FILES	   256
#define GUARD_DEATHS	   2 /* of workers, and a file is not read again */

/* What is read of a file: a file may be given up for one and not for the other. */
enum guard_part {
	GUARD_CODE = 1,	   /* how to unwind, and names */
	GUARD_SOURCES = 2, /* and lines */
};

/* In memory that worker and parent share.  The worker's word: a hint, not a fact. */
struct guard_mark {
	volatile uint64_t device, inode;
	volatile uint32_t part; /* 0 none */
};

struct guard_file {
	uint64_t device, inode;
	uint32_t part, deaths; /* GUARD_DEATHS: given up */
};

/* The parent's; a worker has a copy of its files. */
struct guard {
	struct guard_mark *mark;
	struct guard_file file[GUARD_FILES];
	uint32_t count, given_up;
	uint64_t entered_ns; /* the worker's */
};

/* shared: zeroed memory of both. */
void guard_share(struct guard *g, void *shared);
/* The worker's: the files of the parent's. */
void guard_learn(struct guard *g, const struct guard_file files[GUARD_FILES]);
/* A worker died; out of time: it was the file's doing.  Clears the mark. */
void guard_blame(struct guard *g, bool out_of_time);
/* May this part of it be read? */
bool guard_allows(const struct guard *g, enum guard_part part, uint64_t device, uint64_t inode);

/* Around each look into a file, in the worker: who takes longer is ended by SIGPROF or SIGALRM. */
void guard_enter(struct guard *g, enum guard_part part, uint64_t device, uint64_t inode);
/* Returns the processor time since, in ns. */
uint64_t guard_leave(struct guard *g);

#endif
