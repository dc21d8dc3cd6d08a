/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * growth.bpf.h - which processes grow, for those who follow what they do.
 */
#ifndef DBLEAK_GROWTH_BPF_H
#define DBLEAK_GROWTH_BPF_H

#include "emit.bpf.h"
#include "growth.h"

#define GROWING_MOST 1024

struct growing_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, GROWING_MOST);
	__type(key, __u32); /* process id */
	__type(value, struct growing);
};

extern struct growing_map growing SEC(".maps");

/* Whether any process is in it; set by user space. */
extern __u32 growth_on;

static __always_inline int is_growing(const __u32 *pid)
{
	return growth_on && bpf_map_lookup_elem(&growing, pid);
}

#endif
