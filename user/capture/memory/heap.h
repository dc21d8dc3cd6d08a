/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * heap.h - the full tier: the allocator's calls of selected processes, followed within the budget.
 *
 * Probes go into every file with an allocator that a selected process maps: which of them it really
 * calls shows by itself, and what one calls of another is not counted.  Where blocks are held is
 * told as EV_MEMORY_SITE.  When that costs more than it may, it ends, and says so.
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
	/* Tells one record; its time is the host's to set. */
	void (*tell)(void *context, struct ev_head *record);
	/* Tells of a process unless that is done; false where there is no memory. */
	bool (*owner)(void *context, uint32_t pid, uint64_t start_ns);
	/* Of a process that was met stacks are likely to come. */
	void (*met)(void *context, uint32_t pid, uint64_t start_ns);
	/* The EV_STACK of a sample; as readers_told. */
	int (*stack)(void *context, uint64_t sample, uint64_t *stack);
	/* Did the user ask for that process? */
	bool (*wanted)(void *context, uint32_t pid, const char *comm);
	/* From now on memory is watched no more closely than so. */
	void (*tier)(void *context, enum ev_tier tier);
	uint64_t interval;    /* as in kernel_options, not 0 */
	const char *command;  /* about to start: what it may map is probed before; NULL: none */
	uint32_t command_pid; /* in whom */
	bool at_entry;	      /* --probe-at=entry */
	double max_overhead;  /* percent of a CPU for each process that is followed */
};

/* kernel and procfs are borrowed, host is copied.  0 or -errno; where allocators cannot be probed
 * at all, 0 and a gap is told. */
int heap_open(struct heap **out, struct kernel *kernel, const struct procfs *procfs,
	      const struct heap_host *host, uint64_t now_ns);
/* Detaches.  Accepts NULL. */
void heap_close(struct heap *h);

/* Readable when something was mapped; -1 none. */
int heap_fd(const struct heap *h);
/* Probes what was mapped since, and looks after the budget.  0 or -errno. */
int heap_step(struct heap *h, uint64_t now_ns);
/* Is one of our probes there, in a file of that number? */
bool heap_is_at(const struct heap *h, uint64_t inode, uint64_t offset);
/* In which processes its probes are, for whoever hears of new ones.  NULL: in none. */
struct reach *heap_reach(const struct heap *h);
/* Tells of sites that changed; last: of all of them. */
void heap_sweep(struct heap *h, uint64_t now_ns, bool last);

/* Processor time that the probes have taken so far, estimated from their hits. */
uint64_t heap_cost_ns(struct heap *h);
bool heap_stepped_down(const struct heap *h);

#endif
