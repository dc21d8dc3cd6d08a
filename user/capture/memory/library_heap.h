/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library_heap.h - the client tier: what client libraries take of the heap by their own calls.
 *
 * Probes sit on the calls in the library's code.  Those that are hit often cost more than the
 * budget allows: they come and go, in windows spread over the time, and what these see is reckoned
 * up; the others stay.  May be begun and ended at any time.
 */
#ifndef DBLEAK_CAPTURE_LIBRARY_HEAP_H
#define DBLEAK_CAPTURE_LIBRARY_HEAP_H

#include "user/capture/host/library.h"
#include "user/capture/memory/library_balance.h"

struct library_heap;
struct reach;
struct elf_file;

struct library_heap_host {
	struct balances_host balances; /* tell is this one's, too */
	/* Even short windows cost more than they may, which is told: from now on memory is watched
	 * no more closely than so, and this is to be stopped. */
	void (*tier)(void *context, enum ev_tier tier);
	double max_overhead; /* percent of a CPU for each process, in each library */
};

/* kernel is borrowed, host copied.  Nothing is probed yet.  0 or -errno. */
int library_heap_open(struct library_heap **out, struct kernel *kernel,
		      const struct library_heap_host *host);
/* Detaches.  Accepts NULL. */
void library_heap_close(struct library_heap *h);

/* A file that some process maps.  name: of the client library in it, NULL it has none of those with
 * handles, but may be a driver. */
void library_heap_file(struct library_heap *h, struct elf_file *elf,
		       const struct library_file *file, const char *name);

/* Is it kept open, until library_heap_gone? */
bool library_heap_keeps(const struct library_heap *h, uint64_t device, uint64_t inode);
/* Nobody maps it any more. */
void library_heap_gone(struct library_heap *h, uint64_t device, uint64_t inode);

/* It may start: loads its program in the background. */
void library_heap_begin(struct library_heap *h);
/* Begins.  reach: who is to carry the probes, borrowed.  hit_ns: what the kernel takes for a hit at
 * an instruction that it emulates.  False: this host does not let it, which is told. */
bool library_heap_start(struct library_heap *h, struct reach *reach, uint64_t hit_ns,
			uint64_t now_ns);
/* Ends; what was counted stays. */
void library_heap_stop(struct library_heap *h, uint64_t now_ns);
/* Opens and closes windows, and looks after the budget. */
void library_heap_step(struct library_heap *h, uint64_t now_ns);
/* When that is due next; UINT64_MAX never. */
uint64_t library_heap_next(const struct library_heap *h);
/* Tells what was counted; last: all of it. */
void library_heap_sweep(struct library_heap *h, uint64_t now_ns, bool last);

/* Processor time that the probes have taken so far, estimated from their hits. */
uint64_t library_heap_cost_ns(const struct library_heap *h);
bool library_heap_stepped_down(const struct library_heap *h);

#endif
