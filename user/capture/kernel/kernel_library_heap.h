/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_library_heap.h - the part of the kernel half that counts the heap memory of client
 * libraries.
 *
 * Each function returns 0 or -errno.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_LIBRARY_HEAP_H
#define DBLEAK_CAPTURE_KERNEL_LIBRARY_HEAP_H

#include "bpf/memory/library_heap.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/probe/probe.h"

/* Begins to load the program in the background. */
void kernel_library_heap_begin(struct kernel *k);
/* Waits until the program is loaded. */
int kernel_library_heap_load(struct kernel *k, struct probe_programs *programs);
/* Opens or closes a sampling window: probes that are attached only in windows count only then. */
void kernel_library_heap_window(struct kernel *k, bool open);
/* Counts how often each of the first n sites was hit so far. */
int kernel_library_heap_hits(struct kernel *k, uint32_t n, uint64_t *hits);
/* Total run time of the program, in ns, and how often it ran, while statistics were on. */
int kernel_library_heap_run_time(struct kernel *k, uint64_t *ns, uint64_t *runs);

typedef void kernel_balance_fn(void *context, const struct library_key *key,
			       const struct library_balance *balance);
int kernel_library_heap_each(struct kernel *k, kernel_balance_fn *fn, void *context);
int kernel_library_heap_forget(struct kernel *k, const struct library_key *key);

/* Hands over all stacks and removes them from the map. */
typedef void kernel_library_stack_fn(void *context, const struct library_stack_key *key,
				     const struct library_stack *stack);
int kernel_library_heap_stacks(struct kernel *k, kernel_library_stack_fn *fn, void *context);

#endif
