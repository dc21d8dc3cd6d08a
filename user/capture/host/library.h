/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library.h - finds the files that any process, in any mount namespace, maps as code, now and
 * later.
 *
 * Each file is reported once per inode, with a descriptor of exactly that inode.  The descriptor
 * comes from /proc/PID/map_files, so that deleted, replaced, chrooted and container files are
 * right.  A file is reported again in two cases only: its inode number belonged to an earlier file,
 * or the file was forgotten, for lack of room, while no process mapped it.  A file below several
 * overlays, such as an image's file in all its containers, is one file, reported through the first.
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
	uint64_t device, inode; /* of the mapped file, from stat(2) */
	uint64_t seen_ns;	/* CLOCK_BOOTTIME: when dbleak saw the mapping */
	uint32_t pid;		/* a process that maps it */
	int fd;			/* readable, of a regular file; duplicate it to keep it.  On an
				 * overlay: of the file below, where that can be reached */
	bool deleted;		/* the file has no name any more */
	const char *path;	/* from the kernel, in a container from the container's root; raw
				 * bytes; "": not known; may name another file by now */
};

/* May call no libraries_* function but libraries_follow and libraries_hold. */
typedef void (*library_fn)(void *context, const struct library_file *file);

/* A process's mapping of a followed file as code.  May come more than once. */
struct library_mapping {
	uint64_t device, inode; /* as in the file's struct library_file */
	uint64_t start, end;	/* addresses */
	uint64_t offset;	/* in the file, of start */
	uint32_t pid;
};

/* May call no libraries_* function. */
typedef void (*library_mapping_fn)(void *context, const struct library_mapping *mapping);

/* No process maps this held file any more.  device, inode: as in its struct library_file.  If a
 * process maps the file again, it is reported as a new one.  May call no libraries_* function. */
typedef void (*library_gone_fn)(void *context, uint64_t device, uint64_t inode);

/* Counts since libraries_open.  A sighting is one mapping of a file: one file may count often. */
struct library_counts {
	uint64_t lost;	     /* mapping events that the kernel dropped; each led to a scan */
	uint64_t vanished;   /* sightings whose mapping or process was gone before we looked */
	uint64_t unreadable; /* sightings of files that we could not open */
	uint64_t served;     /* sightings of files that a program serves (FUSE): not opened */
	uint64_t refused;    /* sightings of files past the limit of 65,536: not looked at */
};

/* procfs is borrowed.  0 or -errno. */
int libraries_open(struct libraries **out, const struct procfs *procfs);
/* Sets the callback for mappings of followed files.  Its context is that of the scan or the poll.
 */
void libraries_on_mapping(struct libraries *l, library_mapping_fn fn);
/* Follows the file: from now on each process that maps it is reported, the present one first.  Call
 * from within the library_fn that reports the file. */
void libraries_follow(struct libraries *l, const struct library_file *file);
/* Makes the next libraries_poll scan all processes again. */
void libraries_again(struct libraries *l);
/* Sets the callback for held files that no process maps any more.  Its context is that of the scan
 * or the poll. */
void libraries_on_gone(struct libraries *l, library_gone_fn fn);
/* Holds the file: from now on dbleak checks about twice a second whether a process still maps it,
 * while libraries_watch is on.  Works also from within a library_fn.  -ENOENT: the file is not
 * known. */
int libraries_hold(struct libraries *l, uint64_t device, uint64_t inode);
/* Ends a hold. */
void libraries_release(struct libraries *l, uint64_t device, uint64_t inode);
void libraries_close(struct libraries *l);

/* From now on notes new executable mappings of all processes (perf events, one per CPU).  0 or
 * -errno: then only calls of libraries_scan find new files. */
int libraries_watch(struct libraries *l);
/* A descriptor for poll(2) and epoll, readable when libraries_poll is due; -1: not watching.
 * Readiness shows only once.  So call libraries_poll each time, and once more after adding the
 * descriptor to an epoll set. */
int libraries_fd(const struct libraries *l);

/* Scans every process and calls fn for each file not reported before.  A file that cannot be opened
 * (process gone, no right) is tried again with the next process that maps it.  Also begins to watch
 * CPUs that came online since libraries_watch.  0 or -errno. */
int libraries_scan(struct libraries *l, library_fn fn, void *context);
/* Reports files mapped since the last call.  Events lost by the kernel lead to a whole scan, now or
 * in a later call: scans take at most a twentieth of the time.  Without news the call makes no
 * system call.  Returns how many files it reported, or -errno. */
int libraries_poll(struct libraries *l, library_fn fn, void *context);

struct library_counts libraries_counts(const struct libraries *l);
/* Lost mapping events so far (each led to a scan). */
uint64_t libraries_lost(const struct libraries *l);

#endif
