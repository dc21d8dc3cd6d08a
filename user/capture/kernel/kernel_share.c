/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_share.c - see kernel_share.h.
 */
#include "user/capture/kernel/kernel_share.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "dbleak.skel.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/kernel/kernel_room.h"
#include "user/capture/kernel/kernel_state.h"

/* One of so many parts of a table is for one process: of the whole host, or of those that the user
 * selected, which are few and alone in the tables. */
#define SHARE_OF_HOST	  8
#define SHARE_OF_SELECTED 2

void kernel_share_fill(struct settings *s)
{
	for (int i = 0; i < EV_TABLES; i++)
		s->share[i] = kernel_room(i) / (s->selective ? SHARE_OF_SELECTED : SHARE_OF_HOST);
	s->share[EV_TABLE_TEXTS] = kernel_room(EV_TABLE_TEXTS) / 2;
}

uint32_t kernel_share(const struct kernel *k, enum ev_table table)
{
	return k->skel->rodata->settings.share[table];
}

void kernel_share_give(struct kernel *k, enum ev_table table, uint32_t pid, uint64_t since_ns)
{
	struct bpf_program *p = loaded_program(&k->loaded, "share_given");
	struct share_order order = {.since_ns = since_ns, .pid = pid, .table = table};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &order, .ctx_size_in = sizeof(order));

	if (p)
		bpf_prog_test_run_opts(bpf_program__fd(p), &opts);
}
