/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * collections.h - counts the garbage collections of watched processes whose run time announces them
 * by a static probe: CPython built with dtrace, HotSpot.
 *
 * Only processes that were met, which use a database, carry the probe.  Each reports
 * EV_COLLECTIONS: once when counting begins, and then when it changed.  A process whose collector
 * tells nothing (Node, Ruby, Go, PHP, CPython as python.org builds it) reports that once.
 */
#ifndef DBLEAK_CAPTURE_COLLECTIONS_H
#define DBLEAK_CAPTURE_COLLECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/kernel/kernel.h"
#include "user/capture/host/procfs.h"

struct collections;

struct collections_host {
	void *context;
	/* Reports one record; the host sets its time. */
	void (*tell)(void *context, struct ev_head *record);
	struct kernel *kernel;	     /* borrowed */
	const struct procfs *procfs; /* borrowed */
	uint64_t hit_ns;	     /* cost of a hit at an instruction that the kernel emulates */
	double max_overhead;	     /* percent of a CPU for each process */
};

/* host is copied.  0 or -errno. */
int collections_open(struct collections **out, const struct collections_host *host);
/* Detaches.  Accepts NULL. */
void collections_close(struct collections *c);

/* A process was met, or is gone: what it did until now is reported. */
void collections_met(struct collections *c, uint32_t pid, uint64_t start_ns);
void collections_gone(struct collections *c, uint32_t pid, uint64_t start_ns);
/* Looks into one process that was met; due at collections_next; UINT64_MAX: never. */
void collections_step(struct collections *c, uint64_t now_ns);
uint64_t collections_next(const struct collections *c);
/* Reports what changed, and takes probes out that cost more than they may. */
void collections_sweep(struct collections *c, uint64_t now_ns);

/* Is one of the probes at this offset of a file with this inode number, or just before it? */
bool collections_is_at(const struct collections *c, uint64_t inode, uint64_t offset);
/* Processor time in ns that the probes have taken, estimated from their hits. */
uint64_t collections_cost_ns(const struct collections *c);
/* Were probes taken out to keep the budget? */
bool collections_stepped_down(const struct collections *c);

#endif
