/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * wire_feed.bpf.h - the one door into the wire parsers.
 */
#include "bpf/wire/wire.bpf.h"
#include "bpf/wire/wire_cursor.bpf.h"
#include "bpf/wire/wire_sql.bpf.h"
#include "bpf/wire/wire_postgresql.bpf.h"
#include "bpf/wire/wire_mysql.bpf.h"

/* Encrypted or compressed: the direction of the last bytes is all there is to know. */
static __always_inline void wire_opaque(struct connection *c, __u32 sending)
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

/* A socket's own entry; the veil's has no TLS */
#define WIRE_READ      (EV_CONN_TLS | EV_CONN_DECRYPTED)
#define BEGUN_EVERY_NS 10000000ULL

static __always_inline int wire_is_readable(const struct connection *c)
{
	return (c->phase == PHASE_READY || c->ev.flags & WIRE_OPAQUE) &&
	       (c->ev.flags & WIRE_READ) != WIRE_READ;
}

/* A request was sent; resting: with no other outstanding, and outside a transaction, so that it may
 * begin one.  Of a program whose stack must be copied only some are looked at. */
static __always_inline void wire_requested(struct connection *c, int resting)
{
	if (resting)
		c->begun_at = 0;
	else if (c->begun_at)
		return;
	if (c->interpreted || c->now - c->begun_at_ns > BEGUN_EVERY_NS)
		c->asks |= ASK_BEGUN;
}

__noinline int wire_sent(struct connection *c, __u64 chunk, __u32 n)
{
	int resting, readable;

	if (!c || !n)
		return 0;
	readable = wire_is_readable(c); /* a login begins nothing */
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

__noinline int wire_received(struct connection *c, __u64 chunk, __u32 n)
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

/* The server's first packet; body: its bytes after the header, n of them at hand. */
__noinline int wire_greeting(struct connection *c, __u64 body, __u32 n)
{
	if (c)
		my_greeting(c, body, n);
	return 0;
}
