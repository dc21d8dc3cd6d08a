/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * task.bpf.h - reads facts of tasks as plain kernel memory.
 *
 * A pointer in a task could be followed without a helper call.  But for each pointer followed so,
 * the verifier searches the names of all kernel types (Linux 6.4), which takes it most of a
 * millisecond.  So only the code that runs at each message follows pointers.
 */
#ifndef DBLEAK_TASK_BPF_H
#define DBLEAK_TASK_BPF_H

#include "bpf/emit.bpf.h"

/* Returns when a task's process began, in nanoseconds since boot. */
static __always_inline __u64 task_start(struct task_struct *task)
{
	return BPF_CORE_READ(task, group_leader, start_boottime);
}

#endif
