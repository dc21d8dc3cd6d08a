/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * wire_postgresql.bpf.h - the PostgreSQL protocol 3, as far as it changes state.
 *
 * Source: PostgreSQL documentation, chapter "Frontend/Backend Protocol", message formats.
 *
 * The parser walks requests message by message.  It normally reads only the end of a reply:
 * ReadyForQuery is always the last message, whatever the size of the reply.  Replies are walked
 * message by message only where they must be counted: while the client logs in, while a named
 * statement may have failed to parse, and on a connection whose client pipelines (sends the next
 * request before the reply to the last one).  Message 'p' (password) is never read beyond its
 * length.
 *
 * The phases of a connection.  A connection found in mid-stream begins in READY.
 *
 *       +--------- 'N' --------+
 *       v                      |
 *    STARTUP -- SSLRequest --> SSL_ASKED -- 'S', 'G': encrypted; 'E': refused --> READY
 *       |       GSSENCRequest
 *       |
 *       +-- CancelRequest, TLS ClientHello -------------------------------------> READY
 *       |
 *       +-- StartupMessage --> AUTH -- ReadyForQuery ---------------------------> READY
 *                              ErrorResponse: EV_CONN_REFUSED, the phase stays AUTH
 *
 * Requests are counted in groups.  A group is all messages that one ReadyForQuery answers.
 *
 *    Query, Sync, FunctionCall:  pending + 1, group_sent + 1
 *    ReadyForQuery:              pending - 1 or 0, group_received + 1
 *
 * The walk over replies (connection.walking) begins between two replies, for one of the reasons
 * above.  It ends when no reply is outstanding (unless the client pipelines), or when a length
 * makes no sense.
 */
#include <stddef.h>

#include "bpf/wire/wire_cursor.bpf.h"
#include "bpf/wire/wire_window.bpf.h"

#define PG_SSL_REQUEST	   80877103
#define PG_GSS_REQUEST	   80877104
#define PG_CANCEL_REQUEST  80877102
#define PG_PROTOCOL_MAJOR  3
#define PG_HEADER	   5
#define PG_READY	   6 /* length of ReadyForQuery */
#define PG_STARTUP_HEAD	   8
#define REPLY_STEPS	   128	 /* server messages walked in one chunk */
#define PG_COLLECT_STARTUP 1	 /* other values of connection.collecting are message tags */
#define PG_LONGEST_STARTUP 10000 /* MAX_STARTUP_PACKET_LENGTH */
#define HELLO_EXTENSIONS   40	 /* extensions of a TLS ClientHello that are read */
#define HELLO_ALPN	   16

/* Is this the first message of a session?  n: bytes sent; head: the first 8 of them. */
static __always_inline int pg_is_startup(const __u8 *head, __u32 n)
{
	__u32 length = be32(head), code = be32(head + 4);

	if (length != n || length < 8 || length > PG_LONGEST_STARTUP)
		return 0;
	return code >> 16 == PG_PROTOCOL_MAJOR || code == PG_SSL_REQUEST ||
	       code == PG_GSS_REQUEST || code == PG_CANCEL_REQUEST;
}

/* Reads a number of one or two bytes.  A number behind the end of the chunk reads as 0. */
static __always_inline __u32 hello_number(__u64 from, __u32 bytes, __u64 end)
{
	__u8 raw[2] = {};

	if (from + bytes > end || wire_read(raw, bytes, from))
		return 0;
	return bytes == 1 ? raw[0] : (__u32)raw[0] << 8 | raw[1];
}

static __always_inline int hello_names_us(__u64 from, __u32 length, __u64 end)
{
	__u64 name = 0;

	return length == 13 && from + length <= end && hello_number(from + 2, 1, end) == 10 &&
	       !wire_read(&name, sizeof(name), from + 3) &&
	       name == W8('p', 'o', 's', 't', 'g', 'r', 'e', 's') &&
	       hello_number(from + 11, 2, end) == ('q' << 8 | 'l');
}

/* Is this a ClientHello (RFC 8446, 4.1.2) that offers only PostgreSQL's protocol (ALPN, RFC 7301)?
 * A client of PostgreSQL 17 may begin a session so, without an SSLRequest.  Not static: the
 * verifier then checks the function once, by itself. */
