/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_state.h - the loaded kernel half, for the files kernel.c and kernel_*.c here.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_STATE_H
#define DBLEAK_CAPTURE_KERNEL_STATE_H

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

#include "user/base/table.h"
#include "bpf/memory/heap.h"
#include "user/capture/worker/errand.h"
#include "user/capture/kernel/feature.h"
#include "user/capture/kernel/kernel_load.h"
#include "user/capture/kernel/kernel_skel.h"

#define READ_BYTES		(256 << 10)
#define FORGET_BATCH		256
#define WALKS_MOST		64 /* rounds over a map in one sweep: 32 MiB of records */
#define BIRTHS_EACH_SWEEP	20
#define BIRTHS_AT_START		256
#define STACKS_NATIVE		100 /* for each process in a second */
#define STACKS_INTERPRETED	2000
#define STACKS_NATIVE_ALL	2000 /* with tell_all */
#define STACKS_INTERPRETED_ALL	20000
#define STACKS_NATIVE_HEAP	2000 /* with heap_interval */
#define STACKS_INTERPRETED_HEAP 500000
#define STACK_BYTES_COPIED	8192
#define OBJECTS_MOST		8	   /* beside the first */
#define HEAP_BUCKETS_EXACT	(1U << 18) /* 128 bytes and 7 blocks each */
#define HEAP_BUCKETS_SAMPLED	(1U << 16)

/* Limits a drain: programs that write as fast as we read would keep us here for ever. */
#define DRAIN_NS    50000000ULL
#define DRAIN_CLOCK 16 /* records between two looks at the clock */

struct kernel {
	struct dbleak *skel; /* the maps */
	struct loaded loaded;
	struct loaded_more more[KERNEL_MORE];
	struct ring_buffer *ring;
	struct ring_buffer *walked;
	struct ring_buffer *tasks;
	struct bpf_link *scan;
	/* NULL: the kernel refuses the iterator, so a walk over files, or over the map, replaces
	 * it. */
	struct bpf_link *sweep_connections, *count;
	struct bpf_link *sweeps[KERNEL_SWEEPS];
	kernel_record_fn fn;	/* during a drain */
	kernel_task_fn task_fn; /* during a drain of tasks, perhaps in another thread */
	void *task_context;
	uint64_t drained, drain_end_ns; /* records so far; time to stop the drain, 0: no limit */
	bool behind;			/* the last drain left records in the ring */
	void *context;
	char *buffer;
	struct table forgotten; /* connection -> time before which its statements do not count */
	int stats_fd;
	struct errands *errands;
	bool look_only;
	bool tell_all;
	enum cgroup_hierarchy hierarchies[SETTINGS_HIERARCHIES];
	uint32_t hierarchy_ids[SETTINGS_HIERARCHIES];
	int hierarchy_count;
};

int kernel_link_iterator(struct kernel *k, struct bpf_link **link, const char *program,
			 const struct bpf_map *map);
/* Sets the shares of tables, before load.  s->selective is set already. */
void kernel_share_fill(struct settings *s);
int kernel_link_map_sweeps(struct kernel *k);
int kernel_read_iterator(struct kernel *k, struct bpf_link *link, kernel_record_fn fn,
			 void *context);

#endif
