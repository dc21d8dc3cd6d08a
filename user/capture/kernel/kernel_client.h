/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_client.h - the part of the kernel half for client libraries: its probes and its ledger.
 *
 * Each function returns 0 or -errno, unless its comment says otherwise.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_CLIENT_H
#define DBLEAK_CAPTURE_KERNEL_CLIENT_H

#include "bpf/clientlib/client.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/probe/probe.h"

enum kernel_probes { KERNEL_PROBES_CLIENT, KERNEL_PROBES_TLS_WRITE, KERNEL_PROBES_TLS_READ };

/* The programs for handles, or those for TLS libraries.  k keeps the descriptors.  -ENOTSUP with
 * look_only, or while the TLS programs are not loaded. */
int kernel_client_programs(struct kernel *k, enum kernel_probes which,
			   struct probe_programs *programs);
/* Begins to load the programs for TLS libraries in the background. */
void kernel_client_tls_begin(struct kernel *k);
/* Tells the kernel half that TLS libraries are probed from now on.  Without wait, -EAGAIN: their
 * programs are still being loaded. */
int kernel_client_tls(struct kernel *k, bool wait);
/* Forgets a TLS connection that is gone. */
void kernel_client_forget_tls_state(struct kernel *k, uint64_t id, uint32_t pid, uint64_t start_ns);
/* Sets the meaning of the probe with this cookie.  Call before attaching the probe. */
int kernel_client_probe(struct kernel *k, uint32_t cookie, const struct probe *probe);
/* Reads how often the probes with cookies first to first + n - 1 were hit.  Cookies of probes at
 * the ends of functions: HITS_OF_EXITS. */
int kernel_client_hits(struct kernel *k, uint32_t first, uint32_t n, uint64_t *hits);
/* Sets the hits of this cookie, at the entry and at the ends, to zero. */
int kernel_client_clear_hits(struct kernel *k, uint32_t cookie);

/* Total run time, and number of runs, of the client programs at the entry [0] and at the end [1],
 * while statistics were on (kernel_stats). */
struct kernel_client_runs {
	uint64_t ns[2], runs[2];
};
int kernel_client_run_time(struct kernel *k, struct kernel_client_runs *out);

/* Hands over RAW_SITE and RAW_HANDLE of changed elements, and RAW_DEAD of connections. */
int kernel_client_sweep(struct kernel *k, kernel_record_fn fn, void *context);
/* Hands over RAW_DEAD of other objects whose process is gone.  Walks the whole ledger. */
int kernel_client_bury(struct kernel *k, kernel_record_fn fn, void *context);
/* Hands over all connections in the ledger, a few hundred in each system call. */
typedef void kernel_link_fn(void *context, const struct handle_key *key,
			    const struct ledger_handle *h);
int kernel_client_links(struct kernel *k, kernel_link_fn *fn, void *context);
/* Removes from the ledger all objects that probes with these cookies acquired.  cookies:
 * PROBES_MOST elements; none of these probes may be attached.  Calls fn for each object. */
int kernel_client_drop(struct kernel *k, const bool *cookies, kernel_link_fn *fn, void *context);
/* Likewise, but of `count` cookies from `first` on, and connections alone. */
int kernel_client_drop_links(struct kernel *k, uint32_t first, uint32_t count, kernel_link_fn *fn,
			     void *context);
int kernel_client_forget_handle(struct kernel *k, const struct handle_key *key);
int kernel_client_forget_site(struct kernel *k, const struct site_key *key);
/* The start time, in nanoseconds, of a process in the ledger; 0: not in the ledger. */
uint64_t kernel_client_start(struct kernel *k, uint32_t pid);
int kernel_client_text(struct kernel *k, uint64_t hash, struct client_text *text);

#endif
