/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * growth.h - how the memory of watched processes moves, and under which stacks it grows.
 *
 * Reports EV_MEMORY for each process that changed, with the limit nearest to it.  A process that
 * grows is sampled at its page faults for as long as it grows.  EV_MEMORY_SITE reports under which
 * stacks its memory was taken and how much of it is held.  Of all other processes only the size is
 * read.
 */
#ifndef DBLEAK_CAPTURE_GROWTH_H
#define DBLEAK_CAPTURE_GROWTH_H

#include "user/capture/host/cgroup.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/host/procfs.h"

struct growth;
struct readers;

struct growth_host {
	void *context;
	/* Reports one record; the host sets its time. */
	void (*tell)(void *context, struct ev_head *record);
	/* Calls growth_spoke for each connection that the process used last. */
	void (*ask)(void *context, uint32_t pid);
	struct kernel *kernel;	       /* borrowed; NULL: sizes alone */
	struct readers *readers;       /* borrowed; NULL: without stacks */
	const struct procfs *procfs;   /* borrowed */
	const struct cgroups *cgroups; /* borrowed */
	double max_overhead; /* percent of a CPU for each process that grows, for probes in it */
	bool eager;	     /* each process is sampled as soon as it is met: short programs */
};

/* host is copied.  0 or -errno. */
int growth_open(struct growth **out, const struct growth_host *host);
/* Loads the page-fault program in the background: a process may soon grow. */
void growth_begin(struct growth *g);
/* Accepts NULL. */
void growth_close(struct growth *g);

/* Sets the tier that EV_MEMORY reports from now on, whichever file watches it; at first
 * EV_TIER_GROWTH. */
void growth_tier(struct growth *g, enum ev_tier tier);

/* A process was met, or is gone.  The next sweeps still report what was learned of one that is
 * gone. */
void growth_met(struct growth *g, uint32_t pid, uint64_t start_ns);
void growth_gone(struct growth *g, uint32_t pid, uint64_t start_ns);

/* Whether the process is being sampled now. */
bool growth_follows(const struct growth *g, uint32_t pid, uint64_t start_ns);
/* A new look at the processes begins. */
void growth_look(struct growth *g);
/* Takes the memory that a process uses, read just now. */
void growth_usage(struct growth *g, uint32_t pid, uint64_t start_ns,
		  const struct process_usage *usage);

/* A thread used a connection at that time: memory that it takes soon after belongs to the reply. */
void growth_spoke(struct growth *g, uint32_t pid, uint32_t tid, uint64_t connection, uint64_t ns);
/* Takes RAW_GROWTH of the kernel half. */
void growth_sample(struct growth *g, const struct ev_head *record);
/* Take RAW_POOL and RAW_POOL_SEEN of the kernel half. */
void growth_pool(struct growth *g, const struct ev_head *record);
void growth_pool_seen(struct growth *g, const struct ev_head *record);
/* Looks at pools; due at growth_next; UINT64_MAX: never. */
void growth_step(struct growth *g, uint64_t now_ns);
uint64_t growth_next(const struct growth *g);
/* Names stacks, looks which pages are still there, reports what changed.  last: no other sweep
 * follows. */
void growth_sweep(struct growth *g, bool last);

/* Estimated time in ns of `faults` runs of the page-fault program, from sampled run times. */
uint64_t growth_cost_ns(struct growth *g, uint64_t faults);
/* Processor time in ns that the probes of pools have taken, estimated from their hits. */
uint64_t growth_pools_cost_ns(const struct growth *g);

#endif
