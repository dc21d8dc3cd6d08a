/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * nursery.h - where the processes come from that read foreign bytes.
 *
 * What locks a process in (namespaces, another user) takes rights that we give up after the start,
 * and a worker may die at any time.  So one process is locked in at the start, as cage.h says; it
 * reads nothing but our orders, and forks a worker at each.  Opened before anything is that no
 * worker is to have: what memory holds then, they have too.
 */
#ifndef DBLEAK_CAPTURE_NURSERY_H
#define DBLEAK_CAPTURE_NURSERY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NURSERY_SHARED 4096 /* bytes that a role's workers and we share */

struct nursery;

/* Which of the roles. */
enum nursery_work {
	NURSERY_NATIVE = 0, /* native.h */
	NURSERY_LOOK = 1,   /* look.h */
	NURSERY_ROLES = 2,
};

/* A worker: answers what comes through wire until it is closed, and may ask for files through
 * asking.  shared: NURSERY_SHARED bytes. */
struct nursery_role {
	const char *name;
	void (*prepare)(void); /* in the nursery, once: loads what there is no path to later */
	void (*run)(int wire, int asking, void *shared);
};

/* Our ends of a worker's sockets, of the kind that keeps packets. */
struct nursling {
	int wire, asking; /* negative: none */
	uint32_t serial;
	pid_t pid; /* 0 not known yet */
};

/* How a worker ended. */
struct nursery_end {
	int status; /* as wait(2) has it */
	uint64_t cpu_ns;
};

/* roles are borrowed.  0 or -errno. */
int nursery_open(struct nursery **out, const struct nursery_role *const *roles, size_t count);
/* Ends all workers. */
void nursery_close(struct nursery *n);
void *nursery_shared(const struct nursery *n, size_t role);

/* A new worker; what is sent to it at once is read when it is ready.  0 or -errno. */
int nursery_start(struct nursery *n, size_t role, struct nursling *out);
/* Closes our ends and kills the worker.  0, or -ETIMEDOUT: it hangs in the kernel and is left to
 * its fate; or -errno. */
int nursery_stop(struct nursery *n, struct nursling *worker, int timeout_ms,
		 struct nursery_end *end);

/* Processor time of all workers, those that ended too; 0 not known yet. */
uint64_t nursery_cpu_ns(const struct nursery *n);

/* One packet from asking, without waiting.  Returns its bytes, 0 the worker is gone, or -errno
 * (-EAGAIN none). */
ssize_t nursling_receive(struct nursling *worker, void *to, size_t size);

#endif