__noinline int pg_is_hello(__u64 chunk, __u32 n)
{
	__u64 at = chunk + 5 + 4 + 2 + 32, end = chunk + n; /* record, message, version, random */
	__u8 head[4];
	__u32 i;

	at += 1 + hello_number(at, 1, end); /* session */
	at += 2 + hello_number(at, 2, end); /* ciphers */
	at += 1 + hello_number(at, 1, end); /* compressions */
	at += 2;
	/* The decision is taken behind the loop, because the verifier walks every round of it. */
	for (i = 0; i < HELLO_EXTENSIONS; i++) {
		if (at + 4 > end || wire_read(head, sizeof(head), at))
			return 0;
		if ((head[0] << 8 | head[1]) == HELLO_ALPN)
			break;
		at += 4 + (head[2] << 8 | head[3]);
	}
	return i < HELLO_EXTENSIONS && hello_names_us(at + 4, head[2] << 8 | head[3], end);
}

static __always_inline int pg_is_tag(__u8 tag)
{
	switch (tag) {
	case 'Q':
	case 'P':
	case 'B':
	case 'D':
	case 'E':
	case 'S':
	case 'C':
	case 'H':
	case 'F':
	case 'X':
	case 'd':
	case 'c':
	case 'f':
		return 1;
	default:
		return 0;
	}
}

/* Mid-stream: does a send of n bytes look like requests?  It does if it is one whole message, or
 * one message followed by the tag of another. */
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

/* Copies the part of the startup message's parameters that is in this chunk. */
static __always_inline void pg_parameters(struct tracked_connection *c, __u64 from, __u32 there)
{
	__u32 have = c->identity.startup_length & (STARTUP_LEN - 1);
	__u32 take = c->wanted > have ? c->wanted - have : 0;

	if (take > there)
		take = there;
	if (take) {
		OPAQUE(take);
		if (take > STARTUP_LEN)
			return;
		if (wire_read(c->identity.startup + have, take, from))
			return;
	}
	c->identity.startup_length = have + take;
	if (have + take < c->wanted)
		return;
	c->collecting = 0;
	c->identity_version++;
}

static __always_inline void pg_startup(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	struct message_frame *f = &c->sent;
	__u32 have = frame_fill(f, chunk, n, PG_STARTUP_HEAD), held, length;

	f->offset = 0;
	if (have < PG_STARTUP_HEAD) {
		f->head_len = have;
		return;
	}
	if (f->head[0] == TLS_HANDSHAKE && f->head[1] == 3) {
		c->ev.flags |= EV_CONN_TLS; /* direct TLS, without SSLRequest: PostgreSQL 17 */
		c->phase = PHASE_READY;
		frame_reset(f);
		return;
	}
	c->ev.request_ns = c->now;
	length = be32(f->head);
	held = f->head_len;
	if (length < PG_STARTUP_HEAD || length > PG_LONGEST_STARTUP)
		length = PG_STARTUP_HEAD;
	frame_pass(f, length, n);
	switch (be32(f->head + 4)) {
	case PG_SSL_REQUEST:
	case PG_GSS_REQUEST:
		c->phase = PHASE_SSL_ASKED;
		return;
	case PG_CANCEL_REQUEST:
		c->ev.flags |= EV_CONN_CANCEL;
		c->ev.request_ns = 0; /* the server sends no reply */
		c->phase = PHASE_READY;
		return;
	}
	c->phase = PHASE_AUTH;
	c->pending = 1;
	c->replying = 0;
	length -= PG_STARTUP_HEAD;
	c->wanted = length < STARTUP_LEN ? length : STARTUP_LEN;
	c->identity.startup_length = 0;
	c->collecting = PG_COLLECT_STARTUP;
	pg_parameters(c, chunk + PG_STARTUP_HEAD - held, n - (PG_STARTUP_HEAD - held));
}

/* Reads a statement's name at from.  there: bytes of the chunk from there on.  The hash of the name
 * goes to c->named; 0: the statement has no name.  Returns the name's length without the NUL; -1:
 * the end was not found.  A name that long is cut by the server, so the search stops there. */
