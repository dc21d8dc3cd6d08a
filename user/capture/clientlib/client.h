/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * client.h - client libraries: found, probed, watched within the budget, and told of.
 *
 * Puts the probe table into every file that holds one of its libraries and turns the kernel half's
 * ledger of handles into records.
 */
#ifndef DBLEAK_CAPTURE_CLIENT_H
#define DBLEAK_CAPTURE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/kernel/kernel.h"
#include "user/capture/host/procfs.h"

struct client_host;
struct clients;
struct reach;
struct runtimes;

/* kernel and procfs are borrowed, host is copied.  Calibrates, finds what is mapped, attaches.
 * 0 or -errno; where libraries cannot be probed at all, 0 and a gap is told. */
int clients_open(struct clients **out, struct kernel *kernel, const struct procfs *procfs,
		 const struct client_host *host);
/* Detaches.  Accepts NULL. */
void clients_close(struct clients *c);

/* What the kernel takes for a hit at an instruction that it emulates; 0 not known. */
uint64_t clients_hit_ns(const struct clients *c);
/* Who runs interpreted code; NULL: nobody looks. */
struct runtimes *clients_runtimes(const struct clients *c);
/* Who carries probes; NULL: nobody. */
struct reach *clients_reach(const struct clients *c);

/* Readable when something was mapped; -1 none. */
int clients_fd(const struct clients *c);
/* Probes what was mapped since, and looks after the budget.  0 or -errno. */
int clients_step(struct clients *c, uint64_t now_ns);
/* A database connection of this process is encrypted: its TLS library is probed. */
void clients_want_tls(struct clients *c, uint32_t pid, uint64_t start_ns);
/* A connection was encrypted before the programs for it were loaded: step again soon. */
bool clients_wait(const struct clients *c);
/* Since when TLS libraries can be read; 0: they cannot. */
uint64_t clients_tls_since(const struct clients *c);
/* Is one of our probes there, in a file of that number? */
bool clients_is_at(const struct clients *c, uint64_t inode, uint64_t offset);
/* A process that has handles is gone: the last of them is told, unless that was done just now. */
void clients_exit(struct clients *c, uint64_t now_ns);
/* Tells of sites and handles that changed.  0 or -errno. */
int clients_sweep(struct clients *c, uint64_t now_ns);
/* A record from the ring that is ours: EV_HANDLE_CLOSED, RAW_HANDLE, RAW_RUN. */
void clients_record(struct clients *c, const struct ev_head *record);
/* Tells what each library has cost and seen so far. */
void clients_tell_libraries(struct clients *c);

/* Processor time that the probes have taken so far, estimated from their hits. */
uint64_t clients_cost_ns(struct clients *c);
bool clients_stepped_down(const struct clients *c);

#endif
