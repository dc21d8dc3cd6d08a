/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_stack.c - reads and writes the maps of bpf/stack/stack.bpf.c.
 */
#include "user/capture/kernel/kernel_stack.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>

#include "dbleak.skel.h"
#include "user/capture/kernel/feature.h"
#include "user/capture/kernel/kernel_skel.h"

static int kernel_stack_map_fd(struct kernel *k, const char *name)
{
	return bpf_object__find_map_fd_by_name(kernel_skeleton(k)->obj, name);
}

int kernel_runtime_set(struct kernel *k, uint32_t pid, const struct runtime_process *runtime)
{
	return bpf_map_update_elem(kernel_stack_map_fd(k, "runtimes"), &pid, runtime, BPF_ANY);
}

int kernel_runtime_forget(struct kernel *k, uint32_t pid)
{
	return bpf_map_delete_elem(kernel_stack_map_fd(k, "runtimes"), &pid);
}

int kernel_runtime_get(struct kernel *k, uint32_t pid, struct runtime_process *runtime)
{
	return bpf_map_lookup_elem(kernel_stack_map_fd(k, "runtimes"), &pid, runtime);
}

int kernel_python_row(struct kernel *k, uint32_t index, const struct python_row *row)
{
	return bpf_map_update_elem(kernel_stack_map_fd(k, "python_rows"), &index, row, BPF_ANY);
}

int kernel_python_programs(struct kernel *k, struct probe_programs *programs)
{
	*programs = (struct probe_programs){
		.entered = bpf_program__fd(kernel_program(k, "python_started")),
		.returned = -1,
		.multi = feature_try(FEATURE_UPROBE_MULTI) == 0,
	};
	return programs->entered < 0 ? -ENOTSUP : 0;
}

int kernel_stack_shape(struct kernel *k, uint64_t key, const struct stack_shape *shape)
{
	return bpf_map_update_elem(kernel_stack_map_fd(k, "stack_shapes"), &key, shape, BPF_ANY);
}

int kernel_stack_forget(struct kernel *k, uint64_t id)
{
	int fd = bpf_object__find_map_fd_by_name(kernel_skeleton(k)->obj, "stacks_seen");

	return bpf_map_delete_elem(fd, &id);
}
