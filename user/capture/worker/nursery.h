/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * nursery.h - creates the sandboxed worker processes that read foreign bytes.
 *
 * To sandbox a process (namespaces, another user) takes rights that dbleak gives up after the
 * start, and a worker may die at any time.  So one process, the keeper, enters the sandbox of
 * cage.h at the start.  The keeper reads only our orders, and forks a worker for each.
 *
 * Open the nursery before anything that no worker may have: a worker inherits what our memory holds
 * at that moment.
 */
#ifndef DBLEAK_CAPTURE_NURSERY_H
#define DBLEAK_CAPTURE_NURSERY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NURSERY_SHARED 4096 /* bytes of memory that we share with all workers of a role */

struct nursery;

/* The kinds of workers: index into the roles of nursery_open. */
enum nursery_work {
	NURSERY_NATIVE = 0, /* native.h */
	NURSERY_LOOK = 1,   /* look.h */
	NURSERY_STATE = 2,  /* host/state_reader.h */
	NURSERY_OBJECT = 3, /* stack/objects.h */
	NURSERY_SIZE = 4,   /* clientlib/size_reader.h */
	NURSERY_ROLES = 5,
};

/* A kind of worker.  `run` answers what comes through wire until that is closed, and may ask for
 * files through asking.  shared: NURSERY_SHARED bytes. */
struct nursery_role {
	const char *name;
	void (*prepare)(void); /* once, before the sandbox: loads files that have no path later */
	void (*run)(int wire, int asking, void *shared);
};

/* Our ends of a worker's two sockets (SOCK_SEQPACKET). */
struct nursling {
	int wire, asking; /* negative: none */
	uint32_t serial;
	pid_t pid; /* 0: not known yet */
};

/* The end of a worker. */
struct nursery_end {
	int status; /* in the format of wait(2) */
	uint64_t cpu_ns;
};

/* roles are borrowed.  0 or -errno. */
int nursery_open(struct nursery **out, const struct nursery_role *const *roles, size_t count);
/* Ends all workers. */
void nursery_close(struct nursery *n);
void *nursery_shared(const struct nursery *n, size_t role);

/* Orders a new worker.  The caller may send to it at once: the worker reads when it is ready.  0 or
 * -errno. */
int nursery_start(struct nursery *n, size_t role, struct nursling *out);
/* Closes our ends and kills the worker.  0 or -errno; -ETIMEDOUT: the worker hangs in the kernel
 * and is abandoned. */
int nursery_stop(struct nursery *n, struct nursling *worker, int timeout_ms,
		 struct nursery_end *end);

/* Processor time of all workers, ended ones included; 0: not known yet. */
uint64_t nursery_cpu_ns(const struct nursery *n);

/* Receives one packet from asking, without waiting.  Returns its bytes, 0: the worker is gone, or
 * -errno (-EAGAIN: no packet yet). */
ssize_t nursling_receive(struct nursling *worker, void *to, size_t size);

#endif
