/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_heap.c - reads and writes the maps of bpf/memory/heap.bpf.c.
 */
#include "user/capture/kernel/kernel_heap.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dbleak.skel.h"
#include "user/capture/kernel/feature.h"
#include "user/capture/kernel/kernel_skel.h"
#include "user/capture/kernel/process_entry.h"

static int kernel_heap_map_fd(struct kernel *k, const char *name)
{
	return bpf_object__find_map_fd_by_name(kernel_skeleton(k)->obj, name);
}

/* One program for entry and return. */
static int load_session(struct kernel *k, struct probe_programs *programs)
{
	int err = feature_try(FEATURE_UPROBE_SESSION);
	struct dbleak *skel;

	if (!err)
		err = kernel_more_wait(k, MORE_HEAP_SESSION);
	if (err)
		return err;
	skel = kernel_more(k, MORE_HEAP_SESSION);
	programs->session = true;
	programs->entered = bpf_program__fd(skel->progs.heap_session);
	programs->begun = bpf_program__fd(skel->progs.heap_entered);
	programs->left = bpf_program__fd(skel->progs.heap_left);
	return 0;
}

/* One for entries, one for returns. */
static int load_pair(struct kernel *k, struct probe_programs *programs)
{
	int err = kernel_more_wait(k, MORE_HEAP_PAIR);
	struct dbleak *skel = err ? NULL : kernel_more(k, MORE_HEAP_PAIR);

	if (err)
		return err;
	programs->entered = bpf_program__fd(skel->progs.heap_entered);
	programs->returned = bpf_program__fd(skel->progs.heap_returned);
	programs->left = bpf_program__fd(skel->progs.heap_left);
	return 0;
}

static int kernel_heap_load(struct kernel *k, struct probe_programs *programs)
{
	memset(programs, 0, sizeof(*programs));
	programs->multi = !feature_try(FEATURE_UPROBE_MULTI);
	programs->taxed = true; /* costs less than probes at each allocation of all processes */
	return load_session(k, programs) ? load_pair(k, programs) : 0;
}

static void *map_memory(struct kernel *k, const char *name, size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			kernel_heap_map_fd(k, name), 0);

	return at == MAP_FAILED ? NULL : at;
}

int kernel_heap_open(struct kernel *k, struct kernel_heap *out, struct probe_programs *programs)
{
	struct dbleak *skel = kernel_skeleton(k);
	int err;

	memset(out, 0, sizeof(*out));
	out->bucket_count = bpf_map__max_entries(skel->maps.heap_blocks);
	if (out->bucket_count < 2)
		return -ENOTSUP;
	err = kernel_heap_load(k, programs);
	if (err)
		return err;
	out->sites_used = &skel->bss->heap_sites_used;
	out->processes_met = &skel->bss->heap_processes_met;
	out->buckets = map_memory(k, "heap_blocks", out->bucket_count * sizeof(*out->buckets));
	out->sites = map_memory(k, "heap_sites", HEAP_SITES * sizeof(*out->sites));
	if (out->buckets && out->sites)
		return 0;
	err = -errno;
	kernel_heap_close(out);
	return err;
}

void kernel_heap_close(struct kernel_heap *heap)
{
	if (heap->buckets)
		munmap(heap->buckets, heap->bucket_count * sizeof(*heap->buckets));
	if (heap->sites)
		munmap(heap->sites, HEAP_SITES * sizeof(*heap->sites));
	memset(heap, 0, sizeof(*heap));
}

int kernel_heap_file(struct kernel *k, uint32_t file, const struct heap_file *where)
{
	return bpf_map_update_elem(kernel_heap_map_fd(k, "heap_files"), &file, where, BPF_ANY);
}

