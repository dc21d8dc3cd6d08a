/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_client.c - reads and writes the maps of bpf/clientlib/client.bpf.c.
 */
#include "user/capture/kernel/kernel_client.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "dbleak.skel.h"
#include "user/capture/kernel/feature.h"
#include "user/capture/kernel/kernel_share.h"
#include "user/capture/kernel/kernel_skel.h"

static int kernel_client_map_fd(struct kernel *k, const char *name)
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

void kernel_client_forget_tls_state(struct kernel *k, uint64_t id, uint32_t pid, uint64_t start_ns)
{
	if (!bpf_map_delete_elem(kernel_client_map_fd(k, "tls_states"), &id))
		kernel_share_give(k, EV_TABLE_ENCRYPTED, pid, start_ns);
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
	programs->left = bpf_program__fd(client	 ? kernel_program(k, "client_left")
					 : write ? tls->progs.tls_written
						 : tls->progs.tls_received);
	programs->multi = feature_try(FEATURE_UPROBE_MULTI) == 0;
	return programs->entered < 0 || programs->left < 0 ? -ENOTSUP : 0;
}

int kernel_client_probe(struct kernel *k, uint32_t cookie, const struct probe *probe)
{
	return bpf_map_update_elem(kernel_client_map_fd(k, "probes"), &cookie, probe, BPF_ANY);
}

int kernel_client_hits(struct kernel *k, uint32_t first, uint32_t n, uint64_t *hits)
{
	int cpus = libbpf_num_possible_cpus(), fd = kernel_client_map_fd(k, "hits"), err = 0;
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
						kernel_program(k, "client_left")};

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
	return kernel_client_map_fd(k, key->resource == EV_RES_CONNECTION ? "links" : "handles");
}

int kernel_client_clear_hits(struct kernel *k, uint32_t cookie)
{
	int cpus = libbpf_num_possible_cpus(), err;
	uint64_t *zero = cpus < 0 ? NULL : calloc(cpus, sizeof(*zero));

	if (!zero)
		return cpus < 0 ? cpus : -ENOMEM;
	err = bpf_map_update_elem(kernel_client_map_fd(k, "hits"), &cookie, zero, BPF_ANY);
	cookie = HITS_OF_EXITS(cookie);
	if (!err)
		err = bpf_map_update_elem(kernel_client_map_fd(k, "hits"), &cookie, zero, BPF_ANY);
	free(zero);
	return err;
}

enum { BATCH = 512 };

/* Called with a copy of each element of a map. */
typedef void element_fn(void *context, int map, const void *key, const void *value);

static int each(int map, size_t key_size, size_t value_size, element_fn *fn, void *context)
{
	char *keys = calloc(BATCH, key_size), *values = calloc(BATCH, value_size);
	int err = keys && values ? 0 : -ENOMEM;
	uint64_t place = 0; /* the kernel's position in the map; a hash table uses four bytes */
	uint32_t n;

	for (bool first = true; !err; first = false) {
		n = BATCH;
		err = bpf_map_lookup_batch(map, first ? NULL : &place, &place, keys, values, &n,
					   NULL);
		for (uint32_t i = 0; i < n && (!err || err == -ENOENT); i++)
			fn(context, map, keys + i * key_size, values + i * value_size);
	}
	free(keys);
	free(values);
	return err == -ENOENT ? 0 : err;
}

struct visit {
	struct kernel *kernel;
	kernel_link_fn *fn;
	void *context;
	const bool *cookies;
};

static void visit_link(void *context, int map, const void *key, const void *value)
{
	const struct visit *v = context;

	(void)map;
	v->fn(v->context, key, value);
}

int kernel_client_links(struct kernel *k, kernel_link_fn *fn, void *context)
{
	struct visit v = {.fn = fn, .context = context};

	return each(kernel_client_map_fd(k, "links"), sizeof(struct handle_key),
		    sizeof(struct ledger_handle), visit_link, &v);
}

static bool is_one_of(const bool *cookies, uint32_t cookie)
{
	return cookie < PROBES_MOST && cookies[cookie];
}

static void drop_link(void *context, int map, const void *key, const void *value)
{
	const struct visit *v = context;
	const struct ledger_handle *h = value;

	if (!is_one_of(v->cookies, h->probe))
		return;
	v->fn(v->context, key, h);
	if (!bpf_map_delete_elem(map, key))
		kernel_share_give(v->kernel, EV_TABLE_CONNECTIONS,
				  ((const struct handle_key *)key)->pid, h->born_ns);
}

static void drop_object(void *context, int map, const void *key, const void *value)
{
	const struct visit *v = context;
	struct ledger_handle h = {.object = *(const struct object *)value};

	if (!is_one_of(v->cookies, h.probe))
		return;
	v->fn(v->context, key, &h);
	if (!bpf_map_delete_elem(map, key))
		kernel_share_give(v->kernel, EV_TABLE_OBJECTS,
				  ((const struct handle_key *)key)->pid, h.born_ns);
}

static void drop_site(void *context, int map, const void *key, const void *value)
{
	const struct site_key *at = key;
	const struct site *s = value;
	const struct visit *v = context;

	if (is_one_of(v->cookies, at->probe) && !bpf_map_delete_elem(map, key) && !s->unwanted)
		kernel_share_give(v->kernel, EV_TABLE_SITES, at->pid, s->made_ns);
}

int kernel_client_drop_links(struct kernel *k, uint32_t first, uint32_t count, kernel_link_fn *fn,
			     void *context)
{
	static bool cookies[PROBES_MOST];
	struct visit v = {.kernel = k, .fn = fn, .context = context, .cookies = cookies};

	for (uint32_t i = 0; i < PROBES_MOST; i++)
		cookies[i] = i >= first && i - first < count;
	return each(kernel_client_map_fd(k, "links"), sizeof(struct handle_key),
		    sizeof(struct ledger_handle), drop_link, &v);
}

int kernel_client_drop(struct kernel *k, const bool *cookies, kernel_link_fn *fn, void *context)
{
	struct visit v = {.kernel = k, .fn = fn, .context = context, .cookies = cookies};
	int err = each(kernel_client_map_fd(k, "links"), sizeof(struct handle_key),
		       sizeof(struct ledger_handle), drop_link, &v);

	if (!err)
		err = each(kernel_client_map_fd(k, "handles"), sizeof(struct handle_key),
			   sizeof(struct object), drop_object, &v);
	if (!err)
		err = each(kernel_client_map_fd(k, "sites"), sizeof(struct site_key),
			   sizeof(struct site), drop_site, &v);
	return err;
}

int kernel_client_forget_handle(struct kernel *k, const struct handle_key *key)
{
	return bpf_map_delete_elem(map_of(k, key), key);
}

int kernel_client_forget_site(struct kernel *k, const struct site_key *key)
{
	return bpf_map_delete_elem(kernel_client_map_fd(k, "sites"), key);
}

uint64_t kernel_client_start(struct kernel *k, uint32_t pid)
{
	struct process p;

	return bpf_map_lookup_elem(kernel_client_map_fd(k, "processes"), &pid, &p) || p.gone
		       ? 0
		       : p.start_ns;
}

int kernel_client_text(struct kernel *k, uint64_t hash, struct client_text *text)
{
	return hash ? bpf_map_lookup_elem(kernel_client_map_fd(k, "texts"), &hash, text) : -ENOENT;
}
