/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_account.c - what the kernel half counts, and what it costs in time and memory.
 */
#include "user/capture/kernel/kernel.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "dbleak.skel.h"
#include "user/capture/kernel/kernel_state.h"

int kernel_counters(struct kernel *k, uint64_t *counters)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *values;

	if (cpus < 0)
		return cpus;
	values = calloc(cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (uint32_t i = 0; i < COUNTERS; i++) {
		counters[i] = 0;
		if (bpf_map_lookup_elem(bpf_map__fd(k->skel->maps.counters), &i, values))
			continue;
		for (int cpu = 0; cpu < cpus; cpu++)
			counters[i] += values[cpu];
	}
	free(values);
	return 0;
}

int kernel_stats(struct kernel *k, bool on)
{
	if (on && k->stats_fd < 0) {
		k->stats_fd = errand_clock(k->errands);
		return k->stats_fd < 0 ? k->stats_fd : 0;
	}
	if (!on && k->stats_fd >= 0) {
		close(k->stats_fd);
		k->stats_fd = -1;
	}
	return 0;
}

int kernel_run_time(struct kernel *k, uint64_t *ns, uint64_t *runs)
{
	struct bpf_program *p = NULL;
	size_t part = 0;

	*ns = 0;
	*runs = 0;
	while ((p = loaded_next(&k->loaded, p, &part))) {
		enum loaded_kind kind = program_kind(p);
		struct bpf_prog_info info = {};
		uint32_t size = sizeof(info);

		if (kind == PROGRAM_SWEEP || kind == PROGRAM_CLIENT)
			continue;
		if (bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &size))
			return -errno;
		*ns += info.run_time_ns;
		*runs += info.run_cnt;
	}
	return 0;
}

/* The memlock line of a BPF descriptor. */
static uint64_t fd_bytes(int fd)
{
	char path[64], line[128];
	unsigned long long bytes = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	fclose(f);
	return bytes;
}

uint64_t kernel_missed(struct kernel *k)
{
	struct bpf_program *p = NULL;
	uint64_t missed = 0;
	size_t part = 0;

	while ((p = loaded_next(&k->loaded, p, &part))) {
		enum loaded_kind kind = program_kind(p);
		struct bpf_prog_info info = {};
		uint32_t size = sizeof(info);

		/* The next sweep finds what a missed lifecycle program would have reported. */
		if (kind == PROGRAM_LIFECYCLE || kind == PROGRAM_CLIENT)
			continue;
		if (!bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &size))
			missed += info.recursion_misses;
	}
	return missed;
}

/* The bytes that kmalloc uses for an object of this size. */
static uint64_t slab_bytes(uint64_t bytes)
{
	uint64_t size = 64;

	while (size < bytes)
		size *= 2;
	return size > 64 && size * 3 / 4 >= bytes && size <= 256 ? size * 3 / 4 : size;
}

/* Bytes of socket storage, which memlock does not count.  Each element has a cache line and a
 * pointer before its value.  Each socket with storage has a struct bpf_local_storage of 168 to 192
 * bytes. */
static uint64_t storage_bytes(struct kernel *k)
{
	uint64_t mark = slab_bytes(72 + bpf_map__value_size(k->skel->maps.marks));
	uint64_t connection = slab_bytes(72 + bpf_map__value_size(k->skel->maps.connections));

	k->skel->bss->marks_stored = 0;
	k->skel->bss->connections_stored = 0;
	if (k->count ? kernel_read_iterator(k, k->count, NULL, NULL)
		     : kernel_scan(k, SCAN_COUNT, NULL, NULL))
		return 0;
	return k->skel->bss->marks_stored * (mark + slab_bytes(192)) +
	       k->skel->bss->connections_stored * connection;
}

static uint64_t more_bytes(struct dbleak *skel)
{
	struct bpf_program *p = NULL;
	uint64_t bytes = 0;

	while (skel && (p = bpf_object__next_program(skel->obj, p)))
		if (bpf_program__autoload(p))
			bytes += fd_bytes(bpf_program__fd(p));
	return bytes;
}

uint64_t kernel_bytes(struct kernel *k)
{
	uint64_t bytes = storage_bytes(k);
	struct bpf_program *p = NULL;
	struct bpf_map *m;
	size_t part = 0;

	bpf_object__for_each_map(m, k->skel->obj) bytes += fd_bytes(bpf_map__fd(m));
	while ((p = loaded_next(&k->loaded, p, &part)))
		bytes += fd_bytes(bpf_program__fd(p));
	for (int i = 0; i < KERNEL_MORE; i++)
		bytes += more_bytes(k->more[i].skel);
	return bytes;
}
