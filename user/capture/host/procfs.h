/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * procfs.h - facts of one process from /proc.
 *
 * Every call holds the process's directory open, so that a pid that is reused meanwhile cannot mix
 * two processes.  All functions return 0 or -errno; -ESRCH: the process is gone.  A figure that the
 * kernel does not show is UNKNOWN32 or UNKNOWN64, never 0.
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
	uint64_t start_ns;     /* since boot, in whole clock ticks: see procfs_same_start */
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
	uint64_t file_bytes;  /* resident: file pages and shared memory */
	uint64_t space_bytes; /* address space: RLIMIT_AS limits this */
	uint64_t data_bytes;  /* RLIMIT_DATA limits this */
	uint32_t open_files;
};

/* root: "" for this host, or a folder that holds a tree "proc/..." . */
int procfs_open(struct procfs **out, const char *root);
void procfs_close(struct procfs *p);

/* All process ids, ascending, without threads.  The caller frees *pids. */
int procfs_pids(const struct procfs *p, uint32_t **pids, size_t *count);

/* Only an unreadable stat file is an error.  Facts from other files that cannot be read stay
 * unknown or empty. */
int procfs_facts(const struct procfs *p, uint32_t pid, struct process_facts *facts);
int procfs_usage(const struct procfs *p, uint32_t pid, struct process_usage *usage);

/* Reads the first size bytes of the arguments, each with its NUL, of the process that began at
 * start_ns.  Arguments may hold secrets: do not keep them.  Returns bytes; -ESRCH: another process
 * has this pid now. */
ssize_t procfs_arguments(const struct procfs *p, uint32_t pid, uint64_t start_ns, char *buf,
			 size_t size);

/* Pages of the address space, which change with the process's mappings.  Waits for no lock of the
 * process.  -ESRCH also for a zombie. */
int procfs_pages(const struct procfs *p, uint32_t pid, uint64_t *pages);

/* The mapped client libraries, as bits of enum ev_client_library.  Reads all of maps: too slow for
 * every tick. */
int procfs_libraries(const struct procfs *p, uint32_t pid, uint32_t *libraries);

/* Reads the first size - 1 raw bytes of /proc/PID/name and adds a NUL.  Returns bytes. */
ssize_t procfs_read(const struct procfs *p, uint32_t pid, const char *name, char *buf, size_t size);

/* The /proc folder itself, for openat(2); borrowed. */
int procfs_folder(const struct procfs *p);

/* A descriptor (O_PATH) of the process's root directory, which leads into its mount namespace. */
int procfs_open_root(const struct procfs *p, uint32_t pid);

/* Can both be the start of one process?  /proc counts ticks of 10 ms, the kernel half nanoseconds.
 */
bool procfs_same_start(uint64_t a_ns, uint64_t b_ns);

#endif
