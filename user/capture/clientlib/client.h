/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * client.h - finds client libraries, probes them within the budget, and reports what they hand out.
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
struct nursery;
struct reach;
struct runtimes;

/* All but host are borrowed, host is copied.  Calibrates, finds what is mapped, attaches.  0 or
 * -errno.  Where libraries cannot be probed at all: 0, and a gap is reported. */
int clients_open(struct clients **out, struct kernel *kernel, struct nursery *nursery,
		 const struct procfs *procfs, const struct client_host *host);
/* Detaches.  Accepts NULL. */
void clients_close(struct clients *c);

/* Cost in ns of a hit at an instruction that the kernel emulates; 0: not known. */
uint64_t clients_hit_ns(const struct clients *c);
/* Can probes be limited to one process here? */
bool clients_keep_to_pid(const struct clients *c);
/* The processes that run interpreted code; NULL: nobody looks for them. */
struct runtimes *clients_runtimes(const struct clients *c);
/* The processes that carry probes; NULL: none do. */
struct reach *clients_reach(const struct clients *c);

/* Readable when something was mapped; -1: none. */
int clients_fd(const struct clients *c);
/* Probes what was mapped since, and looks after the budget.  0 or -errno. */
int clients_step(struct clients *c, uint64_t now_ns);
/* A database connection of this process is encrypted: its TLS library is probed. */
void clients_want_tls(struct clients *c, uint32_t pid, uint64_t start_ns);
/* A connection was encrypted before the programs for it were loaded: step again soon. */
bool clients_wait(const struct clients *c);
/* Since when TLS libraries can be read; now while their programs are being loaded; 0: never. */
uint64_t clients_tls_since(const struct clients *c);
/* Whether one of our probes is at this offset of the file with this inode. */
bool clients_is_at(const struct clients *c, uint64_t inode, uint64_t offset);
/* A process that has handles ended: sweeps its last handles, unless a sweep was done just now. */
void clients_exit(struct clients *c, uint64_t now_ns);
/* Reports sites and handles that changed.  0 or -errno. */
int clients_sweep(struct clients *c, uint64_t now_ns);
/* No sweep comes any more: reports what could not be read. */
void clients_end(struct clients *c);
/* Takes a record of the ring: EV_HANDLE_CLOSED, RAW_HANDLE, RAW_RUN. */
void clients_record(struct clients *c, const struct ev_head *record);
/* Reports what each library has cost and seen so far. */
void clients_tell_libraries(struct clients *c);

/* Processor time that the probes have taken so far, estimated from their hits. */
uint64_t clients_cost_ns(struct clients *c);
bool clients_stepped_down(const struct clients *c);

#endif
