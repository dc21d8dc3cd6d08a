/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * share.bpf.h - how much of the tables that all processes share one process may fill.
 *
 * A process that fills a table would make the counts of all others too low.  So struct process
 * counts the entries that the process has in each table, and a process with a full share gets no
 * further entry.  What was refused is counted with the process, so that only its own findings are
 * weakened.  Each insert takes a place of the share first, and gives it back if the insert fails.
 * Each removal gives the place back, but only if it was this removal that removed the entry.
 *
 * The end of a process gives back all at once, because its struct process goes.  An exec does so
 * for the objects of client libraries, which are gone with the program.  Their entries stay until
 * user space removes them, and are nobody's until then.
 */
#ifndef DBLEAK_SHARE_BPF_H
#define DBLEAK_SHARE_BPF_H

#include "bpf/emit.bpf.h"

struct processes_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct process);
};

extern struct processes_map processes SEC(".maps");

static __always_inline struct process *process_of(__u32 pid)
{
	return bpf_map_lookup_elem(&processes, &pid);
}

/* Counts an entry that found no room.  The process is counted first: user space reads the sum of
 * all processes first, so the sum never exceeds its parts. */
static __always_inline void share_refuse(struct process *p, __u32 table)
{
	if (p)
		__sync_fetch_and_add(&p->refused[table], 1);
	if (table != EV_TABLE_TEXTS)
		count(COUNTER_LOSS + EV_LOSS_MAP_FULL);
}

static __always_inline void share_return(struct process *p, __u32 table)
{
	if (p && p->held[table])
		__sync_fetch_and_add(&p->held[table], -1);
}

/* Takes a place for one more entry.  Not 0: the share is full, which is counted. */
static __always_inline long share_take(struct process *p, __u32 table)
{
	if (!p || __sync_fetch_and_add(&p->held[table], 1) < settings.share[table])
		return 0;
	share_return(p, table);
	share_refuse(p, table);
	return -1;
}

/* The insert failed although the share had room: the table is full, which is counted. */
static __always_inline void share_crowded(struct process *p, __u32 table)
{
	share_return(p, table);
	if (p)
		__sync_fetch_and_add(&p->crowded[table], 1);
	share_refuse(p, table);
}

/* Gives the place of a removed entry back.  since_ns: a time at which the process lived that had
 * the entry.  Another process may have its pid now, or another program its place. */
static __always_inline void share_give(__u32 pid, __u64 since_ns, __u32 table)
{
	struct process *p = process_of(pid);

	if (p && since_ns >= p->start_ns &&
	    (table < EV_TABLE_CONNECTIONS || since_ns >= p->exec_ns))
		share_return(p, table);
}

/* The process runs another program now. */
static __always_inline void share_replaced(struct process *p)
{
	p->held[EV_TABLE_CONNECTIONS] = 0;
	p->held[EV_TABLE_SITES] = 0;
	p->held[EV_TABLE_OBJECTS] = 0;
}

/* Was anything of the process refused that user space must hear of? */
static __always_inline int share_has_refused(const struct process *p)
{
	return p->unsent || p->refused[EV_TABLE_STATEMENTS] || p->refused[EV_TABLE_ENCRYPTED];
}

/* Sends a record of a process.  A record that finds no room is counted with the process, too. */
static __always_inline long emit_of(__u32 pid, void *record, __u32 size)
{
	long err = emit(record, size);
	struct process *p;

	if (!err)
		return 0;
	p = process_of(pid);
	if (p)
		__sync_fetch_and_add(&p->unsent, 1);
	return err;
}

#endif
