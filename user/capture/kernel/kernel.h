/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel.h - the loaded kernel half: attach, sweep, scan, drain, detach.
 *
 * The only file pair that knows libbpf and the skeleton.  It gives raw records to its caller and
 * keeps none.  All functions return 0 or -errno; words go to standard error once, here.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_H
#define DBLEAK_CAPTURE_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/settings.h"
#include "user/capture/host/select.h"

struct kernel;

/* One record, valid during the call. */
typedef void (*kernel_record_fn)(void *context, const struct ev_head *record);
typedef void (*kernel_task_fn)(void *context, const struct raw_task *task);

struct kernel_options {
	bool look_only;		/* iterators alone, nothing attached */
	bool tell_all;		/* every birth through the ring: short programs, test suites */
	uint64_t grace_ns;	/* what lives shorter is only counted */
	bool take_stacks;	/* of whoever opens, begins, prepares */
	uint64_t heap_interval; /* bytes between sampled blocks; 1: every one; 0: none are followed
				 */
	const struct select *select; /* borrowed; empty: the whole host */
};

/* Loads into the kernel, trying each door to the sockets.  -EPERM not allowed, -ENOTSUP no door. */
int kernel_open(struct kernel **out, const struct kernel_options *options);
/* Starts the probes.  From here on the ring fills. */
int kernel_attach(struct kernel *k);
/* Detaches and unloads all.  Accepts NULL. */
void kernel_close(struct kernel *k);

/* The door in use: "tracepoints", "fexit" or "none". */
const char *kernel_door(const struct kernel *k);

/* The selection grew: its cgroups as they are now. */
int kernel_select(struct kernel *k, const struct select *select);
/* A process and its children are selected from now on. */
int kernel_select_pid(struct kernel *k, uint32_t pid);
/* Is it selected by its number, or by that of its parent? */
bool kernel_targets(struct kernel *k, uint32_t pid);

/* Empties the ring into fn, waiting at most timeout_ms for a first record; what comes while it does
 * so for long is left for the next time. */
int kernel_drain(struct kernel *k, int timeout_ms, kernel_record_fn fn, void *context);
int kernel_ring_fd(const struct kernel *k);

/* The selected processes that were made, replaced or ended since the last time, from a ring of
 * their own that one thread reads, whichever.  0 or -errno. */
int kernel_drain_tasks(struct kernel *k, kernel_task_fn fn, void *context);
int kernel_tasks_fd(const struct kernel *k);

/* One pass of an iterator.  SCAN_*: over all files of all processes. */
int kernel_scan(struct kernel *k, uint32_t mode, kernel_record_fn fn, void *context);
/* All connections and the statements that grew old. */
int kernel_sweep(struct kernel *k, kernel_record_fn fn, void *context);

/* A port of this database was learned. */
int kernel_learn_port(struct kernel *k, uint16_t port, uint8_t database);
/* A server of that database is proven to listen there.  known_only: only if the port is known for
 * it anyway. */
int kernel_serve_port(struct kernel *k, uint16_t port, uint8_t database, bool known_only);
/* The same of a Unix socket's path.  named: the path says so, too. */
int kernel_serve_path(struct kernel *k, uint64_t hash, uint8_t database, bool named);
/* enum ev_database that a program of this name serves. */
uint8_t kernel_server_named(const char *name);

/* Calls fn for each process in the ledger; removes those that are gone. */
int kernel_processes(struct kernel *k, void (*fn)(void *, uint32_t, const struct process *),
		     void *context);
/* Whether a process holds server ends. */
bool kernel_is_server(struct kernel *k, uint32_t pid);

/* Forgets, before the next sweep, what a connection had prepared before that time. */
int kernel_statements_forget(struct kernel *k, uint64_t connection, uint64_t before_ns);

/* Sums of the per-CPU counters, COUNTERS of them. */
int kernel_counters(struct kernel *k, uint64_t *counters);

/* Run time of all our programs so far, in ns, as the kernel's statistics have it, and how often
 * they ran while statistics were on.  kernel_stats(true) turns them on until the matching false. */
int kernel_stats(struct kernel *k, bool on);
/* /proc/PID/pagemap, with the numbers of page frames where we had the right to see them at the
 * start.  -errno.  Accepts NULL. */
int kernel_pagemap(struct kernel *k, uint32_t pid);
int kernel_run_time(struct kernel *k, uint64_t *ns, uint64_t *runs);
/* How often the kernel ran past our message programs, one being under way on the same CPU. */
uint64_t kernel_missed(struct kernel *k);
/* Bytes of maps, socket storage and programs the kernel holds for us. */
uint64_t kernel_bytes(struct kernel *k);

#endif
