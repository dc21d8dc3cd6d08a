/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_stack.c - talks to the maps of bpf/stack.bpf.c.
 */
#include "kernel_stack.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "dbleak.skel.h"
#include "kernel_skel.h"

static int runtimes_fd(struct kernel *k)
{
	return bpf_object__find_map_fd_by_name(kernel_skeleton(k)->obj, "runtimes");
}

int kernel_runtime_set(struct kernel *k, uint32_t pid, const struct runtime_process *runtime)
{
	return bpf_map_update_elem(runtimes_fd(k), &pid, runtime, BPF_ANY);
}

int kernel_runtime_forget(struct kernel *k, uint32_t pid)
{
	return bpf_map_delete_elem(runtimes_fd(k), &pid);
}

int kernel_stack_forget(struct kernel *k, uint64_t id)
{
	int fd = bpf_object__find_map_fd_by_name(kernel_skeleton(k)->obj, "stacks_seen");

	return bpf_map_delete_elem(fd, &id);
}
