/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_pool.h - talks to bpf/memory/pool.bpf.c: in which processes pools of Python's allocator
 * are sampled, and which sampled pools were not taken into use again since.
 *
 * Each function returns 0 or -errno, unless its comment says otherwise.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_POOL_H
#define DBLEAK_CAPTURE_KERNEL_POOL_H

#include <stdbool.h>

#include "bpf/memory/pool.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/probe/probe.h"

struct kernel_pool;

/* kernel is borrowed.  Nothing is loaded yet. */
int kernel_pool_open(struct kernel_pool **out, struct kernel *kernel);
/* Accepts NULL. */
void kernel_pool_close(struct kernel_pool *p);

/* Begins to load the programs; -EAGAIN: not done yet.  -ENOTSUP: the kernel has no uprobe.multi,
 * and other probes cannot be detached quickly. */
int kernel_pool_load(struct kernel_pool *p, struct probe_programs *programs);
/* Hits of a probe that only counts. */
uint64_t kernel_pool_canaries(void *kernel_pool, uint32_t cookie);

int kernel_pool_enter(struct kernel_pool *p, uint32_t pid, const struct pool_taker *how);
int kernel_pool_state(struct kernel_pool *p, uint32_t pid, struct pool_taker *state);
/* Ends the sampling of a process and forgets its pools. */
void kernel_pool_leave(struct kernel_pool *p, uint32_t pid);

/* Was this pool sampled, and not taken into use again since? */
bool kernel_pool_is_sampled(struct kernel_pool *p, uint32_t pid, uint64_t pool);
void kernel_pool_note(struct kernel_pool *p, uint32_t pid, uint64_t pool);
void kernel_pool_forget(struct kernel_pool *p, uint32_t pid, uint64_t pool);
/* Forgets all pools of a process.  Takes some 10 ms if the map holds many, of any process. */
void kernel_pool_forget_all(struct kernel_pool *p, uint32_t pid);

/* Total run time of the program, in ns, and how often it ran, while statistics were on. */
int kernel_pool_run_time(struct kernel_pool *p, uint64_t *ns, uint64_t *runs);

#endif
