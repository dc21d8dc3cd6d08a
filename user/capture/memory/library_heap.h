/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library_heap.h - the client tier: what client libraries take of the heap by their own calls.
 *
 * Probes sit on the calls of the allocator in the library's code.  Calls that are hit often would
 * cost more than the budget: their probes are attached in sampling windows only, and the counts are
 * extrapolated.  All other probes stay.  The tier may start and stop at any time.
 */
#ifndef DBLEAK_CAPTURE_LIBRARY_HEAP_H
#define DBLEAK_CAPTURE_LIBRARY_HEAP_H

#include "user/capture/host/library.h"
#include "user/capture/memory/library_balance.h"

struct library_heap;
struct reach;
struct elf_file;

struct library_heap_host {
	struct balances_host balances; /* tell serves this file, too */
	/* Even short windows cost more than they may, and a gap says so.  From now on memory is
	 * watched no more closely than at this tier.  The host must call library_heap_stop. */
	void (*tier)(void *context, enum ev_tier tier);
	double max_overhead; /* percent of a CPU for each process, in each library */
};

/* kernel is borrowed, host copied.  Nothing is probed yet.  0 or -errno. */
int library_heap_open(struct library_heap **out, struct kernel *kernel,
		      const struct library_heap_host *host);
/* Detaches.  Accepts NULL. */
void library_heap_close(struct library_heap *h);

/* Takes a file that some process maps.  name: of the client library in it; NULL: it has none with
 * handles, but may be a driver. */
void library_heap_file(struct library_heap *h, struct elf_file *elf,
		       const struct library_file *file, const char *name);

/* Whether the file is kept open until library_heap_gone. */
bool library_heap_keeps(const struct library_heap *h, uint64_t device, uint64_t inode);
/* The last process has unmapped the file. */
void library_heap_gone(struct library_heap *h, uint64_t device, uint64_t inode);

/* Loads the program in the background, so that the tier may start later. */
void library_heap_begin(struct library_heap *h);
/* Starts the tier.  reach: the processes that are to carry the probes, borrowed.  hit_ns: cost of a
 * hit at an instruction that the kernel emulates.  False: this host does not allow it, and a gap
 * says so. */
bool library_heap_start(struct library_heap *h, struct reach *reach, uint64_t hit_ns,
			uint64_t now_ns);
/* Stops the tier; what was counted stays. */
void library_heap_stop(struct library_heap *h, uint64_t now_ns);
/* Opens and closes windows, and looks after the budget. */
void library_heap_step(struct library_heap *h, uint64_t now_ns);
/* The time when library_heap_step is due next; UINT64_MAX: never. */
uint64_t library_heap_next(const struct library_heap *h);
/* Reports what was counted; last: all of it. */
void library_heap_sweep(struct library_heap *h, uint64_t now_ns, bool last);

/* Processor time that the probes have taken so far, estimated from their hits. */
uint64_t library_heap_cost_ns(const struct library_heap *h);
bool library_heap_stepped_down(const struct library_heap *h);

#endif
