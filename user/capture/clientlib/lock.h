/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * lock.h - transactions on SQLite files that only their locks show.
 *
 * A connection has no probe if it was opened before dbleak came, or by a program whose copy of
 * SQLite has no symbols.  But a writer holds a POSIX lock on known bytes of the file, and
 * /proc/locks names the process.  A lock is reported if it is held from look to look while neither
 * the files change nor the process works: a transaction left open.  Readers are not reported.
 */
#ifndef DBLEAK_CAPTURE_LOCK_H
#define DBLEAK_CAPTURE_LOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "user/capture/kernel/kernel.h"
#include "user/capture/host/procfs.h"

struct locks;
struct client_host;

/* Whether the process's connections to this file are known from their probes. */
typedef bool lock_known_fn(void *context, uint32_t pid, dev_t device, ino_t inode);

/* All borrowed.  0 or -ENOMEM. */
int locks_open(struct locks **out, struct kernel *kernel, const struct procfs *procfs,
	       const struct client_host *host, lock_known_fn *known, void *context);
void locks_close(struct locks *l);

/* Looks at all locks of this host.  ids: the last id given to a connection without a socket. */
void locks_sweep(struct locks *l, uint64_t now_ns, uint64_t *ids);

/* Probes show the process's connection to this file from now on.  Returns the id under which its
 * lock was reported; 0: it was not. */
uint64_t locks_yield(struct locks *l, uint32_t pid, dev_t device, ino_t inode);

#endif
