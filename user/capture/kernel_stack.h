/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_stack.h - what the loaded kernel half is told about the stacks it takes.
 *
 * 0 or -errno each.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_STACK_H
#define DBLEAK_CAPTURE_KERNEL_STACK_H

#include "../../bpf/stack.h"
#include "kernel.h"

/* From now on the process's stacks are taken so, and those of children it forks. */
int kernel_runtime_set(struct kernel *k, uint32_t pid, const struct runtime_process *runtime);
/* -ENOENT: there was nothing to forget. */
int kernel_runtime_forget(struct kernel *k, uint32_t pid);
/* An interpreted stack's id is unknown here: the stack is sent anew when it is met again. */
int kernel_stack_forget(struct kernel *k, uint64_t id);

#endif