__noinline int pg_name(struct tracked_connection *c, __u64 from, __u32 there)
{
	__u8 name[EV_NAME_LEN] = {};
	__u32 i, take = there < EV_NAME_LEN ? there : EV_NAME_LEN;
	__u64 hash = HASH_START;

	if (!c)
		return -1;
	c->named = 0;
	if (!take)
		return -1;
	OPAQUE(take);
	if (take > EV_NAME_LEN)
		return -1;
	if (wire_read(name, take, from))
		return -1;
	for (i = 0; i < NAME_LONGEST; i++) {
		if (!name[i])
			break;
		hash = wire_hash_step(hash, name[i]);
	}
	if (i)
		c->named = hash;
	return i < take && !name[i] ? (int)i : -1;
}

/* Handles a Parse.  A named statement (c->named) opens, with the text in the SQL slot. */
static __always_inline void pg_parsing(struct tracked_connection *c)
{
	c->ordinal += c->ordinal < UNANSWERED - 1;
	if (c->named && !ledger_statement_open(c, c->named))
		wire_doubt(c, c->named, c->ordinal);
	wire_sql_effects_of(c);
}

static __always_inline void pg_parse(struct tracked_connection *c, __u64 body, __u32 there)
{
	int name = pg_name(c, body, there);
	__u32 at = name + 1;

	wire_sql_string(c, body + at, name >= 0 && there > at ? there - at : 0);
	pg_parsing(c);
}

static __always_inline void pg_close(struct tracked_connection *c, __u64 body, __u32 there)
{
	__u8 what = 0;

	if (!there || wire_read(&what, 1, body) || what != 'S')
		return;
	pg_name(c, body + 1, there - 1);
	if (c->named)
		ledger_statement_close(c, c->named);
}

/* The client has sent all messages of a group: one ReadyForQuery will answer them. */
static __always_inline void pg_group_ends(struct tracked_connection *c)
{
	c->group_sent++;
	c->ordinal = 0;
}

/* Hashes the name at offset at of the SQL slot into c->named.  Returns the offset of its end. */
static __always_inline __u32 pg_gathered_name(struct tracked_connection *c, __u32 at)
{
	__u64 hash = HASH_START;
	__u32 i;

	for (i = 0; i < NAME_LONGEST; i++) {
		if (!c->sql.text[at + i])
			break;
		hash = wire_hash_step(hash, c->sql.text[at + i]);
	}
	c->named = i ? hash : 0;
	return at + i;
}

/* Handles a Parse that came in several chunks and is now whole in the SQL slot: name, NUL, text,
 * NUL. */
__noinline int pg_parse_gathered(struct tracked_connection *c)
{
	__u32 at, room;
	long length;

	if (!c)
		return 0;
	at = pg_gathered_name(c, 0);
	if (at >= EV_SQL_LEN - 1)
		return 0;
	length = 1;
	room = c->sql.length > at + 1 ? c->sql.length - at - 1 : 0;
	if (room && !c->sql.text[at]) {
		OPAQUE(room);
		if (room > EV_SQL_LEN - 1)
			return 0;
		length = wire_shift_string(c->sql.text, room, c->sql.text + at + 1);
		if (length <= 0 || length > EV_SQL_LEN - 1)
			length = 1;
	}
	c->sql.cut = length == room;
	sql_end(c, length - 1);
	pg_parsing(c);
	return 0;
}

/* Handles a Close that came in several chunks and is now whole in the SQL slot: 'S', name, NUL. */
__noinline int pg_close_gathered(struct tracked_connection *c)
{
	if (!c)
		return 0;
	pg_gathered_name(c, 1);
	if (c->sql.text[0] == 'S' && c->named)
		ledger_statement_close(c, c->named);
	sql_end(c, 0); /* a Close holds no SQL */
	return 0;
}

static __always_inline void pg_gathered(struct tracked_connection *c)
{
	__u8 tag = c->collecting;

	c->collecting = 0;
	switch (tag) {
	case 'Q':
		wire_sql_effects(c);
		pg_group_ends(c);
		break;
	case 'P':
		pg_parse_gathered(c);
		break;
	case 'C':
		pg_close_gathered(c);
		break;
	}
}

/* How many bytes of a message's body are read? */
static __always_inline __u32 pg_wanted(__u8 tag, __u32 length)
{
	if (tag == 'Q')
		length = length ? length - 1 : 0; /* without its NUL */
	if (tag == 'C' && length > EV_NAME_LEN + 1)
		length = EV_NAME_LEN + 1;
	return length < EV_SQL_LEN ? length : EV_SQL_LEN;
}

