/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_stack.h - what the loaded kernel half is told about the stacks it takes.
 *
 * 0 or -errno each.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_STACK_H
#define DBLEAK_CAPTURE_KERNEL_STACK_H

#include "bpf/stack/python.h"
#include "bpf/stack/raw_stack.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/probe/probe.h"

/* From now on the process's stacks are taken so, and those of children it forks. */
int kernel_runtime_set(struct kernel *k, uint32_t pid, const struct runtime_process *runtime);
/* What is known of it.  -ENOENT: nothing. */
int kernel_runtime_get(struct kernel *k, uint32_t pid, struct runtime_process *runtime);
/* -ENOENT: there was nothing to forget. */
int kernel_runtime_forget(struct kernel *k, uint32_t pid);
/* A stack's id is unknown here: the stack is sent anew when it is met again. */
int kernel_stack_forget(struct kernel *k, uint64_t id);
/* Where the return addresses lie in copied stacks whose raw_stack.shape is this key: those whose
 * addresses were sent before are not copied again. */
int kernel_stack_shape(struct kernel *k, uint64_t key, const struct stack_shape *shape);

/* Where the Python with this index keeps what; before a process is set to it. */
int kernel_python_row(struct kernel *k, uint32_t index, const struct python_row *row);
/* The program for where interpreters start, with a row's index as the cookie.  Its descriptor stays
 * the kernel's.  -ENOTSUP where only looking is done. */
int kernel_python_programs(struct kernel *k, struct probe_programs *programs);

#endif
