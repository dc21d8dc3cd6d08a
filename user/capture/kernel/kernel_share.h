/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_share.h - how much of the tables that all processes share one process may fill
 * (bpf/ledger/share.bpf.h).
 */
#ifndef DBLEAK_CAPTURE_KERNEL_SHARE_H
#define DBLEAK_CAPTURE_KERNEL_SHARE_H

#include <stdint.h>

#include "bpf/settings.h"

struct kernel;

/* Entries of a table that one process may have at once; of texts, new ones in a second. */
uint32_t kernel_share(const struct kernel *k, enum ev_table table);
/* Counts an entry out that user space removed from a table of the kernel half.  since_ns: a time at
 * which the process lived that had the entry. */
void kernel_share_give(struct kernel *k, enum ev_table table, uint32_t pid, uint64_t since_ns);

#endif
