/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * emit.bpf.c - owns the ring, the counters and the settings.
 */
#include "emit.bpf.h"

const volatile struct settings settings = {};

struct ring_map ring SEC(".maps");
struct counters_map counters SEC(".maps");

char LICENSE[] SEC("license") = "Dual BSD/GPL";
