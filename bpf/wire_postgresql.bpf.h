/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * wire_postgresql.bpf.h - the PostgreSQL protocol 3, as far as it changes state.
 *
 * Source: PostgreSQL documentation, chapter "Frontend/Backend Protocol", message formats.
 * Requests are walked message by message.  Replies are only looked at from their end, where
 * ReadyForQuery stands, whatever their size; they are walked only while several are outstanding,
 * to count them.  Message 'p' (password) is never read beyond its length.
 */
#include "wire.bpf.h"

#define PG_SSL_REQUEST 80877103
#define PG_GSS_REQUEST 80877104
#define PG_CANCEL_REQUEST 80877102
#define PG_PROTOCOL_MAJOR 3
#define PG_HEADER 5
#define PG_LONGEST_STARTUP 10000 /* MAX_STARTUP_PACKET_LENGTH */

/* Is this the first message of a session?  n: bytes sent; head: the first 8 of them. */
static __always_inline int pg_is_startup(const __u8 *head, __u32 n)
{
	__u32 length = be32(head), code = be32(head + 4);

	if (length != n || length < 8 || length > PG_LONGEST_STARTUP)
		return 0;
	return code >> 16 == PG_PROTOCOL_MAJOR || code == PG_SSL_REQUEST ||
	       code == PG_GSS_REQUEST || code == PG_CANCEL_REQUEST;
}

static __always_inline int pg_is_tag(__u8 tag)
{
	switch (tag) {
	case 'Q': case 'P': case 'B': case 'D': case 'E': case 'S': case 'C': case 'H': case 'F':
	case 'X': case 'd': case 'c': case 'f':
		return 1;
	default:
		return 0;
	}
}

/* Mid-stream: does a send of n bytes look like requests?  One whole message, or one followed by
 * another that starts with a tag. */
static __always_inline int pg_is_request(const __u8 *head, __u32 n, __u64 chunk)
{
	__u32 length = be32(head + 1);
	__u8 tag = 0;

	if (n < PG_HEADER || !pg_is_tag(head[0]) || length < 4 || length > n - 1)
		return 0;
	if (length == n - 1)
		return 1;
	return !wire_read(&tag, 1, chunk + 1 + length) && pg_is_tag(tag);
}

static __always_inline int pg_is_ready(const __u8 *end) /* the last 6 bytes */
{
	return end[0] == 'Z' && be32(end + 1) == 5 &&
	       (end[5] == 'I' || end[5] == 'T' || end[5] == 'E');
}

static __always_inline void pg_startup(struct connection *c, __u64 chunk, __u32 n)
{
	__u8 head[8];
	__u32 take = n;

	c->phase = PHASE_STARTUP;
	if (n < 8 || wire_read(head, 8, chunk))
		return;
	c->ev.request_ns = c->now;
	switch (be32(head + 4)) {
	case PG_SSL_REQUEST:
	case PG_GSS_REQUEST:
		c->phase = PHASE_SSL_ASKED;
		return;
	case PG_CANCEL_REQUEST:
		c->ev.flags |= EV_CONN_CANCEL;
		return;
	}
	take -= 8;
	if (take > STARTUP_LEN)
		take = STARTUP_LEN;
	OPAQUE(take);
	if (take > STARTUP_LEN)
		return;
	if (!wire_read(c->identity.startup, take, chunk + 8))
		c->identity.startup_length = take;
	c->identity_version++;
	c->phase = PHASE_AUTH;
	c->pending = 1;
}

/* Reads the name of a statement at from; there: bytes of the chunk from there on.  Its hash goes
 * to c->named.  Returns its length without the NUL, or -1 when it is not all there. */
__noinline int pg_name(struct connection *c, __u64 from, __u32 there)
{
	__u8 name[EV_NAME_LEN] = {};
	__u32 i, take = there < EV_NAME_LEN ? there : EV_NAME_LEN;
	__u64 hash = HASH_START;

	if (!c || !take)
		return -1;
	OPAQUE(take);
	if (take > EV_NAME_LEN || wire_read(name, take, from))
		return -1;
	for (i = 0; i < EV_NAME_LEN; i++) {
		if (!name[i])
			break;
		hash = wire_hash_step(hash, name[i]);
	}
	c->named = hash;
	/* Longer than NAMEDATALEN: the server cuts it there, and so do we. */
	return i < take || take == EV_NAME_LEN ? (int)i : -1;
}

