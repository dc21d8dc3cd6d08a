/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * procfs.h - facts of one process from /proc, each read from the same process.
 *
 * Every call holds the process's directory open, so a pid that is reused in between cannot mix
 * two processes.  All functions return 0 or -errno; -ESRCH is a process that is gone.
 * What the kernel does not tell is UNKNOWN32 or UNKNOWN64, never 0.
 */
#ifndef DBLEAK_CAPTURE_PROCFS_H
#define DBLEAK_CAPTURE_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/event.h"

struct procfs;

struct process_facts {
	uint64_t start_ns;     /* boot time, cut to a clock tick: see procfs_same_start */
	uint64_t nofile_limit; /* soft RLIMIT_NOFILE; UNKNOWN64 also when unlimited */
	uint32_t pid;
	uint32_t parent_pid;
	bool kernel_thread;
	char comm[EV_COMM_LEN]; /* raw bytes, ends with a NUL */
};

struct process_usage {
	uint64_t start_ns;
	uint64_t rss_bytes;
	uint64_t rss_peak_bytes;
	uint64_t anonymous_bytes; /* resident */
	uint64_t swapped_bytes;
	uint64_t file_bytes;  /* resident, of files or shared */
	uint64_t space_bytes; /* what RLIMIT_AS bounds */
	uint64_t data_bytes;  /* what RLIMIT_DATA bounds */
	uint32_t open_files;
};

/* root: "" for this host, or a folder that holds a tree "proc/..." . */
int procfs_open(struct procfs **out, const char *root);
void procfs_close(struct procfs *p);

/* All process ids, ascending; threads are not listed.  *pids is the caller's to free. */
int procfs_pids(const struct procfs *p, uint32_t **pids, size_t *count);

/* Only a missing stat file is an error: what cannot be read beside it stays unknown or empty. */
int procfs_facts(const struct procfs *p, uint32_t pid, struct process_facts *facts);
int procfs_usage(const struct procfs *p, uint32_t pid, struct process_usage *usage);

/* The first size bytes of the arguments of the process that began at start_ns, each with its NUL:
 * full of secrets, not to be kept.  Returns their number; -ESRCH: another has its pid now. */
ssize_t procfs_arguments(const struct procfs *p, uint32_t pid, uint64_t start_ns, char *buf,
			 size_t size);

/* Pages of its address space: changes with what it maps.  Waits for nothing that the process holds.
 * -ESRCH also of one that has ended and is not reaped. */
int procfs_pages(const struct procfs *p, uint32_t pid, uint64_t *pages);

/* Bits of enum ev_client_library: client libraries mapped.  Reads all of maps: not for every tick.
 */
int procfs_libraries(const struct procfs *p, uint32_t pid, uint32_t *libraries);

/* The first size - 1 raw bytes of /proc/PID/name, with a NUL after them.  Returns their number. */
ssize_t procfs_read(const struct procfs *p, uint32_t pid, const char *name, char *buf, size_t size);

/* The /proc folder itself, for openat(2); borrowed. */
int procfs_folder(const struct procfs *p);

/* A descriptor (O_PATH) of the process's root directory: other mount namespaces are seen as the
 * process sees them. */
int procfs_open_root(const struct procfs *p, uint32_t pid);

/* Start times of one process: /proc has ticks of 10 ms, the kernel half has nanoseconds. */
bool procfs_same_start(uint64_t a_ns, uint64_t b_ns);

#endif
