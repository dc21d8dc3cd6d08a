/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fetcher.h - a helper process does every read that another process can make hang.
 *
 * A page of another process may lie in a file whose server (FUSE) does not answer.  The same holds
 * for opening a file.  Its /proc/PID/maps and cmdline wait for a lock that may be held for ever.
 * (Since 4.17 the kernel reads only those pages of a command line that are in no file.)  A process
 * that touches such a thing hangs in the kernel, and not even SIGKILL ends it.
 *
 * So the fetcher touches it, a process that holds no descriptor of ours.  A fetcher that does not
 * answer in time is abandoned, and a new one takes its place.  The process that it hung at is not
 * read for a while.  Files that it has open and its memory count apart.  Beyond the reads below the
 * fetcher runs tasks of its callers, for files that take several steps to find.
 *
 * Call all functions from one thread.
 */
#ifndef DBLEAK_CAPTURE_FETCHER_H
#define DBLEAK_CAPTURE_FETCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FETCH_PIECES 64
#define FETCH_BYTES  65536

#define FETCH_TASK_BYTES 8192 /* of what a task is given */

struct fetcher;

struct fetch_piece {
	uint64_t address;
	uint64_t size;
};

/* Forks a child.  Call before opening anything that the child must not have, and before giving up
 * the rights to read other processes.  0 or -errno. */
int fetcher_open(struct fetcher **out);
/* Does not wait for a fetcher that hangs.  Accepts NULL. */
void fetcher_close(struct fetcher *f);

/* Each function below returns -ETIMEDOUT when no answer came.  It then does so at once, without
 * asking, for a while. */

/* Copies pieces of a process's memory into `to`, one after another, and stops at the first piece
 * that cannot be read whole.  At most FETCH_PIECES and FETCH_BYTES.  Returns bytes or -errno. */
ssize_t fetcher_memory(struct fetcher *f, uint32_t pid, const struct fetch_piece *pieces, size_t n,
		       void *to);
/* Reads /proc/PID/cmdline: raw bytes, at most size and FETCH_BYTES.  Returns bytes or -errno. */
ssize_t fetcher_cmdline(struct fetcher *f, uint32_t pid, char *to, size_t size);
/* 0: /proc/PID/maps can be read now; else -errno. */
int fetcher_maps_answer(struct fetcher *f, uint32_t pid);
/* Opens the regular file behind `held` (O_PATH), which the process maps, for reading.  Returns a
 * descriptor or -errno.  -EREMOTE: a program serves its file system (FUSE), so each read could
 * hang.  -EINVAL: not a regular file. */
int fetcher_open_file(struct fetcher *f, uint32_t pid, int held);

/* A task looks at files of the process, with the n bytes of `in`.  It writes at most size bytes of
 * `out` and returns how many, or -errno.  It keeps nothing for the next call. */
typedef ssize_t fetch_task(uint32_t pid, const void *in, size_t n, void *out, size_t size);

/* Runs a task in the fetcher, with at most FETCH_TASK_BYTES given and FETCH_BYTES returned, of
 * which it copies the first size bytes.  Returns bytes or -errno. */
ssize_t fetcher_task(struct fetcher *f, uint32_t pid, fetch_task *task, const void *in, size_t n,
		     void *out, size_t size);

/* A task looks at files below a folder, which `root` (O_PATH) holds; else as above. */
typedef ssize_t fetch_folder_task(int root, const void *in, size_t n, void *out, size_t size);

/* Runs such a task, likewise.  owner: whose folder it may be; once one does not answer, this user's
 * folders are left alone for a while, but no others. */
ssize_t fetcher_folder_task(struct fetcher *f, uid_t owner, int root, fetch_folder_task *task,
			    const void *in, size_t n, void *out, size_t size);

/* Processor time of the helper processes. */
uint64_t fetcher_cpu_ns(const struct fetcher *f);
/* The pid of a process whose /proc/PID/maps could not be read last time and still cannot; 0:
 * none.  Asks again where the wait for it is over, so the call may block for some 2 s. */
uint32_t fetcher_locked(struct fetcher *f);
/* The pid of a process that has not answered since the last call, each once; 0: none. */
uint32_t fetcher_silent(struct fetcher *f);

#endif