static __always_inline void pg_parse(struct connection *c, __u64 body, __u32 length, __u32 there)
{
	int name = pg_name(c, body, there);

	if (name < 0 || (__u32)name + 1 > length) {
		wire_count(COUNTER_LOSS + EV_LOSS_TRUNCATED);
		c->ev.flags |= EV_CONN_TRUNCATED;
		return;
	}
	wire_sql(c, body + name + 1, length - name - 1, there > (__u32)name ? there - name - 1 : 0);
	if (name && !ledger_statement_open(c, c->named)) {
		c->parsing = c->named;
		c->parsing_count++;
	}
	wire_sql_effects(c);
}

static __always_inline void pg_close(struct connection *c, __u64 body, __u32 there)
{
	__u8 what = 0;

	if (!there || wire_read(&what, 1, body) || what != 'S')
		return;
	if (pg_name(c, body + 1, there - 1) > 0)
		ledger_statement_close(c, c->named);
}

static __always_inline void pg_query(struct connection *c, __u64 body, __u32 length, __u32 there)
{
	wire_request(c);
	/* the text ends with a NUL of its own */
	wire_sql(c, body, length ? length - 1 : 0, there);
	wire_sql_effects(c);
}

/* One message of the client. */
__noinline int pg_request_step(struct connection *c, __u64 chunk, __u32 n)
{
	struct frame *f;
	__u32 remain, have, length, body, there;
	__u64 from;

	if (!c)
		return STEP_DONE;
	f = &c->sent;
	remain = frame_skip(f, n);
	if (!remain)
		return STEP_DONE;
	have = frame_fill(f, chunk, remain);
	if (!have) {
		wire_unaligned(c);
		return STEP_DONE;
	}
	if (have < PG_HEADER)
		return frame_wait(f, have, n);
	length = be32(f->head + 1);
	if (length < 4 || length > (1U << 30) || (!pg_is_tag(f->head[0]) && f->head[0] != 'p')) {
		wire_unaligned(c);
		return STEP_DONE;
	}
	body = PG_HEADER > f->head_len ? PG_HEADER - f->head_len : 0;
	from = chunk + f->offset + body;
	there = remain > body ? remain - body : 0;
	if (there > length - 4)
		there = length - 4;
	switch (f->head[0]) {
	case 'Q':
		pg_query(c, from, length - 4, there);
		break;
	case 'P':
		pg_parse(c, from, length - 4, there);
		break;
	case 'C':
		pg_close(c, from, there);
		break;
	case 'S':
	case 'F':
		wire_request(c);
		break;
	case 'X':
		c->ev.flags |= EV_CONN_TERMINATED;
		break;
	case 'd':
		c->copying = 1; /* rows: their end shows in the reply */
		return STEP_DONE;
	default:
		break;
	}
	return frame_pass(f, length + 1, n);
}

static __always_inline void pg_sent(struct connection *c, __u64 chunk, __u32 n)
{
	int i;

	if (c->phase == PHASE_STARTUP) {
		pg_startup(c, chunk, n);
		return;
	}
	if (c->phase == PHASE_SSL_ASKED || c->copying || (c->ev.flags & EV_CONN_UNALIGNED))
		return;
	c->sent.offset = 0;
	for (i = 0; i < WALK_STEPS; i++)
		if (pg_request_step(c, chunk, n) == STEP_DONE)
			break;
	if (i == WALK_STEPS)
		wire_unaligned(c);
	if (c->copying)
		frame_reset(&c->sent);
	/* More than one reply is due and none has begun: count them one by one. */
	if (c->pending > 1 && !c->replying && !c->walking) {
		c->walking = 1;
		frame_reset(&c->received);
	}
}

/* The number at the end of a CommandComplete tag: "SELECT 50000", "INSERT 0 5", "COPY 7". */
static __always_inline __u64 pg_rows(const __u8 *tail)
{
	/* tail ends: tag, NUL, 6 bytes of ReadyForQuery */
	__u64 rows = 0, scale = 1;
	__u32 at = TAIL_LEN - 8, digits;

	for (digits = 0; digits < 12; digits++, at--) {
		__u8 digit = tail[at & (TAIL_LEN - 1)];

		if (digit < '0' || digit > '9')
			break;
		rows += scale * (digit - '0');
		scale *= 10;
	}
	if (!digits || tail[at & (TAIL_LEN - 1)] != ' ' || tail[TAIL_LEN - 7])
		return UNKNOWN64;
	return rows;
}

static __always_inline int pg_said_rollback(const __u8 *tail)
{
	return tail[TAIL_LEN - 7] == 0 && tail[TAIL_LEN - 8] == 'K' && tail[TAIL_LEN - 9] == 'C' &&
	       tail[TAIL_LEN - 10] == 'A' && tail[TAIL_LEN - 11] == 'B';
}

