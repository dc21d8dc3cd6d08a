/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * look_state.h - a file that a worker looks into, for look.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_LOOK_STATE_H
#define DBLEAK_CAPTURE_LOOK_STATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "user/capture/elf/look.h"
#include "user/capture/elf/look_wire.h"

/* Limit for all answers about a file together, and again for those about its code.  The worker's
 * own budget (elf_state.h) is smaller, so a slow file normally ends there. */
#define ANSWERS_MS  1000
#define GIVEN_UP    256 /* files to remember */
#define BLOCK_BYTES 16384
#define BLOCKS	    64 /* kept per file: reads of tables and of code take turns */
#define SPARE	    2  /* workers started before a file needs one */

/* A worker, with the files that it has open. */
struct elf_looker {
	struct nursery *nursery; /* of the worker */
	struct nursling worker;	 /* wire negative: none */
	uint64_t generation;	 /* counts the workers that were stopped */
	bool used[LOOK_FILES];
	size_t signs; /* sent to the worker */
};

struct look {
	struct elf_looker *at, own;
	uint64_t generation; /* at's, when the file was opened */
	uint32_t file;
	int fd;				    /* the caller's */
	uint64_t left_ms;		    /* remaining time to wait for answers */
	bool given_up, is_program, decodes; /* decodes: the code's own time has begun */
	struct look_opened opened;
	struct look_block *block[2][BLOCKS]; /* cache: [0] by offset, [1] by address; NULL: none */
};

/* Bytes around those that a caller asked for, since the next reads are mostly near them. */
struct look_block {
	uint64_t at;
	size_t size;
	uint8_t bytes[BLOCK_BYTES];
};

/* Shared by all files: workers, signs, files that were given up, and packets. */
struct look_all {
	struct nursery *nursery;
	struct elf_looker shared;
	struct nursling spare[SPARE];
	size_t spares;
	struct {
		char *name;
		uint32_t flags; /* LOOK_VARIABLES, LOOK_SECTIONS */
	} sign[LOOK_SIGNS];
	size_t signs;
	struct {
		dev_t device;
		ino_t inode;
	} given_up[GIVEN_UP];
	size_t given_up_count;
	union {
		struct look_request request;
		uint8_t bytes[LOOK_PACKET_MAX];
	} out;
	union {
		struct look_reply reply;
		uint8_t bytes[LOOK_PACKET_MAX];
	} in;
};

extern struct look_all look_all;

/* Milliseconds of the monotonic clock. */
/* Ends the worker.  Files that it has open are given up. */
void looker_stop(struct elf_looker *k);

#endif
