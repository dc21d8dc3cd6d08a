/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fetcher.h - a process that does for us whatever others can make hang.
 *
 * A page of another process may lie in a file that nobody serves, and so may a file that is opened;
 * its list of mappings and its command line wait for a lock that may be held for ever.  (Pages of a
 * command line are read only if they are in no file, since 4.17.)  Whoever touches such a thing
 * hangs in the kernel, and not even SIGKILL ends it.  So another process touches it, which has no
 * descriptor of ours: who does not answer in time is left to its fate, a new one takes its place,
 * and the process that it hung at is left in peace for a while.  It parses nothing.
 *
 * All of it is for one thread.
 */
#ifndef DBLEAK_CAPTURE_FETCHER_H
#define DBLEAK_CAPTURE_FETCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FETCH_PIECES 64
#define FETCH_BYTES  65536

struct fetcher;

struct fetch_piece {
	uint64_t address;
	uint64_t size;
};

/* Forks: before anything is open that it must not have, and before we give up the rights to read
 * other processes.  0 or -errno. */
int fetcher_open(struct fetcher **out);
/* Waits for nobody.  Accepts NULL. */
void fetcher_close(struct fetcher *f);

/* Each of these gives -ETIMEDOUT where there was no answer, and for a while after that without
 * asking. */

/* Memory of a process, piece after piece into `to`, to the first that cannot be read whole.  At
 * most FETCH_PIECES and FETCH_BYTES.  Returns how many bytes, or -errno. */
ssize_t fetcher_memory(struct fetcher *f, uint32_t pid, const struct fetch_piece *pieces, size_t n,
		       void *to);
/* /proc/PID/cmdline: raw bytes, at most size and FETCH_BYTES.  Returns how many, or -errno. */
ssize_t fetcher_cmdline(struct fetcher *f, uint32_t pid, char *to, size_t size);
/* 0: the process's list of mappings can be read now; else -errno. */
int fetcher_maps_answer(struct fetcher *f, uint32_t pid);
/* Opens for reading the regular file that held (O_PATH) is, mapped by a process.  Returns a
 * descriptor, or -errno: -EREMOTE it lies on a file system that some program serves, so each read
 * could hang; -EINVAL it is no regular file. */
int fetcher_open_file(struct fetcher *f, uint32_t pid, int held);

/* Its processor time. */
uint64_t fetcher_cpu_ns(const struct fetcher *f);
/* A process whose list of mappings did not come when it was asked for last, and still does not; 0
 * none. */
uint32_t fetcher_locked(struct fetcher *f);
/* A process that has not answered since the last call, once each; 0 none. */
uint32_t fetcher_silent(struct fetcher *f);

#endif
