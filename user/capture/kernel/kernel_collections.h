/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_collections.h - talks to bpf/memory/collections.bpf.c: whose garbage collections are
 * counted, and how many there were.
 *
 * Each function returns 0 or -errno, unless its comment says otherwise.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_COLLECTIONS_H
#define DBLEAK_CAPTURE_KERNEL_COLLECTIONS_H

#include "bpf/memory/collections.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/probe/probe.h"

/* -ENOTSUP: the kernel has no uprobe.multi, and other probes cannot be kept to one process. */
int kernel_collections_load(struct kernel *k, struct probe_programs *programs);
/* Begins to count for a process that gets the probes; -E2BIG: COLLECTING_MOST are counted. */
int kernel_collections_enter(struct kernel *k, uint32_t pid);
int kernel_collections_read(struct kernel *k, uint32_t pid, struct collecting *out);
void kernel_collections_leave(struct kernel *k, uint32_t pid);

#endif
