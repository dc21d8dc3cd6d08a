/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_heap.h - the allocator half of the loaded kernel half: its probes, its blocks, its sites.
 *
 * 0 or -errno each, unless said otherwise.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_HEAP_H
#define DBLEAK_CAPTURE_KERNEL_HEAP_H

#include "bpf/memory/heap.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/probe/probe.h"

/* What is kept in the kernel and read here without a call. */
struct kernel_heap {
	struct heap_bucket *buckets;
	uint32_t bucket_count;
	struct heap_site *sites;       /* HEAP_SITES of them */
	const uint32_t *sites_used;    /* numbers above it were never given out */
	const uint32_t *processes_met; /* likewise */
};

/* Loads the programs.  -ENOTSUP: kernel_open was not told of an interval. */
int kernel_heap_open(struct kernel *k, struct kernel_heap *out, struct probe_programs *programs);
void kernel_heap_close(struct kernel_heap *heap);

/* Where the allocator of a file is; before it is attached. */
int kernel_heap_file(struct kernel *k, uint32_t file, const struct heap_file *where);
/* Of all CPUs. */
int kernel_heap_hits(struct kernel *k, struct heap_hits *hits);
/* How long the programs ran so far, and how often, while statistics were on. */
int kernel_heap_run_time(struct kernel *k, uint64_t *ns, uint64_t *runs);

/* What is known of a process that is followed; -ENOENT it is not. */
int kernel_heap_process(struct kernel *k, uint32_t pid, struct heap_process *process);
int kernel_heap_forget_process(struct kernel *k, uint32_t pid);
/* Calls fn for each process that is followed. */
int kernel_heap_each(struct kernel *k, void (*fn)(void *, uint32_t, const struct heap_process *),
		     void *context);
/* What was mapped by processes that are gone, of which their number tells. */
int kernel_heap_forget_mappings(struct kernel *k, bool (*gone)(void *, uint32_t), void *context);
/* A site of a process that is gone: its number may be given out again. */
int kernel_heap_forget_site(struct kernel *k, const struct kernel_heap *heap, uint32_t number);

#endif
