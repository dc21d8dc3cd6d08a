/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * tls.bpf.h - connections whose bytes are encrypted on the wire but readable at the TLS library.
 */
#ifndef DBLEAK_TLS_BPF_H
#define DBLEAK_TLS_BPF_H

#include "bpf/ledger/plaintext.bpf.h"

#define VEIL_LANE 2 /* of the windows to read ahead into */

/* A message of an encrypted connection.  Two, as only one of them has the wire code in it. */
int tls_message_sent(struct connection *c, __u32 bytes);
int tls_message_received(struct connection *c, __u32 bytes);

#endif
