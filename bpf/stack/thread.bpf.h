/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * thread.bpf.h - the processes whose sleeping threads user space looks at.
 */
#ifndef DBLEAK_THREAD_BPF_H
#define DBLEAK_THREAD_BPF_H

#include "bpf/emit.bpf.h"
#include "bpf/stack/raw_thread.h"

struct thread_processes_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, THREAD_PROCESSES);
	__type(key, __u32);
	__type(value, __u8);
};

extern struct thread_processes_map thread_processes SEC(".maps");

#endif
