/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * wire_feed.bpf.h - the entry points of the wire parsers: wire_sent, wire_received, wire_greeting.
 */
#include "bpf/wire/wire.bpf.h"
#include "bpf/wire/wire_cursor.bpf.h"
#include "bpf/wire/wire_sql.bpf.h"
#include "bpf/wire/wire_postgresql.bpf.h"
#include "bpf/wire/wire_mysql.bpf.h"

/* Encrypted or compressed bytes cannot be parsed.  Only their direction is known: sent bytes are
 * taken for a request, received bytes for its reply. */
static __always_inline void wire_opaque(struct tracked_connection *c, __u32 sending)
{
	if (!sending) {
		c->ev.request_ns = 0;
		return;
	}
	c->ev.requests++;
	if (!c->ev.request_ns)
		c->ev.request_ns = c->now;
}

#define WIRE_OPAQUE (EV_CONN_TLS | EV_CONN_COMPRESSED)

/* Both flags: the socket's own entry of a connection whose plaintext is read.  The second entry has
 * no EV_CONN_TLS, see plaintext.bpf.h. */
#define WIRE_READ      (EV_CONN_TLS | EV_CONN_DECRYPTED)
#define BEGUN_EVERY_NS 10000000ULL

static __always_inline int wire_is_readable(const struct tracked_connection *c)
{
	return (c->phase == PHASE_READY || c->ev.flags & WIRE_OPAQUE) &&
	       (c->ev.flags & WIRE_READ) != WIRE_READ;
}

/* A request was sent.  resting: no other request is outstanding and no transaction is open, so this
 * one may begin a transaction.  If the program's stack must be copied, which costs more, a stack is
 * taken at most every BEGUN_EVERY_NS. */
static __always_inline void wire_requested(struct tracked_connection *c, int resting)
{
	if (resting)
		c->begun_at = 0;
	else if (c->begun_at)
		return;
	if (c->interpreted || c->now - c->begun_at_ns > BEGUN_EVERY_NS)
		c->asks |= ASK_BEGUN;
}

__noinline int wire_sent(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	int resting, readable;

	if (!c || !n)
		return 0;
	readable = wire_is_readable(c); /* a login begins no transaction */
	resting = !c->ev.request_ns && c->ev.status < EV_STATUS_TRANSACTION;
	if (UNLIKELY(c->ev.flags & WIRE_OPAQUE))
		wire_opaque(c, 1);
	else if (c->ev.database == EV_DB_POSTGRESQL)
		pg_sent(c, chunk, n);
	else if (c->ev.database == EV_DB_MYSQL)
		my_sent(c, chunk, n);
	if (readable && c->ev.request_ns)
		wire_requested(c, resting);
	return 0;
}

__noinline int wire_received(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	if (!c || !n)
		return 0;
	if (UNLIKELY(c->ev.flags & WIRE_OPAQUE))
		wire_opaque(c, 0);
	else if (c->ev.database == EV_DB_POSTGRESQL)
		pg_received(c, chunk, n);
	else if (c->ev.database == EV_DB_MYSQL)
		my_received(c, chunk, n);
	return 0;
}

/* Reads the server's first packet.  body: its bytes after the header; n: how many are at hand. */
__noinline int wire_greeting(struct tracked_connection *c, __u64 body, __u32 n)
{
	if (c)
		my_greeting(c, body, n);
	return 0;
}
