/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library_state.h - what the files that look for mapped code share; nobody else includes it.
 */
#ifndef DBLEAK_CAPTURE_LIBRARY_STATE_H
#define DBLEAK_CAPTURE_LIBRARY_STATE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "user/base/file.h"
#include "user/base/table.h"
#include "user/capture/host/memory.h"
#include "user/capture/host/overlay.h"

#define FILES_MAX   65536 /* files to know at once, with some 150 bytes for each */
#define MAPS_BUFFER (64 << 10)
#define RING_PAGES  64 /* with the header page, within kernel.perf_event_mlock_kb's default */
#define RECORD_MAX  (4096 + 256) /* a mapping event with the longest path */
#define REST_NS	    10000000	 /* between two looks while mappings keep coming */
#define SCAN_SHARE  20 /* scans for lost events take at most one part in this of the time */
#define LOOK_NS	    500000000ULL /* between two checks of whether held files are still mapped */
/* A single scan is no proof: a child may be forked at a pid that the scan has passed already,
 * before the scan comes to its parent. */
#define GONE_SCANS    2
#define FORGET_NS     60000000000ULL /* between two removals of unmapped files from a full table */
#define NS_PER_SECOND 1000000000ULL

struct code_file {
	uint64_t device, inode;
	uint64_t stamp_ns;
	uint64_t generation;
	struct table_key below;
	uint32_t round; /* number of the last scan that saw it mapped */
	bool generation_known;
	bool overlay; /* on an overlay; below is valid */
	bool followed;
	bool held;
	struct table_key reported; /* device and inode of the library_file that reported it */
	uint32_t pid;		   /* the process last seen to map it, and where */
	uint64_t start, end;
};

/* A held file: gone_fn is to be called when no process maps it any more.  A witness is a process
 * that is known to map it. */
struct held_file {
	struct table_key reported;
	uint64_t device,
		inode;	     /* of the file that the witness maps: an overlay's, or the one below */
	uint32_t pid;	     /* the witness; 0: none known, a scan is to find one */
	uint64_t start, end; /* the witness's mapping */
	uint32_t missed;     /* scans since that found no witness */
};

/* An executable mapping of a file, from maps or from an event. */
struct sighting {
	uint64_t start, end; /* addresses, which name it in map_files */
	uint64_t offset;     /* in the file */
	uint64_t device, inode;
	uint64_t generation;
	uint32_t pid;
	bool event; /* from an event: generation is valid */
};

struct ring {
	struct perf_event_mmap_page *page;
	int fd;
};

struct libraries {
	const struct procfs *procfs;
	struct table files;
	struct table below; /* files on overlays again, by the file below: any one of several */
	struct table held;  /* struct held_file, by its told */
	uint64_t look_at;   /* time of the next check of held files */
	size_t limit;
	struct library_counts counts;

	struct ring *rings;
	size_t ring_count;
	int rings_fd; /* epoll of the rings */
	int timer_fd;
	int fd;		 /* epoll of both */
	char cpus[1024]; /* CPUs that have a ring, in the kernel's list format */
	bool watching, busy;

	uint32_t round;
	bool scan_due;
	uint64_t scan_at, forget_at;
	uint32_t searched_pid; /* process whose maps this poll has read for an event */

	library_fn fn;
	library_mapping_fn mapping_fn;
	library_gone_fn gone_fn;
	void *context;
	int reported;
	char buffer[MAPS_BUFFER];
};

struct dropped {
	struct perf_event_header head;
	uint64_t id, count;
};

int library_see(struct libraries *l, const struct sighting *s);
int library_scan_process(struct libraries *l, uint32_t pid);
int library_drain(struct libraries *l);
/* A ring gives no more events after its CPU was offline.  So all rings are opened again when the
 * list of CPUs changes. */
int library_watch_cpus(struct libraries *l);
/* While many mappings come, a timer wakes us instead of each event. */
void library_set_busy(struct libraries *l, bool busy);
int library_watch_open(struct libraries *l);
void library_watch_close(struct libraries *l);

/* The file of these numbers; NULL: not known. */
struct code_file *library_known_file(const struct libraries *l, uint64_t device, uint64_t inode);
/* Drops the files that the last scan has not seen; round 0 drops all.  A file that does not fit
 * into memory is dropped too, and reported again. */
void library_forget(struct libraries *l, uint32_t round);
/* Begins a look that tells fn of new files. */
void library_begin(struct libraries *l, library_fn fn, void *context);
/* Drops witnesses that have ended or no longer map their file.  A scan will find others. */
int library_look_at_held(struct libraries *l);

/* The kernel's record PERF_RECORD_MMAP2, up to the path. */
struct mapped {
	struct perf_event_header head;
	uint32_t pid, tid;
	uint64_t address, length, offset;
	uint32_t major, minor;
	uint64_t inode, generation;
	uint32_t prot, flags;
};

/* Bytes. */
size_t library_page_size(void);
size_t library_ring_bytes(void);
/* Unmaps and closes a ring; the kernel drops its event. */
void library_ring_close(struct ring *ring);
/* Takes in a mapping event.  0 or -errno. */
int library_see_mapped(struct libraries *l, const struct mapped *m);
/* 1: the ring had records; 0: none; or -errno. */
int library_drain_ring(struct libraries *l, const struct ring *ring);

/* line ends with a newline.  Its path is not read, since the kernel escapes only a part of it. */
bool library_parse_line(const char *line, struct sighting *s);
/* Returns the number of bytes in maps, or -errno. */
ssize_t library_see_text(struct libraries *l, uint32_t pid, int fd);
/* Reads the mappings by ioctl(2): to make and parse text is most of the cost of maps.  Returns the
 * number of mappings; -ENOTTY: the kernel has only the text. */
ssize_t library_see_queried(struct libraries *l, uint32_t pid, int fd);

#endif
