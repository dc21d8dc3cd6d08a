/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * tls.bpf.h - connections whose bytes are encrypted on the wire but readable at the TLS library.
 *
 * The socket's own entry keeps what sockets tell: life, times, bytes.  What the plaintext tells
 * cannot be kept there, because programs at library functions have no socket at hand; it is kept
 * in a second entry, found by the socket's cookie, and copied over whenever the first is told of.
 */
#ifndef DBLEAK_TLS_BPF_H
#define DBLEAK_TLS_BPF_H

#include "ledger.bpf.h"
#include "client.h"

struct veils_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 15);
	__type(key, __u64); /* of the connection */
	__type(value, struct connection);
};

extern struct veils_map veils SEC(".maps");

/* 1 while programs sit at TLS libraries; set by user space. */
extern __u32 tls_read;

#define VEIL_LANE 2 /* of the windows to read ahead into */

/* A message of an encrypted connection. */
int tls_message(struct connection *c, __u32 bytes, __u32 sending);

/* Copies what the plaintext has told. */
static __always_inline void veil_merge(struct connection *c)
{
	__u64 id = c->ev.id;
	struct connection *v = bpf_map_lookup_elem(&veils, &id);

	if (!v || !(v->ev.flags & EV_CONN_DECRYPTED))
		return;
	c->ev.request_ns = v->ev.request_ns;
	c->ev.transaction_ns = v->ev.transaction_ns;
	c->ev.longest_gap_ns = v->ev.longest_gap_ns;
	c->ev.requests = v->ev.requests;
	c->ev.rows = v->ev.rows;
	c->ev.begun = v->ev.begun;
	c->ev.committed = v->ev.committed;
	c->ev.rolled_back = v->ev.rolled_back;
	c->ev.prepared = v->ev.prepared;
	c->ev.unprepared = v->ev.unprepared;
	c->ev.status = v->ev.status;
	c->ev.cursors = v->ev.cursors;
	c->ev.flags = (c->ev.flags & ~(EV_CONN_UNALIGNED | EV_CONN_WROTE | EV_CONN_CURSOR |
				       EV_CONN_TENTATIVE)) |
		      v->ev.flags;
	if (c->sql.sent_ns != v->sql.sent_ns)
		__builtin_memcpy(&c->sql, &v->sql, sizeof(c->sql));
	if (c->identity_version != v->identity_version) {
		__builtin_memcpy(c->identity.startup, v->identity.startup,
				 sizeof(c->identity.startup));
		c->identity.startup_length = v->identity.startup_length;
		c->identity_version = v->identity_version;
	}
}

static __always_inline void veil_end(const struct connection *c)
{
	__u64 id = c->ev.id;

	bpf_map_delete_elem(&veils, &id);
}

#endif
