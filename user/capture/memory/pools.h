/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * pools.h - the probes at the ends of the function in which a Python that grows takes a pool of its
 * allocator into use, within a budget for each such process.
 *
 * It needs Linux 6.6 (uprobe.multi) and CPython 3.9; elsewhere a gap is told, once for each reason.
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

/* A process grows: it is looked at once it is known to be a Python.  May be said again. */
void pools_enter(struct pools *p, uint32_t pid, uint64_t start_ns);
void pools_leave(struct pools *p, uint32_t pid);
/* Attaches what has become known, keeps the budget.  Returns when it is due next. */
uint64_t pools_step(struct pools *p, uint64_t now_ns);

/* Was that pool of the process sampled, and not taken again since, as far as could be seen? */
bool pools_holds(struct pools *p, uint32_t pid, uint64_t pool);
/* Its bytes; 0: the process is not looked at. */
uint64_t pools_bytes(const struct pools *p, uint32_t pid);
/* What a sample of the process is to be multiplied with, for the time in which it is not looked at.
 */
double pools_scale(const struct pools *p, uint32_t pid);
/* The caller has no more use for it, or for any of that process but those that he notes then. */
void pools_forget(struct pools *p, uint32_t pid, uint64_t pool);
void pools_forget_all(struct pools *p, uint32_t pid);
void pools_note(struct pools *p, uint32_t pid, uint64_t pool);

/* Processor time that the probe has taken so far, estimated from its hits. */
uint64_t pools_cost_ns(const struct pools *p);

#endif
