/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_growth.h - talks to bpf/memory/growth.bpf.c: which processes grow, and the probe of page
 * faults, which is there only while some do.
 *
 * 0 or -errno each.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_GROWTH_H
#define DBLEAK_CAPTURE_KERNEL_GROWTH_H

#include "bpf/memory/growth.h"
#include "user/capture/kernel/kernel.h"

struct kernel_growth;

/* kernel is borrowed.  Nothing is loaded yet. */
int kernel_growth_open(struct kernel_growth **out, struct kernel *kernel);
/* Detaches and unloads.  Accepts NULL. */
void kernel_growth_close(struct kernel_growth *g);

/* Its program may be needed: loads it in the background. */
void kernel_growth_begin(struct kernel_growth *g);
/* Page faults are looked at from now on, or no longer.  -EAGAIN: the program is being loaded,
 * unless it waits. */
int kernel_growth_attach(struct kernel_growth *g, bool wait);
void kernel_growth_detach(struct kernel_growth *g);

/* A process is sampled from now on; said again, only how. */
int kernel_growth_enter(struct kernel_growth *g, uint32_t pid, const struct growing *how);
void kernel_growth_leave(struct kernel_growth *g, uint32_t pid);

/* Notes to whom a thread spoke last, and when, unless a later message is known. */
void kernel_growth_spoke(struct kernel_growth *g, uint32_t pid, uint32_t tid, uint64_t connection,
			 uint64_t ns);

/* How long its program ran, in ns, and how often, while statistics were on (kernel_stats). */
int kernel_growth_run_time(struct kernel_growth *g, uint64_t *ns, uint64_t *runs);

#endif
