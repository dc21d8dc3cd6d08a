/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_collections.c - see kernel_collections.h.
 */
#include "user/capture/kernel/kernel_collections.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>

#include "dbleak.skel.h"
#include "user/capture/kernel/feature.h"
#include "user/capture/kernel/kernel_skel.h"

static int collecting_fd(struct kernel *k)
{
	return bpf_object__find_map_fd_by_name(kernel_skeleton(k)->obj, "collecting");
}

int kernel_collections_load(struct kernel *k, struct probe_programs *programs)
{
	int err;

	if (feature_try(FEATURE_UPROBE_MULTI))
		return -ENOTSUP;
	err = kernel_more_try(k, MORE_COLLECTIONS);
	if (err)
		return err;
	*programs = (struct probe_programs){
		.entered = bpf_program__fd(
			kernel_more(k, MORE_COLLECTIONS)->progs.collection_began),
		.multi = true,
	};
	return programs->entered < 0 ? -ENOTSUP : 0;
}

int kernel_collections_enter(struct kernel *k, uint32_t pid)
{
	const struct collecting none = {};

	return bpf_map_update_elem(collecting_fd(k), &pid, &none, BPF_ANY);
}

int kernel_collections_read(struct kernel *k, uint32_t pid, struct collecting *out)
{
	return bpf_map_lookup_elem(collecting_fd(k), &pid, out);
}

void kernel_collections_leave(struct kernel *k, uint32_t pid)
{
	bpf_map_delete_elem(collecting_fd(k), &pid);
}
