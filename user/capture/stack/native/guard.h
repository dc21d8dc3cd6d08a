/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * guard.h - which file a worker is reading, so that its parent knows the file to blame if it dies;
 * and a time limit for each look into a file.
 */
#ifndef DBLEAK_CAPTURE_GUARD_H
#define DBLEAK_CAPTURE_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#define GUARD_CPU_SECONDS  2  /* for one look into a file */
#define GUARD_WALL_SECONDS 10 /* ... which may hang */
#define GUARD_FILES	   256
#define GUARD_DEATHS	   2 /* of workers, after which a file is not read again */

/* A part of a file's content.  A file may be given up for one part and still be read for the
 * other. */
enum guard_part {
	GUARD_CODE = 1,	   /* how to unwind, and names */
	GUARD_SOURCES = 2, /* and lines */
};

/* Lies in memory that worker and parent share.  The worker writes it, so it is a hint, not a
 * fact. */
struct guard_mark {
	volatile uint64_t device, inode;
	volatile uint32_t part; /* 0 none */
};

struct guard_file {
	uint64_t device, inode;
	uint32_t part, deaths; /* GUARD_DEATHS: given up */
};

/* The state of the parent; a worker has a copy of its files. */
struct guard {
	struct guard_mark *mark;
	struct guard_file file[GUARD_FILES];
	uint32_t count, given_up;
	uint64_t entered_ns; /* in the worker */
};

/* shared: zeroed memory that worker and parent share. */
void guard_share(struct guard *g, void *shared);
/* For the worker: takes over the list of files of the parent. */
void guard_learn(struct guard *g, const struct guard_file files[GUARD_FILES]);
/* Clears the mark, and returns what it was; part 0: none. */
struct guard_file guard_take(struct guard *g);
/* Blames a file for the death of a worker.  out_of_time: the file alone was the cause, so it is
 * given up at once.  The mark may lie: blame only a file that the worker has got, so that one that
 * fell to a file makes dbleak give up no other than those it could lie about anyway. */
void guard_blame(struct guard *g, const struct guard_file *marked, bool out_of_time);
/* May this part of the file be read? */
bool guard_allows(const struct guard *g, enum guard_part part, uint64_t device, uint64_t inode);

/* The worker calls both around each look into a file.  SIGPROF or SIGALRM ends a worker that takes
 * longer than the limit. */
void guard_enter(struct guard *g, enum guard_part part, uint64_t device, uint64_t inode);
/* Returns the processor time since, in ns. */
uint64_t guard_leave(struct guard *g);

#endif