/* Handles a message whose text is read.  from: start of its body; there: how many bytes of the
 * body, which is length bytes long, are in this chunk. */
static __always_inline void pg_text(struct tracked_connection *c, __u8 tag, __u64 from,
				    __u32 length, __u32 there)
{
	if (there < pg_wanted(tag, length)) {
		wire_collect_begin(c, tag, tag == 'Q' ? length - 1 : pg_wanted(tag, length));
		wire_collect(c, from, there);
	} else if (tag == 'Q') {
		wire_sql(c, from, length ? length - 1 : 0);
		wire_sql_effects_of(c);
		pg_group_ends(c);
		c->simple = c->phase == PHASE_READY;
	} else if (tag == 'P') {
		pg_parse(c, from, there < EV_SQL_LEN ? there : EV_SQL_LEN);
	} else {
		pg_close(c, from, there);
	}
}

static __always_inline void pg_flush(struct tracked_connection *c)
{
	if (c->pending)
		return;
	c->flushed = 1;
	if (!c->ev.request_ns)
		c->ev.request_ns = c->now;
}

/* Walks one message of the client. */
__noinline int pg_request_step(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	struct message_frame *f;
	__u32 remain, have, length, body, there;

	if (!c)
		return STEP_DONE;
	f = &c->sent;
	remain = frame_skip(f, n);
	if (!remain)
		return STEP_DONE;
	have = frame_fill(f, chunk, remain, PG_HEADER);
	if (!have) {
		wire_lost(c);
		return STEP_DONE;
	}
	if (f->head[0] != 'X') /* a later send may complete the request: the pause ended now */
		wire_pause(c);
	if (have < PG_HEADER)
		return frame_wait(f, have, n);
	length = be32(f->head + 1);
	if (length < 4 || length > (1U << 30) || (!pg_is_tag(f->head[0]) && f->head[0] != 'p')) {
		wire_lost(c);
		return STEP_DONE;
	}
	body = PG_HEADER - (f->head_len < PG_HEADER ? f->head_len : PG_HEADER);
	length -= 4;
	there = remain > body ? remain - body : 0;
	if (there > length)
		there = length;
	switch (f->head[0]) {
	case 'c':
	case 'd':
	case 'f':
		if (c->pending) { /* the client copies rows in: the reply shows their end, and Sync
				     is ignored */
			c->copying = 1;
			return STEP_DONE;
		}
		return frame_pass(f, length + PG_HEADER, n);
	case 'X':
		c->ev.flags |= EV_CONN_TERMINATED;
		return frame_pass(f, length + PG_HEADER, n);
	case 'p':
		return frame_pass(f, length + PG_HEADER, n);
	}
	if (c->pending && c->phase == PHASE_READY)
		c->pipelines = 1;
	switch (f->head[0]) {
	case 'Q':
		wire_request(c);
		pg_text(c, 'Q', chunk + f->offset + body, length, there);
		break;
	case 'P':
		pg_text(c, 'P', chunk + f->offset + body, length, there);
		break;
	case 'C':
		pg_text(c, 'C', chunk + f->offset + body, length, there);
		break;
	case 'S':
	case 'F':
		wire_request(c);
		pg_group_ends(c);
		break;
	case 'H':
		pg_flush(c);
		break;
	}
	return frame_pass(f, length + PG_HEADER, n);
}

#define BATCH_RUNS  4 /* pg_batch is called so often for one send, */
#define BATCH_STEPS 3 /* and walks so many messages in each call */

/* Is it a message that pg_batch handles: Bind, Describe, Execute, Sync, or Parse of an unnamed
 * statement? */
static __always_inline int pg_is_usual(const __u8 *head, __u32 length, __u32 there)
{
	__u8 tag = head[0];

	return tag == 'B' || tag == 'D' || tag == 'E' || tag == 'S' ||
	       (tag == 'P' && length > 7 && there > PG_HEADER && !head[PG_HEADER]);
}

/* Reads the first bytes of the send into the window.  Returns how many. */
static __always_inline __u32 pg_read_ahead(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	__u32 take = n < AHEAD ? n : AHEAD - 1;
	__u8 *window = wire_ahead(c);

	if (!window)
		return 0;
	OPAQUE(take);
	take &= AHEAD - 1;
	return wire_read(window, take, chunk) ? 0 : take;
}

