/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * heap.h - the full tier: the allocator's calls of selected processes, followed within the budget.
 *
 * Every file with an allocator that a selected process maps gets probes.  Hits show which allocator
 * the process really calls; calls from one allocator to another do not count.  EV_MEMORY_SITE
 * reports where blocks are held.  If the cost exceeds the budget, the tier ends and a gap says so.
 */
#ifndef DBLEAK_CAPTURE_HEAP_H
#define DBLEAK_CAPTURE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/kernel/kernel.h"
#include "user/capture/host/procfs.h"

struct heap;

struct heap_host {
	void *context;
	/* Reports one record; the host sets its time. */
	void (*tell)(void *context, struct ev_head *record);
	/* Reports a process, unless that is done; false: no memory. */
	bool (*owner)(void *context, uint32_t pid, uint64_t start_ns);
	/* A process was met: stacks of it are likely to come. */
	void (*met)(void *context, uint32_t pid, uint64_t start_ns);
	/* Finds the EV_STACK of a sample; as readers_told. */
	int (*stack)(void *context, uint64_t sample, uint64_t *stack);
	/* Whether the user asked for that process. */
	bool (*wanted)(void *context, uint32_t pid, const char *comm);
	/* Memory is watched at this tier from now on, no more closely. */
	void (*tier)(void *context, enum ev_tier tier);
	uint64_t interval;    /* as in kernel_options, not 0 */
	const char *command;  /* about to start: what it may map is probed before; NULL: none */
	uint32_t command_pid; /* the process in which it starts */
	bool at_entry;	      /* --probe-at=entry */
	double max_overhead;  /* percent of a CPU for each process that is followed */
};

/* kernel and procfs are borrowed, host is copied.  0 or -errno.  Where allocators cannot be probed
 * at all: 0, and a gap is reported. */
int heap_open(struct heap **out, struct kernel *kernel, const struct procfs *procfs,
	      const struct heap_host *host, uint64_t now_ns);
/* Detaches.  Accepts NULL. */
void heap_close(struct heap *h);

/* Readable when something was mapped; -1: none. */
int heap_fd(const struct heap *h);
/* Probes what was mapped since, and looks after the budget.  0 or -errno. */
int heap_step(struct heap *h, uint64_t now_ns);
/* Whether one of our probes is at this offset of the file with this inode. */
bool heap_is_at(const struct heap *h, uint64_t inode, uint64_t offset);
/* The processes that carry its probes, so that the caller can add new ones.  NULL: there are none.
 */
struct reach *heap_reach(const struct heap *h);
/* Reports sites that changed; last: all of them, however many. */
void heap_sweep(struct heap *h, uint64_t now_ns, bool last);

/* Processor time that the probes have taken so far, estimated from their hits. */
uint64_t heap_cost_ns(struct heap *h);
bool heap_stepped_down(const struct heap *h);

#endif
