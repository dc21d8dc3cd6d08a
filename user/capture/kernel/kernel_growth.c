/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_growth.c - see kernel_growth.h.
 */
#include "user/capture/kernel/kernel_growth.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "bpf/clientlib/client.h"
#include "dbleak.skel.h"
#include "user/capture/kernel/kernel_skel.h"

static const char *const tracepoints[] = {"page_fault_user", "page_fault_kernel"};

#define TRACEPOINTS (sizeof(tracepoints) / sizeof(tracepoints[0]))

struct kernel_growth {
	struct kernel *kernel;
	struct bpf_link *links[TRACEPOINTS];
};

int kernel_growth_open(struct kernel_growth **out, struct kernel *kernel)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->kernel = kernel;
	return 0;
}

void kernel_growth_close(struct kernel_growth *g)
{
	if (!g)
		return;
	kernel_growth_detach(g);
	free(g);
}

static int kernel_growth_map_fd(struct kernel_growth *g, const char *name)
{
	return bpf_object__find_map_fd_by_name(kernel_skeleton(g->kernel)->obj, name);
}

void kernel_growth_begin(struct kernel_growth *g)
{
	kernel_more_begin(g->kernel, MORE_GROWTH);
}

int kernel_growth_attach(struct kernel_growth *g, bool wait)
{
	int err = wait ? kernel_more_wait(g->kernel, MORE_GROWTH)
		       : kernel_more_try(g->kernel, MORE_GROWTH);

	for (size_t i = 0; i < TRACEPOINTS && !err; i++) {
		if (g->links[i])
			continue;
		g->links[i] = bpf_program__attach_raw_tracepoint(
			kernel_more(g->kernel, MORE_GROWTH)->progs.growth_faulted, tracepoints[i]);
		err = g->links[i] ? 0 : -errno;
	}
	if (err)
		kernel_growth_detach(g);
	return err;
}

void kernel_growth_detach(struct kernel_growth *g)
{
	for (size_t i = 0; i < TRACEPOINTS; i++) {
		bpf_link__destroy(g->links[i]);
		g->links[i] = NULL;
	}
}

static uint16_t *near(struct kernel_growth *g, uint32_t pid)
{
	return &kernel_skeleton(g->kernel)->bss->growing_near[pid & (GROWING_NEAR - 1)];
}

int kernel_growth_enter(struct kernel_growth *g, uint32_t pid, const struct growing *how)
{
	struct growth_state zero = {};
	int err = bpf_map_update_elem(kernel_growth_map_fd(g, "growth_states"), &pid, &zero,
				      BPF_NOEXIST);
	bool new = !err;

	if (!err || err == -EEXIST)
		err = bpf_map_update_elem(kernel_growth_map_fd(g, "growing"), &pid, how, BPF_ANY);
	if (new &&err)
		bpf_map_delete_elem(kernel_growth_map_fd(g, "growth_states"), &pid);
	else if (new)
		(*near(g, pid))++;
	return err;
}

void kernel_growth_leave(struct kernel_growth *g, uint32_t pid)
{
	bpf_map_delete_elem(kernel_growth_map_fd(g, "growing"), &pid);
	if (!bpf_map_delete_elem(kernel_growth_map_fd(g, "growth_states"), &pid))
		(*near(g, pid))--;
}

void kernel_growth_spoke(struct kernel_growth *g, uint32_t pid, uint32_t tid, uint64_t connection,
			 uint64_t ns)
{
	const struct thread_socket thread_socket = {.id = connection, .ns = ns};
	uint64_t thread = (uint64_t)pid << 32 | tid;
	struct thread_socket known;

	if (bpf_map_lookup_elem(kernel_growth_map_fd(g, "thread_socket"), &thread, &known) ||
	    known.ns < ns)
		bpf_map_update_elem(kernel_growth_map_fd(g, "thread_socket"), &thread,
				    &thread_socket, BPF_ANY);
}

int kernel_growth_run_time(struct kernel_growth *g, uint64_t *ns, uint64_t *runs)
{
	struct dbleak *skel = kernel_more(g->kernel, MORE_GROWTH);
	struct bpf_prog_info info = {};
	uint32_t size = sizeof(info);

	*ns = *runs = 0;
	if (!skel)
		return 0;
	if (bpf_obj_get_info_by_fd(bpf_program__fd(skel->progs.growth_faulted), &info, &size))
		return -errno;
	*ns = info.run_time_ns;
	*runs = info.run_cnt;
	return 0;
}
