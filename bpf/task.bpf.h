/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * task.bpf.h - facts of tasks, read as any kernel memory.
 *
 * A pointer in a task could be followed without a call.  But for each pointer that is followed the
 * verifier looks through the names of all of the kernel's types (Linux 6.4), which takes it most of
 * a millisecond: only what runs at each message follows them.
 */
#ifndef DBLEAK_TASK_BPF_H
#define DBLEAK_TASK_BPF_H

#include "bpf/emit.bpf.h"

/* When a task's process began, in nanoseconds since boot. */
static __always_inline __u64 task_start(struct task_struct *task)
{
	return BPF_CORE_READ(task, group_leader, start_boottime);
}

#endif
