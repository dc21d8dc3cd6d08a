/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * emit.bpf.h - the only way to the rings, the loss counters, and the settings.
 *
 * No other file calls bpf_ringbuf_* on the event ring, so a full ring is counted here or nowhere.
 */
#ifndef DBLEAK_EMIT_BPF_H
#define DBLEAK_EMIT_BPF_H

#include "bpf/kernel.h"
#include "bpf/event.h"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "bpf/settings.h"

extern const volatile struct settings settings;

#define RING_BYTES (4 << 20)

struct ring_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_BYTES);
};

/* The records of a walk over a map.  User space reads them when the walk has ended. */
struct walked_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, WALKED_BYTES);
};

/* Processes that fork, exec or exit, for the thread of user space that attaches their probes. */
struct tasks_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, TASKS_BYTES);
};

struct counters_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
};

extern struct ring_map ring SEC(".maps");
extern struct walked_map walk_ring SEC(".maps");
extern struct tasks_map task_ring SEC(".maps");
extern struct counters_map counters SEC(".maps");
extern __u32 walk_full;

static __always_inline void count(__u32 which)
{
	__u64 *n = bpf_map_lookup_elem(&counters, &which);

	if (n)
		__sync_fetch_and_add(n, 1); /* probe programs can be preempted */
}

/* Evidence gives way to facts: no evidence is sent while half of the ring waits to be read. */
static __always_inline int ring_is_busy(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >
	       bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE) / 2;
}

/* Sends one whole record.  A record that finds no room is counted, never waited for; then the
 * result is not 0.  flags: 0 wakes the reader; BPF_RB_NO_WAKEUP: the reader polls by itself. */
static __always_inline long emit_with(void *record, __u32 size, __u64 flags)
{
	long err = bpf_ringbuf_output(&ring, record, size, flags);

	count(err ? COUNTER_LOSS + EV_LOSS_RING_FULL : COUNTER_EVENTS);
	return err;
}

/* Writes a record of a sweep into the file of an iterator.  Where a walk over a map stands in for
 * the iterator, the record goes into the ring of walks.  Not 0: there was no room.  A walk then
 * stops, and begins again once user space has read the ring; an iterator's program runs again for
 * the same element. */
static __always_inline long sweep_write(struct seq_file *seq, void *record, __u32 size)
{
	if (seq)
		return bpf_seq_write(seq, record, size);
	if (!bpf_ringbuf_output(&walk_ring, record, size, BPF_RB_NO_WAKEUP))
		return 0;
	walk_full = 1;
	return 1;
}

static __always_inline long emit(void *record, __u32 size)
{
	return emit_with(record, size, 0);
}

#endif
