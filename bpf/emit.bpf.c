/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * emit.bpf.c - owns the rings, the counters and the settings.
 */
#include "bpf/emit.bpf.h"

const volatile struct settings settings = {};

struct ring_map ring SEC(".maps");
struct walked_map walk_ring SEC(".maps");
struct tasks_map task_ring SEC(".maps");
/* 1: the last walk found no room.  User space sets it to 0 before each walk. */
__u32 walk_full = 0;
struct counters_map counters SEC(".maps");

char LICENSE[] SEC("license") = "Dual BSD/GPL";
