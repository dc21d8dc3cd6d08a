/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_heap.h - the part of the kernel half for the allocator: its probes, blocks and sites.
 *
 * Each function returns 0 or -errno.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_HEAP_H
#define DBLEAK_CAPTURE_KERNEL_HEAP_H

#include "bpf/memory/heap.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/probe/probe.h"

/* Memory of the kernel half, mapped here, so that reading takes no system call. */
struct kernel_heap {
	struct heap_bucket *buckets;
	uint32_t bucket_count;
	struct heap_site *sites;       /* HEAP_SITES of them */
	const uint32_t *sites_used;    /* site numbers above this were never assigned */
	const uint32_t *processes_met; /* the same for numbers of processes */
};

/* Loads the programs.  -ENOTSUP: kernel_open had no heap_interval. */
int kernel_heap_open(struct kernel *k, struct kernel_heap *out, struct probe_programs *programs);
void kernel_heap_close(struct kernel_heap *heap);

/* Sets where the allocator of a file is.  Call before attaching its probes. */
int kernel_heap_file(struct kernel *k, uint32_t file, const struct heap_file *where);
/* The sum over all CPUs. */
int kernel_heap_hits(struct kernel *k, struct heap_hits *hits);
/* Total run time of the programs, in ns, and how often they ran, while statistics were on. */
int kernel_heap_run_time(struct kernel *k, uint64_t *ns, uint64_t *runs);

/* Reads the state of a process whose allocations are followed; -ENOENT: not followed. */
int kernel_heap_process(struct kernel *k, uint32_t pid, struct heap_process *process);
/* Leaves the entry of another process that has this pid by now. */
int kernel_heap_forget_process(struct kernel *k, uint32_t pid, uint64_t start_ns);
/* Calls fn for each process whose allocations are followed. */
int kernel_heap_each(struct kernel *k, void (*fn)(void *, uint32_t, const struct heap_process *),
		     void *context);
/* Forgets the mappings of processes that are gone.  gone: takes the number of a process in the
 * kernel half. */
int kernel_heap_forget_mappings(struct kernel *k, bool (*gone)(void *, uint32_t), void *context);
/* Forgets a site of a process that is gone.  The kernel half may then reuse the site's number. */
int kernel_heap_forget_site(struct kernel *k, const struct kernel_heap *heap, uint32_t number);

#endif
