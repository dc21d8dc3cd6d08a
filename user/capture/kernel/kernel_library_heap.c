/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_library_heap.c - reads and writes the maps of bpf/memory/library_heap.bpf.c.
 */
#include "user/capture/kernel/kernel_library_heap.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dbleak.skel.h"
#include "user/capture/kernel/feature.h"
#include "user/capture/kernel/kernel_skel.h"

static int kernel_library_heap_map_fd(struct kernel *k, const char *name)
{
	return bpf_object__find_map_fd_by_name(kernel_skeleton(k)->obj, name);
}

void kernel_library_heap_begin(struct kernel *k)
{
	kernel_more_begin(k, MORE_LIBRARY_HEAP);
}

int kernel_library_heap_load(struct kernel *k, struct probe_programs *programs)
{
	int err = kernel_more_wait(k, MORE_LIBRARY_HEAP);

	if (err)
		return err;
	memset(programs, 0, sizeof(*programs));
	programs->entered = bpf_program__fd(
		kernel_more(k, MORE_LIBRARY_HEAP)->progs.library_called);
	programs->multi = !feature_try(FEATURE_UPROBE_MULTI);
	return programs->entered < 0 ? -ENOTSUP : 0;
}

void kernel_library_heap_window(struct kernel *k, bool open)
{
	kernel_skeleton(k)->bss->library_window = open;
}

int kernel_library_heap_hits(struct kernel *k, uint32_t n, uint64_t *hits)
{
	int cpus = libbpf_num_possible_cpus(), fd = kernel_library_heap_map_fd(k, "library_hits"),
	    err = 0;
	uint64_t *values;

	if (cpus < 0)
		return cpus;
	values = calloc(cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (uint32_t i = 0; i < n && !err; i++) {
		hits[i] = 0;
		err = bpf_map_lookup_elem(fd, &i, values);
		for (int cpu = 0; cpu < cpus && !err; cpu++)
			hits[i] += values[cpu];
	}
	free(values);
	return err;
}

int kernel_library_heap_run_time(struct kernel *k, uint64_t *ns, uint64_t *runs)
{
	struct dbleak *more = kernel_more(k, MORE_LIBRARY_HEAP);
	struct bpf_prog_info info = {};
	uint32_t size = sizeof(info);

	*ns = *runs = 0;
	if (!more)
		return 0;
	if (bpf_obj_get_info_by_fd(bpf_program__fd(more->progs.library_called), &info, &size))
		return -errno;
	*ns = info.run_time_ns;
	*runs = info.run_cnt;
	return 0;
}

int kernel_library_heap_each(struct kernel *k, kernel_balance_fn *fn, void *context)
{
	int fd = kernel_library_heap_map_fd(k, "library_balances");
	struct library_balance balance;
	struct library_key key, next;

	/* Take the next key first: to remove this key would lose the position in the map. */
	if (bpf_map_get_next_key(fd, NULL, &next))
		return 0;
	for (bool more = true; more;) {
		key = next;
		more = !bpf_map_get_next_key(fd, &key, &next);
		if (!bpf_map_lookup_elem(fd, &key, &balance))
			fn(context, &key, &balance);
	}
	return 0;
}

int kernel_library_heap_forget(struct kernel *k, const struct library_key *key)
{
	return bpf_map_delete_elem(kernel_library_heap_map_fd(k, "library_balances"), key);
}

int kernel_library_heap_stacks(struct kernel *k, kernel_library_stack_fn *fn, void *context)
{
	int fd = kernel_library_heap_map_fd(k, "library_stacks");
	struct library_stack_key key;
	struct library_stack stack;

	while (!bpf_map_get_next_key(fd, NULL, &key)) {
		if (!bpf_map_lookup_elem(fd, &key, &stack))
			fn(context, &key, &stack);
		if (bpf_map_delete_elem(fd, &key))
			break;
	}
	return 0;
}
