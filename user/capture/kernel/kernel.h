/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel.h - the loaded kernel half: attach, sweep, scan, drain, detach.
 *
 * Only this room uses the skeleton.  This file gives raw records to its caller and keeps none.  All
 * functions return 0 or -errno unless their comment says otherwise.  They print nothing; libbpf
 * prints to standard error if DBLEAK_DEBUG names that topic.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_H
#define DBLEAK_CAPTURE_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/settings.h"
#include "user/capture/host/select.h"

struct kernel;

/* The record is valid during the call. */
typedef void (*kernel_record_fn)(void *context, const struct ev_head *record);
typedef void (*kernel_task_fn)(void *context, const struct raw_task *task);

struct kernel_options {
	bool look_only;	   /* iterators alone, nothing attached */
	bool tell_all;	   /* send every birth through the ring: short programs, test suites */
	uint64_t grace_ns; /* objects that live shorter are only counted */
	bool take_stacks;  /* where a connection is opened, or a transaction or statement begun */
	uint64_t heap_interval; /* bytes between sampled blocks; 1: sample every one; 0: none */
	const struct select *select; /* borrowed; empty: the whole host */
	uint32_t asker;		     /* a process of ours that is not watched; 0: none */
};

/* Loads the programs and tries each door to the sockets.  -EPERM: not allowed; -ENOTSUP: no door.
 */
int kernel_open(struct kernel **out, const struct kernel_options *options);
/* Attaches the programs.  From here on the ring fills. */
int kernel_attach(struct kernel *k);
/* Detaches and unloads all.  Accepts NULL. */
void kernel_close(struct kernel *k);

/* The door in use: "tracepoints", "fexit" or "none". */
const char *kernel_door(const struct kernel *k);

/* Writes the cgroups of a changed selection into the kernel. */
int kernel_select(struct kernel *k, const struct select *select);
/* Selects a process and its children from now on. */
int kernel_select_pid(struct kernel *k, uint32_t pid);
/* Is the process selected by its own pid, or as a child of such a process? */
bool kernel_targets(struct kernel *k, uint32_t pid);

/* Hands the records of the ring to fn and waits at most timeout_ms for the first one.  Stops after
 * DRAIN_NS even if more come; the next call takes the rest. */
int kernel_drain(struct kernel *k, int timeout_ms, kernel_record_fn fn, void *context);
/* Did the last call leave records in the ring? */
bool kernel_is_behind(const struct kernel *k);
int kernel_ring_fd(const struct kernel *k);

/* Hands over the selected processes that were forked, replaced or ended since the last call.  They
 * have a ring of their own, so another thread than that of kernel_drain may read it, but only one
 * at a time.  0 or -errno. */
int kernel_drain_tasks(struct kernel *k, kernel_task_fn fn, void *context);
int kernel_tasks_fd(const struct kernel *k);

/* Runs the iterator over all files of all processes once.  mode: SCAN_*. */
int kernel_scan(struct kernel *k, uint32_t mode, kernel_record_fn fn, void *context);
/* Hands over all connections, and the statements that have grown old. */
int kernel_sweep(struct kernel *k, kernel_record_fn fn, void *context);

/* Adds a port of this database, unless the port is known already. */
int kernel_learn_port(struct kernel *k, uint16_t port, uint8_t database);
/* Marks a port as proven: a server of this database listens there.  known_only: only if the port is
 * known for that database already. */
int kernel_serve_port(struct kernel *k, uint16_t port, uint8_t database, bool known_only);
/* The same for the path of a Unix socket.  named: the path itself names the database too. */
int kernel_serve_path(struct kernel *k, uint64_t hash, uint8_t database, bool named);
/* The enum ev_database that a program of this name serves; EV_DB_UNKNOWN: none. */
uint8_t kernel_server_named(const char *name);

/* Calls fn for each process in the ledger, then removes those that are gone. */
int kernel_processes(struct kernel *k, void (*fn)(void *, uint32_t, const struct process *),
		     void *context);
/* Does the process hold server ends of connections? */
bool kernel_is_server(struct kernel *k, uint32_t pid);

/* The next sweep forgets the statements that this connection prepared before before_ns. */
int kernel_statements_forget(struct kernel *k, uint64_t connection, uint64_t before_ns);

/* Sums of the per-CPU counters, COUNTERS of them. */
int kernel_counters(struct kernel *k, uint64_t *counters);

/* Turns the kernel's statistics of run time on (true) or off (false).  See kernel_run_time. */
int kernel_stats(struct kernel *k, bool on);
/* Opens /proc/PID/pagemap.  Page frame numbers show if dbleak had the right to see them at its
 * start.  A descriptor or -errno.  k may be NULL. */
int kernel_pagemap(struct kernel *k, uint32_t pid);
/* Total run time of our programs, in ns, and how often they ran, both while statistics were on.
 * Sweeps and client programs do not count. */
int kernel_run_time(struct kernel *k, uint64_t *ns, uint64_t *runs);
/* Number of times that the kernel skipped our message programs, because one was running on the same
 * CPU. */
uint64_t kernel_missed(struct kernel *k);
/* Bytes of maps, socket storage and programs that the kernel holds for us. */
uint64_t kernel_bytes(struct kernel *k);

#endif
