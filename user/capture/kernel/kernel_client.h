/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_client.h - the client-library half of the loaded kernel half: its probes, its ledger.
 *
 * 0 or -errno each.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_CLIENT_H
#define DBLEAK_CAPTURE_KERNEL_CLIENT_H

#include "bpf/clientlib/client.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/probe/probe.h"

enum kernel_probes { KERNEL_PROBES_CLIENT, KERNEL_PROBES_TLS_WRITE, KERNEL_PROBES_TLS_READ };

/* The programs for handles, or those for TLS libraries.  Descriptors stay the kernel's.  -ENOTSUP
 * where only looking is done. */
int kernel_client_programs(struct kernel *k, enum kernel_probes which,
			   struct probe_programs *programs);
/* The programs for TLS libraries may be needed: loads them in the background. */
void kernel_client_tls_begin(struct kernel *k);
/* TLS libraries are probed from now on.  -EAGAIN: their programs are being loaded, unless it waits.
 */
int kernel_client_tls(struct kernel *k, bool wait);
/* A TLS connection is gone. */
void kernel_client_forget_veil(struct kernel *k, uint64_t id);
/* What the probe with this cookie means; before it is attached. */
int kernel_client_probe(struct kernel *k, uint32_t cookie, const struct probe *probe);
/* How often the probes with cookies first to first + n - 1 were hit; those at ends are
 * HITS_OF_EXITS of them. */
int kernel_client_hits(struct kernel *k, uint32_t first, uint32_t n, uint64_t *hits);
/* From now on they count from zero. */
int kernel_client_clear_hits(struct kernel *k, uint32_t cookie);

/* How long the client programs, at the entry and at the end, ran so far, and how often, while
 * statistics were on (kernel_stats). */
struct kernel_client_runs {
	uint64_t ns[2], runs[2];
};
int kernel_client_run_time(struct kernel *k, struct kernel_client_runs *out);

/* RAW_SITE and RAW_HANDLE of what changed, RAW_DEAD of connections. */
int kernel_client_sweep(struct kernel *k, kernel_record_fn fn, void *context);
/* RAW_DEAD of other objects whose process is gone.  Walks the whole ledger. */
int kernel_client_bury(struct kernel *k, kernel_record_fn fn, void *context);
/* All connections in the ledger, a few hundred in each system call. */
typedef void kernel_link_fn(void *context, const struct handle_key *key, const struct handle *h);
int kernel_client_links(struct kernel *k, kernel_link_fn *fn, void *context);
/* Takes all out of the ledger that was acquired by one of these cookies, of PROBES_MOST.  None of
 * them may be attached.  fn: of each object. */
int kernel_client_drop(struct kernel *k, const bool *cookies, kernel_link_fn *fn, void *context);
int kernel_client_forget_handle(struct kernel *k, const struct handle_key *key);
int kernel_client_forget_site(struct kernel *k, const struct site_key *key);
/* When a process that is in the ledger was started, in nanoseconds; 0 it is not. */
uint64_t kernel_client_start(struct kernel *k, uint32_t pid);
int kernel_client_text(struct kernel *k, uint64_t hash, struct client_text *text);

#endif
