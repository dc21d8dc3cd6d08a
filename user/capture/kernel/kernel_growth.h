/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_growth.h - talks to bpf/memory/growth.bpf.c: which processes grow, and the program on page
 * faults, which is attached only while a process grows.
 *
 * Each function returns 0 or -errno.
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

/* Begins to load the program in the background. */
void kernel_growth_begin(struct kernel_growth *g);
/* Attaches the program to page faults.  Without wait, -EAGAIN: it is still being loaded. */
int kernel_growth_attach(struct kernel_growth *g, bool wait);
void kernel_growth_detach(struct kernel_growth *g);

/* Samples a process from now on.  A second call changes only `how`. */
int kernel_growth_enter(struct kernel_growth *g, uint32_t pid, const struct growing *how);
void kernel_growth_leave(struct kernel_growth *g, uint32_t pid);

/* Notes the connection that a thread used last, and when, unless a later use is known. */
void kernel_growth_spoke(struct kernel_growth *g, uint32_t pid, uint32_t tid, uint64_t connection,
			 uint64_t ns);

/* Total run time of the program, in ns, and how often it ran, while statistics were on
 * (kernel_stats). */
int kernel_growth_run_time(struct kernel_growth *g, uint64_t *ns, uint64_t *runs);

#endif