int kernel_heap_hits(struct kernel *k, struct heap_hits *hits)
{
	int cpus = libbpf_num_possible_cpus(), err;
	struct heap_hits *values;
	uint32_t zero = 0;

	memset(hits, 0, sizeof(*hits));
	if (cpus < 0)
		return cpus;
	values = calloc(cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	err = bpf_map_lookup_elem(kernel_heap_map_fd(k, "heap_hits"), &zero, values);
	for (int cpu = 0; cpu < cpus && !err; cpu++) {
		const uint64_t *from = (const uint64_t *)&values[cpu];

		for (size_t i = 0; i < sizeof(*hits) / sizeof(uint64_t); i++)
			((uint64_t *)hits)[i] += from[i];
	}
	free(values);
	return err;
}

/* Adds what the kernel counted of a program; one that is not loaded counts nothing. */
static int add_run_time(const struct bpf_program *p, uint64_t *ns, uint64_t *runs)
{
	struct bpf_prog_info info = {};
	uint32_t size = sizeof(info);

	if (bpf_program__fd(p) < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &size))
		return -errno;
	*ns += info.run_time_ns;
	*runs += info.run_cnt;
	return 0;
}

int kernel_heap_run_time(struct kernel *k, uint64_t *ns, uint64_t *runs)
{
	static const enum kernel_more parts[] = {MORE_HEAP_SESSION, MORE_HEAP_PAIR};
	int err = 0;

	*ns = *runs = 0;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && !err; i++) {
		struct dbleak *skel = kernel_more(k, parts[i]);

		if (!skel)
			continue;
		err = add_run_time(skel->progs.heap_session, ns, runs);
		if (!err)
			err = add_run_time(skel->progs.heap_entered, ns, runs);
		if (!err)
			err = add_run_time(skel->progs.heap_returned, ns, runs);
	}
	return err;
}

int kernel_heap_process(struct kernel *k, uint32_t pid, struct heap_process *process)
{
	return bpf_map_lookup_elem(kernel_heap_map_fd(k, "heap_processes"), &pid, process);
}

int kernel_heap_forget_process(struct kernel *k, uint32_t pid, uint64_t start_ns)
{
	struct heap_process room;

	return process_entry_forget(kernel_heap_map_fd(k, "heap_processes"), pid, start_ns, &room);
}

int kernel_heap_each(struct kernel *k, void (*fn)(void *, uint32_t, const struct heap_process *),
		     void *context)
{
	int fd = kernel_heap_map_fd(k, "heap_processes");
	uint32_t key, next;
	struct heap_process p;

	/* Take the next key first: to remove this key would lose the position in the map. */
	if (bpf_map_get_next_key(fd, NULL, &next))
		return 0;
	for (bool more = true; more;) {
		key = next;
		more = !bpf_map_get_next_key(fd, &key, &next);
		if (!bpf_map_lookup_elem(fd, &key, &p))
			fn(context, key, &p);
	}
	return 0;
}

int kernel_heap_forget_mappings(struct kernel *k, bool (*gone)(void *, uint32_t), void *context)
{
	int fd = kernel_heap_map_fd(k, "heap_mappings");
	struct heap_mapping_key key, next;

	/* Take the next key first: to remove this key would lose the position in the map. */
	if (bpf_map_get_next_key(fd, NULL, &next))
		return 0;
	for (bool more = true; more;) {
		key = next;
		more = !bpf_map_get_next_key(fd, &key, &next);
		if (gone(context, key.process))
			bpf_map_delete_elem(fd, &key);
	}
	return 0;
}

int kernel_heap_forget_site(struct kernel *k, const struct kernel_heap *heap, uint32_t number)
{
	struct heap_site *s = &heap->sites[number];
	struct heap_place key = {.place = s->place, .process = s->process, .kind = s->kind};
	int err = bpf_map_delete_elem(kernel_heap_map_fd(k, "heap_places"), &key);

	memset(s, 0, sizeof(*s));
	return err ? err
		   : bpf_map_update_elem(kernel_heap_map_fd(k, "heap_free_sites"), NULL, &number,
					 BPF_ANY);
}
