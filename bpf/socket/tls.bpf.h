/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * tls.bpf.h - connections whose bytes are encrypted on the wire but readable at the TLS library.
 */
#ifndef DBLEAK_TLS_BPF_H
#define DBLEAK_TLS_BPF_H

#include "bpf/ledger/plaintext.bpf.h"

#define TLS_SCRATCH_SLOT 2 /* scratch slot of wire_window.bpf.h */

/* Handle a message of an encrypted connection.  Two functions, because only the first has the wire
 * code in it, which takes the verifier long. */
int tls_message_sent(struct tracked_connection *c, __u32 bytes);
int tls_message_received(struct tracked_connection *c, __u32 bytes);

#endif
