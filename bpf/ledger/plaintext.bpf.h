/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * plaintext.bpf.h - the second entry of an encrypted connection, for its plaintext.
 *
 * The socket's own entry keeps what sockets show: life, times, bytes.  The plaintext cannot be kept
 * there, because programs at library functions have no socket at hand.  Its state is kept in a
 * second entry, found by the socket's cookie, and copied into the first whenever the first is
 * reported.
 */
#ifndef DBLEAK_PLAINTEXT_BPF_H
#define DBLEAK_PLAINTEXT_BPF_H

#include "bpf/ledger/connection.h"
#include "bpf/ledger/share.bpf.h"

/* The second entry of a connection. */
struct tls_state {
	struct tracked_connection c;
	__u64 ssl;	/* address of the library's session; 0 not known */
	__u64 unfed_ns; /* when encrypted bytes without plaintext began */
	__u32 unfed;	/* count of those bytes */
	__u32 pid;	/* process of the session */
	__u32 matches;	/* how often order and size agreed; SURE is enough */
	__u32 reserved;
};

#define SURE 2

struct tls_states_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROOM_ENCRYPTED);
	__type(key, __u64); /* id of the connection */
	__type(value, struct tls_state);
};

extern struct tls_states_map tls_states SEC(".maps");

/* 1 while probes sit at TLS libraries; set by user space */
extern __u32 tls_read;

/* More bytes than an alert and a change of keys, fewer than any request with its reply. */
#define UNFED_LEAST 64
#define UNFED_NS    1000000000ULL

/* Did more bytes pass than the plaintext explains?  Then its state is out of date: the session is
 * lost to us, or the probes are gone. */
static __always_inline int tls_state_is_behind(const struct tls_state *v)
{
	return !tls_read ||
	       (v->unfed >= UNFED_LEAST && bpf_ktime_get_boot_ns() - v->unfed_ns > UNFED_NS);
}

static __always_inline void tls_state_forget(struct tracked_connection *c, struct tls_state *v)
{
	v->c.ev.flags &= ~EV_CONN_DECRYPTED;
	c->ev.flags = (c->ev.flags & ~(EV_CONN_DECRYPTED | EV_CONN_TENTATIVE)) | EV_CONN_UNALIGNED;
	c->ev.status = EV_STATUS_UNKNOWN;
	c->ev.transaction_ns = 0;
	c->ev.request_ns = 0;
}

/* Copies the state read from the plaintext into the socket's entry. */
static __always_inline void tls_state_merge(struct tracked_connection *c)
{
	__u64 id = c->ev.id;
	struct tls_state *tls_state = bpf_map_lookup_elem(&tls_states, &id);
	struct tracked_connection *v = &tls_state->c;

	if (!tls_state || !(v->ev.flags & EV_CONN_DECRYPTED))
		return;
	if (tls_state_is_behind(tls_state)) {
		tls_state_forget(c, tls_state);
		return;
	}
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
	c->ev.flags = (c->ev.flags &
		       ~(EV_CONN_UNALIGNED | EV_CONN_WROTE | EV_CONN_CURSOR | EV_CONN_TENTATIVE)) |
		      v->ev.flags;
	c->begun_at = v->begun_at;
	c->begun_at_ns = v->begun_at_ns;
	if (c->sql.sent_ns != v->sql.sent_ns)
		__builtin_memcpy(&c->sql, &v->sql, sizeof(c->sql));
	if (c->identity_version != v->identity_version) {
		__builtin_memcpy(c->identity.startup, v->identity.startup,
				 sizeof(c->identity.startup));
		c->identity.startup_length = v->identity.startup_length;
		c->identity_version = v->identity_version;
	}
}

static __always_inline void tls_state_end(const struct tracked_connection *c)
{
	__u64 id = c->ev.id;

	if (!bpf_map_delete_elem(&tls_states, &id))
		share_give(c->ev.pid, c->ev.start_ns, EV_TABLE_ENCRYPTED);
}

#endif