static __always_inline void pg_settle_parse(struct connection *c)
{
	if (c->first == 'E' && c->parsing_count == 1) {
		ledger_statement_close(c, c->parsing);
		if (c->ev.prepared) {
			c->ev.prepared--;
			c->ev.unprepared--;
		}
	}
	c->parsing_count = 0;
}

static __always_inline void pg_ready(struct connection *c)
{
	__u8 status = c->tail[TAIL_LEN - 1];

	if (c->phase == PHASE_AUTH) {
		c->phase = PHASE_READY;
		c->ev.flags |= EV_CONN_AUTHENTICATED;
		c->identity_version++;
	}
	c->reply_rows = 0;
	if (c->reply_bytes >= RESULT_MARK)
		c->reply_rows = pg_rows(c->tail);
	wire_status(c,
		    status == 'T'   ? EV_STATUS_TRANSACTION
		    : status == 'E' ? EV_STATUS_FAILED
				    : EV_STATUS_IDLE,
		    pg_said_rollback(c->tail));
	pg_settle_parse(c);
	wire_reply_ends(c);
	if (c->pending > 1 && !c->walking)
		c->ev.flags |= EV_CONN_PIPELINED;
	if (!c->walking || c->pending <= 1)
		wire_quiet(c);
	else
		c->pending--;
}

/* One message of the server, walked only to count ReadyForQuery among several replies. */
__noinline int pg_reply_step(struct connection *c, __u64 chunk, __u32 n)
{
	struct frame *f;
	__u32 remain, have, length;

	if (!c)
		return STEP_DONE;
	f = &c->received;
	remain = frame_skip(f, n);
	if (!remain)
		return STEP_DONE;
	have = frame_fill(f, chunk, remain);
	if (!have) {
		wire_unaligned(c);
		return STEP_DONE;
	}
	if (have < PG_HEADER)
		return frame_wait(f, have, n);
	length = be32(f->head + 1);
	if (length < 4 || length > (1U << 30)) {
		wire_unaligned(c);
		return STEP_DONE;
	}
	/* The last one of the chunk is left to pg_ready, which sees the tail. */
	if (f->head[0] == 'Z' && f->offset + 6 - f->head_len < n && c->pending > 1) {
		c->pending--;
		pg_settle_parse(c);
	}
	return frame_pass(f, length + 1, n);
}

static __always_inline void pg_tail(struct connection *c, __u64 chunk, __u32 n)
{
	if (n >= TAIL_LEN) {
		wire_read(c->tail, TAIL_LEN, chunk + n - TAIL_LEN);
		c->tail_fresh = TAIL_LEN;
		return;
	}
	if (!n)
		return;
	OPAQUE(n);
	if (n >= TAIL_LEN || wire_read(c->tail + TAIL_LEN, n, chunk))
		return;
	wire_shift(c->tail, TAIL_LEN, c->tail + n);
	c->tail_fresh = c->tail_fresh + n < TAIL_LEN ? c->tail_fresh + n : TAIL_LEN;
}

static __always_inline void pg_ssl_answer(struct connection *c, __u64 chunk, __u32 n)
{
	__u8 answer = 0;

	if (n != 1 || wire_read(&answer, 1, chunk))
		return;
	if (answer == 'S' || answer == 'G')
		c->ev.flags |= EV_CONN_TLS;
	c->phase = answer == 'N' ? PHASE_STARTUP : PHASE_READY;
	c->ev.request_ns = 0;
}

static __always_inline void pg_received(struct connection *c, __u64 chunk, __u32 n)
{
	int i;

	if (c->phase == PHASE_SSL_ASKED) {
		pg_ssl_answer(c, chunk, n);
		return;
	}
	if (!c->replying)
		wire_reply_begins(c);
	if (!c->reply_bytes && !wire_read(&c->first, 1, chunk) && c->first == 'E' &&
	    c->phase == PHASE_AUTH)
		c->ev.flags |= EV_CONN_REFUSED;
	wire_reply_grows(c, n);
	if (c->walking && !(c->ev.flags & EV_CONN_UNALIGNED)) {
		c->received.offset = 0;
		for (i = 0; i < WALK_STEPS; i++)
			if (pg_reply_step(c, chunk, n) == STEP_DONE)
				break;
		if (i == WALK_STEPS) {
			c->walking = 0;
			c->ev.flags |= EV_CONN_PIPELINED;
		}
	}
	pg_tail(c, chunk, n);
	if (c->tail_fresh >= 6 && pg_is_ready(c->tail + TAIL_LEN - 6))
		pg_ready(c);
	else if (!c->pending && c->phase == PHASE_READY)
		c->replying = 0; /* a notice or notification between replies */
}
