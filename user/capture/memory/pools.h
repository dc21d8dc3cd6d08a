/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pools.h - samples Python's own allocator (pymalloc): probes where it has taken a pool into use,
 * in processes that grow, within a budget for each of them.
 *
 * Linux 6.6 (uprobe.multi) and CPython 3.9 are needed; elsewhere a gap is reported, once for each
 * reason.
 */
#ifndef DBLEAK_CAPTURE_POOLS_H
#define DBLEAK_CAPTURE_POOLS_H

#include "user/capture/kernel/kernel_pool.h"
#include "user/capture/host/procfs.h"

struct pools;

struct pools_host {
	void *context;
	void (*gap)(void *context, const char *text);
	struct kernel *kernel;	     /* borrowed */
	const struct procfs *procfs; /* borrowed */
	double max_overhead;	     /* percent of a CPU for each process that is looked at */
};

/* host is copied.  Nothing is loaded yet.  0 or -errno. */
int pools_open(struct pools **out, const struct pools_host *host);
/* Detaches.  Accepts NULL. */
void pools_close(struct pools *p);

/* A process grows: it is sampled once it is known to run Python.  May be said again. */
void pools_enter(struct pools *p, uint32_t pid, uint64_t start_ns);
void pools_leave(struct pools *p, uint32_t pid);
/* Attaches what has become known, keeps the budget.  Returns when it is due next; UINT64_MAX:
 * never. */
uint64_t pools_step(struct pools *p, uint64_t now_ns);

/* Whether that pool of the process was sampled and, as far as could be seen, not taken again since.
 */
bool pools_holds(struct pools *p, uint32_t pid, uint64_t pool);
/* Bytes of a pool in the process; 0: the process is not sampled. */
uint64_t pools_bytes(const struct pools *p, uint32_t pid);
/* Factor for a sample of the process, which makes up for the time when it is not sampled. */
double pools_scale(const struct pools *p, uint32_t pid);
/* The caller has no more use for a pool (pools_forget), or for any of that process
 * (pools_forget_all) but those that it then notes (pools_note). */
void pools_forget(struct pools *p, uint32_t pid, uint64_t pool);
void pools_forget_all(struct pools *p, uint32_t pid);
void pools_note(struct pools *p, uint32_t pid, uint64_t pool);

/* Processor time that the probe has taken so far, estimated from its hits. */
uint64_t pools_cost_ns(const struct pools *p);

#endif
