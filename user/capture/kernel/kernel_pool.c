/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_pool.c - see kernel_pool.h.
 */
#include "user/capture/kernel/kernel_pool.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "dbleak.skel.h"
#include "user/capture/kernel/feature.h"
#include "user/capture/kernel/kernel_skel.h"

struct kernel_pool {
	struct kernel *kernel;
};

int kernel_pool_open(struct kernel_pool **out, struct kernel *kernel)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->kernel = kernel;
	return 0;
}

void kernel_pool_close(struct kernel_pool *p)
{
	free(p);
}

static int kernel_pool_map_fd(struct kernel_pool *p, const char *name)
{
	return bpf_object__find_map_fd_by_name(kernel_skeleton(p->kernel)->obj, name);
}

int kernel_pool_load(struct kernel_pool *p, struct probe_programs *programs)
{
	struct dbleak *skel;
	int err;

	if (feature_try(FEATURE_UPROBE_MULTI))
		return -ENOTSUP;
	kernel_more_begin(p->kernel, MORE_POOLS);
	err = kernel_more_try(p->kernel, MORE_POOLS);
	if (err)
		return err;
	skel = kernel_more(p->kernel, MORE_POOLS);
	*programs = (struct probe_programs){
		.entered = bpf_program__fd(skel->progs.pool_canary),
		.left = bpf_program__fd(skel->progs.pool_taken),
		.multi = true,
	};
	return 0;
}

uint64_t kernel_pool_canaries(void *kernel_pool, uint32_t cookie)
{
	struct kernel_pool *p = kernel_pool;

	return kernel_skeleton(p->kernel)->bss->pool_canaries[cookie & (POOL_COOKIES - 1)];
}

int kernel_pool_enter(struct kernel_pool *p, uint32_t pid, const struct pool_taker *how)
{
	return bpf_map_update_elem(kernel_pool_map_fd(p, "pool_takers"), &pid, how, BPF_ANY);
}

int kernel_pool_state(struct kernel_pool *p, uint32_t pid, struct pool_taker *state)
{
	return bpf_map_lookup_elem(kernel_pool_map_fd(p, "pool_takers"), &pid, state);
}

void kernel_pool_leave(struct kernel_pool *p, uint32_t pid)
{
	if (!bpf_map_delete_elem(kernel_pool_map_fd(p, "pool_takers"), &pid))
		kernel_pool_forget_all(p, pid);
}

bool kernel_pool_is_sampled(struct kernel_pool *p, uint32_t pid, uint64_t pool)
{
	const struct pool_key key = {.address = pool, .pid = pid};
	uint8_t one;

	return !bpf_map_lookup_elem(kernel_pool_map_fd(p, "pools_sampled"), &key, &one);
}

void kernel_pool_note(struct kernel_pool *p, uint32_t pid, uint64_t pool)
{
	const struct pool_key key = {.address = pool, .pid = pid};
	const uint8_t one = 1;

	bpf_map_update_elem(kernel_pool_map_fd(p, "pools_sampled"), &key, &one, BPF_ANY);
}

void kernel_pool_forget(struct kernel_pool *p, uint32_t pid, uint64_t pool)
{
	const struct pool_key key = {.address = pool, .pid = pid};

	bpf_map_delete_elem(kernel_pool_map_fd(p, "pools_sampled"), &key);
}

void kernel_pool_forget_all(struct kernel_pool *p, uint32_t pid)
{
	int fd = kernel_pool_map_fd(p, "pools_sampled");
	struct pool_key key, next;

	/* Take the next key first: to remove this key would lose the position in the map. */
	if (bpf_map_get_next_key(fd, NULL, &next))
		return;
	for (bool more = true; more;) {
		key = next;
		more = !bpf_map_get_next_key(fd, &key, &next);
		if (key.pid == pid)
			bpf_map_delete_elem(fd, &key);
	}
}

int kernel_pool_run_time(struct kernel_pool *p, uint64_t *ns, uint64_t *runs)
{
	struct dbleak *skel = kernel_more(p->kernel, MORE_POOLS);
	struct bpf_prog_info info = {};
	uint32_t size = sizeof(info);

	*ns = *runs = 0;
	if (!skel)
		return 0;
	if (bpf_obj_get_info_by_fd(bpf_program__fd(skel->progs.pool_taken), &info, &size))
		return -errno;
	*ns = info.run_time_ns;
	*runs = info.run_cnt;
	return 0;
}
