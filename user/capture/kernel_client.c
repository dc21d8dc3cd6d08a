/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_client.c - talks to the maps of bpf/client.bpf.c.
 */
#include "kernel_client.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "dbleak.skel.h"
#include "feature.h"
#include "kernel_skel.h"

static int map_fd(struct kernel *k, const char *name)
{
	struct dbleak *skel = kernel_skeleton(k);

	return bpf_object__find_map_fd_by_name(skel->obj, name);
}

void kernel_client_tls_begin(struct kernel *k)
{
	kernel_more_begin(k, MORE_TLS);
}

int kernel_client_tls(struct kernel *k, bool wait)
{
	int err = wait ? kernel_more_wait(k, MORE_TLS) : kernel_more_try(k, MORE_TLS);

	if (!err)
		kernel_skeleton(k)->bss->tls_read = 1;
	return err;
}

void kernel_client_forget_veil(struct kernel *k, uint64_t id)
{
	bpf_map_delete_elem(map_fd(k, "veils"), &id);
}

int kernel_client_programs(struct kernel *k, enum kernel_probes which,
			   struct probe_programs *programs)
{
	struct dbleak *tls = kernel_more(k, MORE_TLS);
	bool client = which == KERNEL_PROBES_CLIENT, write = which == KERNEL_PROBES_TLS_WRITE;

	if (!client && !tls)
		return -ENOTSUP;
	programs->entered = bpf_program__fd(client ? kernel_program(k, "client_entered")
						   : tls->progs.tls_entered);
	programs->returned = bpf_program__fd(client  ? kernel_program(k, "client_returned")
					     : write ? tls->progs.tls_written
						     : tls->progs.tls_received);
	programs->multi = feature_try(FEATURE_UPROBE_MULTI) == 0;
	return programs->entered < 0 || programs->returned < 0 ? -ENOTSUP : 0;
}

int kernel_client_probe(struct kernel *k, uint32_t cookie, const struct probe *probe)
{
	return bpf_map_update_elem(map_fd(k, "probes"), &cookie, probe, BPF_ANY);
}

int kernel_client_hits(struct kernel *k, uint32_t first, uint32_t n, uint64_t *hits)
{
	int cpus = libbpf_num_possible_cpus(), fd = map_fd(k, "hits"), err = 0;
	uint64_t *values;

	if (cpus < 0)
		return cpus;
	values = calloc(cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (uint32_t i = 0; i < n && !err; i++) {
		uint32_t cookie = first + i;

		hits[i] = 0;
		err = bpf_map_lookup_elem(fd, &cookie, values);
		for (int cpu = 0; cpu < cpus && !err; cpu++)
			hits[i] += values[cpu];
	}
	free(values);
	return err;
}

int kernel_client_run_time(struct kernel *k, struct kernel_client_runs *out)
{
	const struct bpf_program *programs[] = {kernel_program(k, "client_entered"),
						kernel_program(k, "client_returned")};

	for (int i = 0; i < 2; i++) {
		struct bpf_prog_info info = {};
		uint32_t size = sizeof(info);

		if (bpf_obj_get_info_by_fd(bpf_program__fd(programs[i]), &info, &size))
			return -errno;
		out->ns[i] = info.run_time_ns;
		out->runs[i] = info.run_cnt;
	}
	return 0;
}

int kernel_client_sweep(struct kernel *k, kernel_record_fn fn, void *context)
{
	int err = kernel_sweep_map(k, SWEEP_SITES, fn, context);

	return err ? err : kernel_sweep_map(k, SWEEP_LINKS, fn, context);
}

int kernel_client_bury(struct kernel *k, kernel_record_fn fn, void *context)
{
	return kernel_sweep_map(k, SWEEP_HANDLES, fn, context);
}

static int map_of(struct kernel *k, const struct handle_key *key)
{
	return map_fd(k, key->resource == EV_RES_CONNECTION ? "links" : "handles");
}

int kernel_client_links(struct kernel *k, kernel_link_fn *fn, void *context)
{
	enum { BATCH = 512 };
	struct handle_key *keys = calloc(BATCH, sizeof(*keys));
	struct handle *values = calloc(BATCH, sizeof(*values));
	int fd = map_fd(k, "links"), err = keys && values ? 0 : -ENOMEM;
	uint64_t place = 0; /* a hash table's takes four bytes */
	uint32_t n;

	for (bool first = true; !err; first = false) {
		n = BATCH;
		err = bpf_map_lookup_batch(fd, first ? NULL : &place, &place, keys, values, &n, NULL);
		for (uint32_t i = 0; i < n && (!err || err == -ENOENT); i++)
			fn(context, &keys[i], &values[i]);
	}
	free(keys);
	free(values);
	return err == -ENOENT ? 0 : err;
}

int kernel_client_forget_handle(struct kernel *k, const struct handle_key *key)
{
	return bpf_map_delete_elem(map_of(k, key), key);
}

int kernel_client_forget_site(struct kernel *k, const struct site_key *key)
{
	return bpf_map_delete_elem(map_fd(k, "sites"), key);
}

uint64_t kernel_client_start(struct kernel *k, uint32_t pid)
{
	struct process p;

	return bpf_map_lookup_elem(map_fd(k, "processes"), &pid, &p) || p.gone ? 0 : p.start_ns;
}

int kernel_client_text(struct kernel *k, uint64_t hash, struct client_text *text)
{
	return hash ? bpf_map_lookup_elem(map_fd(k, "texts"), &hash, text) : -ENOENT;
}
