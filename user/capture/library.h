/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library.h - which files are mapped as code, by any process in any mount namespace, now and later.
 *
 * Each file is told of once, by its inode, with a descriptor of exactly that inode: opened through
 * /proc/PID/map_files, so that deleted, replaced, chrooted and container files are right.
 */
#ifndef DBLEAK_CAPTURE_LIBRARY_H
#define DBLEAK_CAPTURE_LIBRARY_H

#include <stdint.h>

#include "procfs.h"

struct libraries;

struct library_file {
	uint64_t device, inode; /* as stat(2) of fd tells */
	uint64_t seen_ns;	/* CLOCK_BOOTTIME: when we learned that it is mapped */
	uint32_t pid;		/* one that maps it */
	int fd;			/* readable; closed after the call: duplicate it to keep it */
	const char *path;	/* as that process sees it, raw bytes; may be gone, or another file */
};

typedef void (*library_fn)(void *context, const struct library_file *file);

/* procfs is borrowed.  0 or -errno. */
int libraries_open(struct libraries **out, const struct procfs *procfs);
void libraries_close(struct libraries *l);

/* From now on new executable mappings of all processes are noted (perf events, one per CPU).
 * 0 or -errno: then libraries_scan from time to time is all there is. */
int libraries_watch(struct libraries *l);
/* Readable when something was mapped, for poll(2); -1 not watching. */
int libraries_fd(const struct libraries *l);

/* Every process now: fn for each file not told of before.  Files that cannot be opened (process
 * gone, no right) are tried again with the next process that maps them.  0 or -errno. */
int libraries_scan(struct libraries *l, library_fn fn, void *context);
/* What was mapped since the last call.  Events lost by the kernel lead to a whole scan.
 * Returns how many files were told of, or -errno. */
int libraries_poll(struct libraries *l, library_fn fn, void *context);

/* Lost mapping events so far (each led to a scan). */
uint64_t libraries_lost(const struct libraries *l);

#endif