/* Walks the usual messages of the extended protocol in the window.  c->sent.offset is left at the
 * first message for pg_request_step.  It is kept in memory, because the verifier of 6.1 would
 * follow every value of a local variable.  Returns 0 when the next message is not for pg_batch. */
__noinline int pg_batch(struct tracked_connection *c, __u64 chunk, __u32 n, __u32 take)
{
	__u8 *window = c ? wire_ahead(c) : NULL, *head;
	__u32 at, i, length;

	if (!c || !window)
		return 0;
	for (i = 0; i < BATCH_STEPS; i++) {
		at = c->sent.offset;
		if (at + PG_HEADER > take)
			return 0;
		head = window + (at & (AHEAD - 1));
		length = be32_at(head + 1);
		if (length < 4 || length > n - at - 1 || !pg_is_usual(head, length, take - at))
			return 0;
		wire_pause(c);
		if (c->pending)
			c->pipelines = 1;
		if (head[0] == 'S') {
			wire_request(c);
			pg_group_ends(c);
		} else if (head[0] == 'P') {
			c->named = 0;
			wire_sql_string(c, chunk + at + PG_HEADER + 1, length - 5);
			pg_parsing(c);
		}
		c->sent.offset = at + length + 1;
	}
	return 1;
}

/* Returns 1 when the walk reached the end of the chunk. */
static __always_inline int pg_walk_requests(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	int i;

	for (i = 0; i < WALK_STEPS; i++)
		if (pg_request_step(c, chunk, n) == STEP_DONE)
			return 1;
	return 0;
}

/* Clears the SQL slot after another kind of message was read into it. */
__noinline int pg_no_query(struct tracked_connection *c)
{
	if (!c)
		return 0;
	zero_all(c->sql.text, EV_SQL_LEN);
	sql_begin(c, 0);
	return 0;
}

/* Handles a simple query that is a send of its own, with a single read: the header goes into the
 * five bytes before the slot's text.  pg_sent calls this only if the last request was such a query,
 * so another kind of message is read into the slot at most once.  Returns 1 for such a query. */
static __always_inline int pg_simple_query(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	__u8 *at = (__u8 *)c + offsetof(struct tracked_connection, sql.text) - PG_HEADER;
	__u32 take = n;

	if (n > PG_HEADER + EV_SQL_LEN - 8)
		return 0;
	OPAQUE(take);
	take &= EV_SQL_LEN - 1; /* always true; the verifier needs it */
	if (wire_read(at, take, chunk))
		return 0;
	c->simple = at[0] == 'Q' && be32_at(at + 1) == n - 1;
	if (UNLIKELY(!c->simple)) {
		pg_no_query(c);
		return 0;
	}
	sql_begin_short(c);
	sql_end(c, n - PG_HEADER - 1);
	wire_request(c);
	wire_sql_effects_of(c);
	pg_group_ends(c);
	return 1;
}

/* Is the connection between two requests, with nothing unusual going on? */
static __always_inline int pg_is_plain(const struct tracked_connection *c)
{
	return c->phase == PHASE_READY && !c->sent.left && !c->sent.head_len && !c->collecting &&
	       !c->copying && !c->lost;
}

/* Handles all that the fast paths leave, from c->sent.offset on. */
__noinline int pg_sent_rest(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	__u32 rest;

	if (!c)
		return 0;
	rest = c->sent.left < n ? c->sent.left : n;
	if (c->phase == PHASE_STARTUP) {
		pg_startup(c, chunk, n);
		return 0;
	}
	if (c->phase == PHASE_SSL_ASKED || c->copying || c->lost)
		return 0;
	if (c->collecting == PG_COLLECT_STARTUP)
		pg_parameters(c, chunk, rest);
	else if (c->collecting && wire_collect(c, chunk, rest))
		pg_gathered(c);
	if (!pg_walk_requests(c, chunk, n))
		wire_lost(c);
	if (c->copying)
		frame_reset(&c->sent);
	return 0;
}

