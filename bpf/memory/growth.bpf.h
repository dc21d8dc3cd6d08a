/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * growth.bpf.h - the processes that grow, for all programs that follow them.
 */
#ifndef DBLEAK_GROWTH_BPF_H
#define DBLEAK_GROWTH_BPF_H

#include "bpf/emit.bpf.h"
#include "bpf/memory/growth.h"

#define GROWING_MOST 1024

struct growing_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, GROWING_MOST);
	__type(key, __u32); /* process id */
	__type(value, struct growing);
};

extern struct growing_map growing SEC(".maps");

/* Number of growing processes that have these low bits; set by user space. */
extern __u16 growing_near[GROWING_NEAR];

static __always_inline struct growing *growing_find(const __u32 *pid)
{
	if (!growing_near[*pid & (GROWING_NEAR - 1)])
		return NULL;
	return bpf_map_lookup_elem(&growing, pid);
}

#endif
