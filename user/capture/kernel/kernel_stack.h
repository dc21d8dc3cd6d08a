/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_stack.h - tells the loaded kernel half how to take stacks.
 *
 * Each function returns 0 or -errno.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_STACK_H
#define DBLEAK_CAPTURE_KERNEL_STACK_H

#include "bpf/stack/python.h"
#include "bpf/stack/raw_stack.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/probe/probe.h"

/* Sets how stacks of this process, and of children that it forks from now on, are taken. */
int kernel_runtime_set(struct kernel *k, uint32_t pid, const struct runtime_process *runtime);
/* Reads that setting back.  -ENOENT: none. */
int kernel_runtime_get(struct kernel *k, uint32_t pid, struct runtime_process *runtime);
/* -ENOENT: nothing was set. */
int kernel_runtime_forget(struct kernel *k, uint32_t pid);
/* Call for a stack id that user space does not know: the kernel then sends that stack again when it
 * next takes it. */
int kernel_stack_forget(struct kernel *k, uint64_t id);
/* Sets where the return addresses lie in copied stacks whose raw_stack.shape is this key.  The
 * kernel then does not copy a stack again whose return addresses it has sent before. */
int kernel_stack_shape(struct kernel *k, uint64_t key, const struct stack_shape *shape);

/* Sets the field offsets of the Python build with this index.  Call before a process is set to it.
 */
int kernel_python_row(struct kernel *k, uint32_t index, const struct python_row *row);
/* The program for probes at the start of interpreters; the cookie is a row's index.  k keeps the
 * descriptor.  -ENOTSUP with look_only. */
int kernel_python_programs(struct kernel *k, struct probe_programs *programs);

#endif