static __always_inline void pg_sent(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	__u32 take, i;

	c->sent.offset = 0;
	if (LIKELY(pg_is_plain(c))) {
		if (c->simple && !c->pending && n > PG_HEADER && pg_simple_query(c, chunk, n))
			return;
		take = pg_read_ahead(c, chunk, n);
		for (i = 0; i < BATCH_RUNS && pg_batch(c, chunk, n, take); i++)
			;
		if (c->sent.offset >= n)
			return;
	}
	pg_sent_rest(c, chunk, n);
}

/* Reads the row count at the end of a CommandComplete tag: "SELECT 50000", "INSERT 0 5", "COPY
 * 7". */
__noinline __u64 pg_rows(struct tracked_connection *c)
{
	/* the tail ends with tag, NUL, and the 6 bytes of ReadyForQuery */
	__u64 rows = 0, scale = 1;
	__u32 at = TAIL_LEN - 8, digits;
	const __u8 *tail;

	if (!c)
		return UNKNOWN64;
	tail = c->tail;
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

/* The reply to a group has ended.  If the group failed, its statements without a ParseComplete were
 * never opened: undo them.  Entries of later groups stay in the list. */
__noinline int pg_settle(struct tracked_connection *c)
{
	__u32 i, kept = 0, count;

	if (!c)
		return 0;
	count = c->doubts;
	for (i = 0; i < DOUBTS; i++) {
		if (i >= count)
			break;
		if (c->doubt_group[i] != c->group_received) {
			c->doubt[kept & (DOUBTS - 1)] = c->doubt[i];
			c->doubt_group[kept & (DOUBTS - 1)] = c->doubt_group[i];
			c->doubt_ordinal[kept & (DOUBTS - 1)] = c->doubt_ordinal[i];
			kept++;
		} else if (c->failed && c->doubt_ordinal[i] > c->parsed) {
			wire_undo(c, c->doubt[i]);
		}
	}
	c->doubts = kept;
	return 0;
}

static __always_inline int pg_tail_is_ready(const struct tracked_connection *c)
{
	const __u8 *end = c->tail + TAIL_LEN - PG_READY;

	/* 'Z' and the upper three bytes of the length, then the 5 */
	return word_at(end) == 'Z' && end[4] == 5 &&
	       (end[5] == 'I' || end[5] == 'T' || end[5] == 'E');
}

static __always_inline void pg_ready(struct tracked_connection *c)
{
	__u8 status = c->tail[TAIL_LEN - 1];

	if (UNLIKELY(c->phase == PHASE_AUTH)) {
		c->phase = PHASE_READY;
		c->ev.flags |= EV_CONN_AUTHENTICATED;
		c->identity_version++;
	}
	c->reply_rows = 0;
	if (UNLIKELY(c->reply_bytes >= RESULT_MARK))
		c->reply_rows = pg_rows(c);
	wire_status(c,
		    status == 'T'   ? EV_STATUS_TRANSACTION
		    : status == 'E' ? EV_STATUS_FAILED
				    : EV_STATUS_IDLE,
		    c->ev.status >= EV_STATUS_TRANSACTION && reply_said_rollback(c->tail));
	if (c->doubts)
		pg_settle(c);
	if (UNLIKELY(c->cursors || (status != 'I' && reply_is_suspended(c->tail))))
		cursor_settle(c);
	c->group_received++;
	c->parsed = 0;
	c->failed = 0;
	wire_reply_ends(c);
	if (c->walking && c->pending > 1) {
		c->pending--;
		return;
	}
	if (c->pending > 1)
		c->ev.flags |= EV_CONN_PIPELINED;
	/* The server waits for a new request, so the half request we hold was never one. */
	if (!c->pipelines && (c->sent.left || c->sent.head_len))
		sent_reset(c);
	wire_quiet(c);
	if (c->pipelines && !c->walking) {
		c->walking = 1;
		frame_reset(&c->received);
	}
}

static __always_inline void pg_error(struct tracked_connection *c)
{
	c->failed = 1;
	if (c->phase != PHASE_AUTH)
		return;
	c->ev.flags |= EV_CONN_REFUSED;
	wire_quiet(c);
}

/* Walks one message of the server.  STEP_READY: the message was ReadyForQuery, and it ends at the
 * frame's offset. */
__noinline int pg_reply_step(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	struct message_frame *f;
	__u32 remain, have, length;

	if (!c)
		return STEP_DONE;
	f = &c->received;
	remain = frame_skip(f, n);
	if (!remain)
		return STEP_DONE;
	have = frame_fill(f, chunk, remain, PG_HEADER);
	if (have == PG_HEADER && f->head[0] == 'Z')
		have = frame_fill(f, chunk, remain, PG_READY);
	if (have && (have < PG_HEADER || (have < PG_READY && f->head[0] == 'Z')))
		return frame_wait(f, have, n);
	length = be32(f->head + 1);
	if (!have || length < 4 || length > (1U << 30)) {
		c->walking = 0;
		return STEP_DONE;
	}
	if (f->head[0] == '1')
		c->parsed += c->parsed < UNANSWERED - 1;
	else if (f->head[0] == 'E')
		pg_error(c);
	if (f->head[0] == 'Z' && length == PG_READY - 1)
		return STEP_READY | frame_pass(f, PG_READY, n);
	return frame_pass(f, length + 1, n);
}

enum { PART_GOES_ON, PART_READY, PART_UNKNOWN };

/* Handles bytes of one reply.  end: whether the reply's end is among them (PART_READY), is not
 * (PART_GOES_ON), or must be sought in the tail (PART_UNKNOWN). */
static __always_inline void pg_reply(struct tracked_connection *c, __u64 chunk, __u32 n, __u32 end)
{
	if (!c->replying)
		wire_reply_begins(c);
	wire_reply_grows(c, n);
	wire_tail(c, chunk, n);
	if (end == PART_READY || (end == PART_UNKNOWN && pg_tail_is_ready(c))) {
		pg_ready(c);
		return;
	}
	if (c->pending)
		return;
	/* No reply is due: the bytes are a notice or notification, or the answer to Flush. */
	c->replying = 0;
	if (c->flushed) {
		c->flushed = 0;
		c->ev.request_ns = 0;
	}
}

__noinline int pg_part(struct tracked_connection *c, __u64 chunk, __u32 n, __u32 end)
{
	if (c && n)
		pg_reply(c, chunk, n, end);
	return 0;
}

/* Splits the chunk into replies.  Returns 1 when the walk reached the end of the chunk. */
__noinline int pg_walk_replies(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	__u32 at;
	int i, step;

	if (!c)
		return 1;
	c->received.offset = 0;
	for (i = 0; i < REPLY_STEPS; i++) {
		step = pg_reply_step(c, chunk, n);
		if (step & STEP_READY) {
			at = c->received.offset;
			pg_part(c, chunk + c->part, at - c->part, PART_READY);
			c->part = c->received.offset = at;
		}
		if (!c->walking)
			return 0;
		if (!(step & STEP_MORE))
			return 1;
	}
	return 0;
}

static __always_inline void pg_ssl_answer(struct tracked_connection *c, __u64 chunk)
{
	__u8 answer = 0;

	if (wire_read(&answer, 1, chunk))
		return;
	if (answer == 'S' || answer == 'G')
		c->ev.flags |= EV_CONN_TLS;
	if (answer == 'E')
		c->ev.flags |= EV_CONN_REFUSED;
	c->phase = answer == 'N' ? PHASE_STARTUP : PHASE_READY;
	c->ev.request_ns = 0;
	frame_reset(&c->sent);
}

/* The slow path for received bytes: the answer to an encryption request, and connections whose
 * replies must be counted one by one. */
__noinline int pg_received_walking(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	__u32 end = PART_UNKNOWN;

	if (!c)
		return 0;
	if (c->phase == PHASE_SSL_ASKED) {
		pg_ssl_answer(c, chunk);
		return 0;
	}
	if (!c->walking && !c->replying && (c->pipelines || c->doubts || c->phase == PHASE_AUTH)) {
		c->walking = 1;
		frame_reset(&c->received);
	}
	c->part = 0;
	if (c->walking) {
		end = pg_walk_replies(c, chunk, n) ? PART_GOES_ON : PART_UNKNOWN;
		if (end == PART_UNKNOWN)
			c->walking = 0;
	}
	pg_part(c, chunk + c->part, n - c->part, end);
	return 0;
}

static __always_inline void pg_received(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	if (UNLIKELY(c->phase != PHASE_READY || c->walking || c->pipelines || c->doubts))
		pg_received_walking(c, chunk, n);
	else
		pg_reply(c, chunk, n, PART_UNKNOWN);
}
