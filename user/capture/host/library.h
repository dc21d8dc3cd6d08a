/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library.h - which files are mapped as code, by any process in any mount namespace, now and later.
 *
 * Each file is told of once, by its inode, with a descriptor of exactly that inode: opened through
 * /proc/PID/map_files, so that deleted, replaced, chrooted and container files are right.  Told
 * of again is only what has another identity: a file whose inode number an earlier one had, or a
 * file that was forgotten for want of room while no process mapped it.  A file below several
 * overlays, as an image's in all its containers, is one file, told of through the first.
 *
 * To miss nothing: libraries_watch, then libraries_scan once, then libraries_poll.
 */
#ifndef DBLEAK_CAPTURE_LIBRARY_H
#define DBLEAK_CAPTURE_LIBRARY_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/host/procfs.h"

struct libraries;

struct library_file {
	uint64_t device, inode; /* as stat(2) of what is mapped tells */
	uint64_t seen_ns;	/* CLOCK_BOOTTIME: when we learned that it is mapped */
	uint32_t pid;		/* one that maps it */
	int fd;			/* of a regular file, readable; duplicate it to keep it.  Of what is
				 * below an overlay, where that can be reached */
	bool deleted;		/* no name leads to it any more */
	const char *path;	/* as the kernel shows it to us, in a container from the container's
				 * root; raw bytes, "" not known; may be another file by now */
};

/* Must not call libraries_*, but for libraries_follow and libraries_hold. */
typedef void (*library_fn)(void *context, const struct library_file *file);

/* A followed file that a process maps as code, perhaps again. */
struct library_mapping {
	uint64_t device, inode; /* as it was told of */
	uint64_t start, end;	/* addresses */
	uint64_t offset;	/* in the file, of start */
	uint32_t pid;
};

/* Must not call libraries_*. */
typedef void (*library_mapping_fn)(void *context, const struct library_mapping *mapping);

/* A held file, as it was told of, that no process maps any more.  If one maps it again it is told
 * of as if it were new.  Must not call libraries_*. */
typedef void (*library_gone_fn)(void *context, uint64_t device, uint64_t inode);

/* Since libraries_open.  Sightings are no files: one file may count many times. */
struct library_counts {
	uint64_t lost;	     /* mapping events that the kernel dropped; each led to a scan */
	uint64_t vanished;   /* sightings: unmapped, or the process gone, before we could look */
	uint64_t unreadable; /* sightings of files we may not or cannot open */
	uint64_t served;  /* sightings of files each read of which some program answers, or not */
	uint64_t refused; /* sightings of files past the limit of 65,536: not looked at */
};

/* procfs is borrowed.  0 or -errno. */
int libraries_open(struct libraries **out, const struct procfs *procfs);
/* Who is told, with the context of the scan or the poll, of mappings of followed files. */
void libraries_on_mapping(struct libraries *l, library_mapping_fn fn);
/* From within a library_fn, of the file it is told of: each process that maps it is told of, this
 * one first. */
void libraries_follow(struct libraries *l, const struct library_file *file);
/* Looks through all processes again when it is polled. */
void libraries_again(struct libraries *l);
/* Who is told, with the context of the scan or the poll, of held files that nobody maps any more.
 */
void libraries_on_gone(struct libraries *l, library_gone_fn fn);
/* Whether this file, as it was told of, is mapped still is looked at from now on, some twice a
 * second, while libraries_watch is on; also from within a library_fn.  -ENOENT: it is not known. */
int libraries_hold(struct libraries *l, uint64_t device, uint64_t inode);
/* Not any more. */
void libraries_release(struct libraries *l, uint64_t device, uint64_t inode);
void libraries_close(struct libraries *l);

/* From now on new executable mappings of all processes are noted (perf events, one per CPU).
 * 0 or -errno: then libraries_scan from time to time is all there is. */
int libraries_watch(struct libraries *l);
/* Readable when libraries_poll is due, for poll(2) and epoll; -1 not watching.  Readiness is told
 * once, so call libraries_poll each time, and once more after adding it to an epoll set. */
int libraries_fd(const struct libraries *l);

/* Every process now: fn for each file not told of before.  Files that cannot be opened (process
 * gone, no right) are tried again with the next process that maps them.  Also takes in CPUs that
 * came online since libraries_watch.  0 or -errno. */
int libraries_scan(struct libraries *l, library_fn fn, void *context);
/* What was mapped since the last call.  Events lost by the kernel lead to a whole scan, now or,
 * so that scans take no more than a twentieth of the time, in a later call.  Without news it
 * costs no system call.  Returns how many files were told of, or -errno. */
int libraries_poll(struct libraries *l, library_fn fn, void *context);

struct library_counts libraries_counts(const struct libraries *l);
/* Lost mapping events so far (each led to a scan). */
uint64_t libraries_lost(const struct libraries *l);

#endif
