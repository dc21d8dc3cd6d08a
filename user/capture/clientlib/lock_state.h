/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * lock_state.h - holders of locks, for lock.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_LOCK_STATE_H
#define DBLEAK_CAPTURE_LOCK_STATE_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "user/capture/clientlib/lock.h"
#include "bpf/event.h"
#include "user/base/table.h"

#define PENDING_BYTE 0x40000000ULL
#define SHARED_LAST  (PENDING_BYTE + 511)
#define WAL_WRITER   120ULL
#define HELD_NS	     3000000000ULL

struct lock { /* a line of /proc/locks */
	uint64_t first, last;
	uint64_t inode;
	dev_t device;
	uint32_t pid;
};

struct signs { /* values that change while a process works with the file */
	struct timespec file, log, journal;
	uint64_t log_bytes, journal_bytes;
};

struct lock_holder { /* a process that has a file locked for writing */
	uint32_t pid;
	uint64_t inode; /* of the locked file */
	char *path;	/* of the database, as the kernel shows it */
	dev_t device;	/* of the database, as reported */
	ino_t database;
	struct signs signs;
	uint64_t cpu_ns;
	uint64_t looked_ns, still_ns;
	struct ev_connection ev; /* id 0: not reported */
	uint32_t missed;	 /* looks in a row that did not show it */
	bool seen;
};

struct locks {
	struct kernel *kernel;
	const struct procfs *procfs;
	const struct client_host *host;
	lock_known_fn *known;
	void *context;
	struct table holders; /* by inode and pid */
};

/* Parses a line.  True: a write lock on one of SQLite's bytes, held and not waited for. */
bool lock_of_line(const char *line, struct lock *out);
/* The holder of that lock, made when it is new.  NULL: not one of SQLite, or no memory. */
struct lock_holder *lock_holder_enter(struct locks *l, const struct lock *lock);
/* Reports a lock that is held for a while without any work.  A new holder is reported only if no
 * probe shows its connection. */
void lock_tell_held(struct locks *l, struct lock_holder *h, uint64_t now, uint64_t *ids);
/* The holder worked, released its lock, or ended. */
void lock_tell_moved(struct locks *l, struct lock_holder *h, uint64_t now, bool alive);

#endif
