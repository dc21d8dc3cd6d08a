/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * wire_mysql.bpf.h - the MySQL and MariaDB protocol, as far as it changes state.
 *
 * Source: MySQL Internals, "Client/Server Protocol"; MariaDB Knowledge Base, "Clientserver
 * protocol".  Both directions are walked packet by packet, since a reply's end cannot be told from
 * its last bytes alone.  A chunk with more packets than we walk leaves the reply unaligned: rows
 * are then estimated and the end is sought in the tail.  The handshake response is read for its
 * capabilities, user and database; its secret is stepped over unread.
 */
#include "wire.bpf.h"

#define MY_HEADER 4
#define MY_LONGEST_GREETING 512

/* Capabilities. */
#define MY_CLIENT_MYSQL 0x1U /* unset by MariaDB: extended capabilities follow */
#define MY_WITH_DB 0x8U
#define MY_COMPRESS 0x20U
#define MY_PROTOCOL_41 0x200U
#define MY_SSL 0x800U
#define MY_SECURE 0x8000U
#define MY_LENENC_AUTH 0x200000U
#define MY_DEPRECATE_EOF 0x1000000U
#define MY_ZSTD 0x4000000U
#define MARIADB_CACHE_METADATA 0x10U

/* Server status. */
#define MY_IN_TRANSACTION 0x0001
#define MY_MORE_RESULTS 0x0008
#define MY_CURSOR_EXISTS 0x0040

/* Commands. */
enum {
	MY_QUIT = 0x01,
	MY_QUERY = 0x03,
	MY_FIELD_LIST = 0x04,
	MY_STATISTICS = 0x09,
	MY_CHANGE_USER = 0x11,
	MY_BINLOG_DUMP = 0x12,
	MY_STMT_PREPARE = 0x16,
	MY_STMT_EXECUTE = 0x17,
	MY_STMT_LONG_DATA = 0x18,
	MY_STMT_CLOSE = 0x19,
	MY_SET_OPTION = 0x1b,
	MY_STMT_FETCH = 0x1c,
	MY_BINLOG_DUMP_GTID = 0x1e,
	MY_RESET_CONNECTION = 0x1f,
	MY_LAST_COMMAND = 0x20,
	MARIADB_BULK_EXECUTE = 0xfa,
};

/* What kind of reply a command has. */
enum {
	REPLY_RESULT = 1,
	REPLY_PREPARE = 2,
	REPLY_EXECUTE = 3,
	REPLY_ROWS = 4, /* rows without a column count before them */
	REPLY_ONE = 5,	/* any one packet */
	REPLY_AUTH = 6,
};

static __always_inline int my_is_command(__u8 command)
{
	return (command >= 1 && command <= MY_LAST_COMMAND) || command == MARIADB_BULK_EXECUTE;
}

/* Is this a server's first packet?  head: header and at least 2 bytes of the body. */
static __always_inline int my_is_greeting(const __u8 *head)
{
	__u32 length = le24(head);

	if (head[3] != 0 || length < 5 || length > MY_LONGEST_GREETING)
		return 0;
	if (head[4] == 0x0a && head[5] >= '3' && head[5] <= '9')
		return 1;
	return head[4] == 0xff && (head[6] == 0x04 || head[6] == 0x05 || head[6] == 0x0f); /* ER_* */
}

/* Mid-stream: does a send of n bytes look like one command? */
static __always_inline int my_is_request(const __u8 *head, __u32 n)
{
	if (n < MY_HEADER + 1 || head[3] != 0 || le24(head) + MY_HEADER != n)
		return 0;
	if (head[4] == MY_QUERY || head[4] == MY_STMT_PREPARE)
		return n > MY_HEADER + 3 && head[5] >= '\t' && head[5] < 0x7f;
	return (head[4] == MY_STMT_EXECUTE && n >= 14) || (head[4] == 0x0e && n == 5) ||
	       (head[4] == MY_QUIT && n == 5);
}

static __always_inline int my_is_reply(const __u8 *head, __u32 n)
{
	return n > MY_HEADER && head[3] == 1 && le24(head) > 0 && le24(head) + MY_HEADER <= n;
}

static __always_inline void my_push(struct connection *c, __u8 kind)
{
	if (c->ev.flags & EV_CONN_UNALIGNED)
		wire_quiet(c); /* a new command: the reply we lost the thread of has ended */
	if (c->pending < FIFO_DEPTH)
		c->fifo |= (__u64)kind << (8 * (c->pending & (FIFO_DEPTH - 1)));
	else
		c->ev.flags |= EV_CONN_PIPELINED;
	wire_request(c);
}

static __always_inline void my_text(struct connection *c, __u64 chunk, __u32 remain, __u32 length)
{
	__u32 body = MY_HEADER + 1 > c->sent.head_len ? MY_HEADER + 1 - c->sent.head_len : 0;

	wire_sql(c, chunk + c->sent.offset + body, length - 1, remain > body ? remain - body : 0);
}

static __always_inline void my_command(struct connection *c, __u64 chunk, __u32 remain,
				       __u32 length)
{
	switch (c->sent.head[4]) {
	case MY_QUIT:
		c->ev.flags |= EV_CONN_TERMINATED;
		break;
	case MY_QUERY:
		my_push(c, REPLY_RESULT);
		my_text(c, chunk, remain, length);
		wire_sql_effects(c);
		break;
	case MY_STMT_PREPARE:
		my_push(c, REPLY_PREPARE);
		my_text(c, chunk, remain, length);
		break;
	case MY_STMT_EXECUTE:
	case MARIADB_BULK_EXECUTE:
		my_push(c, REPLY_EXECUTE);
		break;
	case MY_STMT_CLOSE:
		ledger_statement_close(c, le32(c->sent.head + 5));
		break;
	case MY_STMT_LONG_DATA:
		break;
	case MY_STMT_FETCH:
	case MY_FIELD_LIST:
		my_push(c, REPLY_ROWS);
		break;
	case MY_STATISTICS:
	case MY_SET_OPTION:
		my_push(c, REPLY_ONE);
		break;
	case MY_CHANGE_USER:
		ledger_statements_drop(c);
		c->phase = PHASE_AUTH;
		my_push(c, REPLY_AUTH);
		break;
	case MY_RESET_CONNECTION:
		ledger_statements_drop(c);
		my_push(c, REPLY_RESULT);
		break;
	case MY_BINLOG_DUMP:
	case MY_BINLOG_DUMP_GTID:
		c->ev.flags |= EV_CONN_REPLICATION;
		my_push(c, REPLY_ROWS);
		break;
	default:
		my_push(c, REPLY_RESULT);
		break;
	}
}

/* One packet of the client. */
__noinline int my_request_step(struct connection *c, __u64 chunk, __u32 n)
{
	struct frame *f;
	__u32 remain, have, length, need;

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
	if (have < MY_HEADER)
		return frame_wait(f, have, n);
	length = le24(f->head);
	/* A command and its statement id, or the single byte of a command without arguments. */
	need = MY_HEADER + (length < 5 ? length : 5);
	if (have < need)
		return frame_wait(f, have, n);
	/* Other sequence numbers: the rest of a large packet, or an answer during login. */
	if (f->head[3] == 0 && length && my_is_command(f->head[4]))
		my_command(c, chunk, remain, length);
	return frame_pass(f, length + MY_HEADER, n);
}

/* User and database of the handshake response whose packet starts at from. */
static __always_inline void my_names(struct connection *c, __u64 from, __u32 n, __u32 capabilities)
{
	char *user = c->identity.startup, *name = c->identity.startup + EV_NAME_LEN;
	__u32 at = MY_HEADER + 32, i;
	__u8 secret = 0;

	if (n <= at || wire_read_string(user, EV_NAME_LEN, from + at))
		return;
	c->identity.startup_length = 2 * EV_NAME_LEN;
	for (i = 0; i < EV_NAME_LEN - 1; i++)
		if (!user[i])
			break;
	at += i + 1;
	/* A secret of 251 bytes and more has a longer length before it: no known method has one. */
	if (!(capabilities & MY_WITH_DB) || wire_read(&secret, 1, from + at) || secret > 250)
		return;
	at += 1 + secret;
	if (at < n)
		wire_read_string(name, EV_NAME_LEN, from + at);
}

static __always_inline void my_response(struct connection *c, __u64 chunk, __u32 n)
{
	__u8 head[MY_HEADER + 32] = {};
	__u32 capabilities;

	if (n < sizeof(head) || wire_read(head, sizeof(head), chunk))
		return;
	capabilities = le32(head + 4);
	if (capabilities & MY_SSL) {
		c->ev.flags |= EV_CONN_TLS;
		c->phase = PHASE_READY;
		return;
	}
	if (c->cache_metadata)
		c->cache_metadata = !(capabilities & MY_CLIENT_MYSQL) &&
				    (le32(head + 32) & MARIADB_CACHE_METADATA);
	c->capabilities &= capabilities;
	my_names(c, chunk, n, capabilities);
	c->identity_version++;
	c->phase = PHASE_AUTH;
	c->fifo = REPLY_AUTH;
	c->pending = 1;
	c->ev.request_ns = c->now;
}

static __always_inline void my_sent(struct connection *c, __u64 chunk, __u32 n)
{
	int i;

	if (c->phase == PHASE_GREETED) {
		my_response(c, chunk, n);
		return;
	}
	/* Login answers hold secrets; a file being loaded holds anything. */
	if (c->phase == PHASE_AUTH || c->infile)
		return;
	if (c->ev.flags & EV_CONN_UNALIGNED)
		wire_quiet(c);
	c->sent.offset = 0;
	for (i = 0; i < WALK_STEPS; i++)
		if (my_request_step(c, chunk, n) == STEP_DONE)
			break;
	if (i == WALK_STEPS)
		wire_unaligned(c);
}

static __always_inline void my_status(struct connection *c, __u32 status)
{
	__u64 word = (__u64)(__u8)c->sql.text[0] | (__u64)(__u8)c->sql.text[1] << 8;

	wire_status(c, status & MY_IN_TRANSACTION ? EV_STATUS_TRANSACTION : EV_STATUS_IDLE,
		    (word | 0x2020) == ('r' | 'o' << 8));
}

static __always_inline void my_reply_ends(struct connection *c)
{
	c->stage = STAGE_FIRST;
	c->infile = 0;
	wire_reply_ends(c);
	if (c->pending <= 1) {
		wire_quiet(c);
		return;
	}
	c->fifo >>= 8;
	c->pending--;
	wire_reply_begins(c);
}

/* A packet with server status: the reply goes on with another result, or ends. */
static __always_inline void my_result_ends(struct connection *c, __u32 status)
{
	my_status(c, status);
	c->stage = STAGE_FIRST;
	if (!(status & MY_MORE_RESULTS))
		my_reply_ends(c);
}

/* Bytes a length-encoded integer takes, by its first byte. */
static __always_inline __u32 my_lenenc(__u8 first)
{
	return first < 0xfb ? 1 : first == 0xfc ? 3 : first == 0xfd ? 4 : first == 0xfe ? 9 : 1;
}

/* Status word of an OK packet in head: after the marker, two length-encoded integers. */
static __always_inline __u32 my_ok_status(const __u8 *head)
{
	__u32 at = MY_HEADER + 1;

	at += my_lenenc(head[at & 31]);
	at += my_lenenc(head[at & 31]);
	return le16(head + (at & 31));
}

static __always_inline void my_prepared(struct connection *c, const __u8 *head)
{
	__u32 columns = le16(head + 9), parameters = le16(head + 11);

	ledger_statement_open(c, le32(head + 5));
	c->expect = columns + parameters;
	if (!(c->capabilities & MY_DEPRECATE_EOF))
		c->expect += !!columns + !!parameters;
	c->stage = STAGE_SKIP;
	if (!c->expect)
		my_reply_ends(c);
}

static __always_inline void my_columns(struct connection *c, const __u8 *head, __u32 length)
{
	__u32 bytes = my_lenenc(head[4]);
	int described = 1;

	c->expect = bytes == 1 ? head[4] : bytes == 3 ? le16(head + 5) : 0;
	if (c->cache_metadata && length > bytes)
		described = head[(MY_HEADER + bytes) & 31];
	if (described && c->expect)
		c->stage = STAGE_COLUMNS;
	else
		c->stage = c->capabilities & MY_DEPRECATE_EOF ? STAGE_ROWS : STAGE_COLUMNS_END;
}

static __always_inline void my_login(struct connection *c, __u8 first)
{
	if (first == 0x00) {
		c->phase = PHASE_READY;
		c->ev.flags |= EV_CONN_AUTHENTICATED;
		c->identity_version++;
		if (c->capabilities & (MY_COMPRESS | MY_ZSTD))
			c->ev.flags |= EV_CONN_COMPRESSED;
		my_result_ends(c, my_ok_status(c->received.head));
	} else if (first == 0xff) {
		c->ev.flags |= EV_CONN_REFUSED;
		my_reply_ends(c);
	}
}

static __always_inline void my_first(struct connection *c, const __u8 *head, __u32 length)
{
	__u8 kind = c->fifo & 0xff, first = head[4];

	if (kind == REPLY_AUTH)
		my_login(c, first);
	else if (kind == REPLY_ONE)
		my_reply_ends(c);
	else if (first == 0xff && le16(head + 5) != 0xffff) /* 0xffff: MariaDB progress report */
		my_reply_ends(c);
	else if (first == 0xff)
		return;
	else if (kind == REPLY_PREPARE && first == 0)
		my_prepared(c, head);
	else if (first == 0)
		my_result_ends(c, my_ok_status(head));
	else if (first == 0xfb)
		c->infile = 1;
	else if (first == 0xfe && length < 9)
		my_result_ends(c, le16(head + 7));
	else
		my_columns(c, head, length);
}

static __always_inline void my_row(struct connection *c, const __u8 *head, __u32 length)
{
	__u32 deprecated = c->capabilities & MY_DEPRECATE_EOF;

	if (length && head[4] == 0xff)
		my_reply_ends(c);
	else if (length && head[4] == 0xfe && length < (deprecated ? 0xffffffU : 9U))
		my_result_ends(c, deprecated ? my_ok_status(head) : le16(head + 7));
	else
		c->reply_rows++;
}

static __always_inline void my_columns_end(struct connection *c, const __u8 *head, __u32 length)
{
	/* A connection older than we are: its first result shows which kind of end was agreed on. */
	if (head[4] != 0xfe || length != 5) {
		c->capabilities |= MY_DEPRECATE_EOF;
		c->stage = STAGE_ROWS;
		my_row(c, head, length);
	} else if (le16(head + 7) & MY_CURSOR_EXISTS) {
		my_result_ends(c, le16(head + 7));
	} else {
		c->stage = STAGE_ROWS;
	}
}

/* How much of a packet must be in hand before it can be judged. */
static __always_inline __u32 my_need(const struct connection *c, const __u8 *head, __u32 have,
				     __u32 length)
{
	__u32 whole = MY_HEADER + length < FRAME_HEAD ? MY_HEADER + length : FRAME_HEAD;

	if (!length)
		return MY_HEADER;
	if (c->stage == STAGE_COLUMNS || c->stage == STAGE_SKIP)
		return MY_HEADER;
	if (c->stage == STAGE_ROWS && have > MY_HEADER && head[4] < 0xfe)
		return MY_HEADER;
	return whole;
}

/* One packet of the server. */
__noinline int my_reply_step(struct connection *c, __u64 chunk, __u32 n)
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
	if (have < MY_HEADER)
		return frame_wait(f, have, n);
	length = le24(f->head);
	if (have < my_need(c, f->head, have, length))
		return frame_wait(f, have, n);
	if (!c->pending) { /* nothing was asked: the server says goodbye, or we came in between */
		frame_pass(f, length + MY_HEADER, n);
		return STEP_DONE;
	}
	/* Replies start at sequence 1: we took the end of the one before for more than it was. */
	if (f->head[3] == 1 && c->stage != STAGE_FIRST && c->stage != STAGE_ROWS)
		my_reply_ends(c);
	switch (c->stage) {
	case STAGE_FIRST:
		if ((c->fifo & 0xff) == REPLY_ROWS)
			my_row(c, f->head, length);
		else
			my_first(c, f->head, length);
		break;
	case STAGE_COLUMNS:
		if (--c->expect == 0)
			c->stage = c->capabilities & MY_DEPRECATE_EOF ? STAGE_ROWS
								      : STAGE_COLUMNS_END;
		break;
	case STAGE_COLUMNS_END:
		my_columns_end(c, f->head, length);
		break;
	case STAGE_ROWS:
		my_row(c, f->head, length);
		break;
	default:
		if (--c->expect == 0)
			my_reply_ends(c);
		break;
	}
	return frame_pass(f, length + MY_HEADER, n);
}

#define ROWS_WALKED 512 /* in one call of my_rows */
#define ROWS_CALLS 16	 /* of it for each chunk: small rows in a large read */

/* Rows are most of what a server sends: they are passed with one short read each. */
__noinline int my_rows(struct connection *c, __u64 chunk, __u32 n)
{
	__u32 offset, i, length, rest;
	__u8 head[5];

	if (!c)
		return STEP_DONE;
	offset = c->received.offset;
	for (i = 0; i < ROWS_WALKED; i++) {
		if (offset >= n || n - offset < sizeof(head) ||
		    wire_read(head, sizeof(head), chunk + offset))
			break;
		length = le24(head);
		if (!length || head[4] >= 0xfe)
			break;
		c->reply_rows++;
		rest = n - offset - MY_HEADER;
		if (length > rest) {
			c->received.left = length - rest;
			c->received.offset = n;
			return STEP_DONE;
		}
		offset += MY_HEADER + length;
	}
	c->received.offset = offset;
	return i == ROWS_WALKED ? STEP_MORE : STEP_DONE;
}

/* The reply's end, sought in the last bytes of a chunk we could not walk to its end. */
static __always_inline void my_tail(struct connection *c, __u64 chunk, __u32 n)
{
	__u8 end[11];

	if (n < sizeof(end) || wire_read(end, sizeof(end), chunk + n - sizeof(end)))
		return;
	if (le24(end + 2) == 5 && end[6] == 0xfe)
		my_result_ends(c, le16(end + 9));
	else if (le24(end) == 7 && end[4] == 0xfe && end[5] == 0 && end[6] == 0)
		my_result_ends(c, le16(end + 7));
}

static __always_inline void my_estimate(struct connection *c, __u32 walked, __u32 n)
{
	/* As many rows to the byte as in what was walked. */
	if (walked)
		c->reply_rows += (__u64)WALK_STEPS * (n - walked) / walked;
	c->rows_estimated = 1;
}

/* Returns 1 when the chunk is used up. */
static __always_inline int my_pass_rows(struct connection *c, __u64 chunk, __u32 n)
{
	my_rows(c, chunk, n);
	return c->received.offset >= n;
}

static __always_inline void my_received(struct connection *c, __u64 chunk, __u32 n)
{
	__u64 mean;
	int i;

	if (!c->replying)
		wire_reply_begins(c);
	wire_reply_grows(c, n);
	if (c->ev.flags & EV_CONN_UNALIGNED) {
		mean = c->reply_rows ? (c->reply_bytes - n) / c->reply_rows : 0;
		if (mean)
			c->reply_rows += n / mean;
		my_tail(c, chunk, n);
		return;
	}
	c->received.offset = 0;
	for (i = 0; i < WALK_STEPS; i++) {
		if (my_reply_step(c, chunk, n) == STEP_DONE)
			return;
		if (c->stage == STAGE_ROWS && i < ROWS_CALLS && my_pass_rows(c, chunk, n))
			return;
	}
	my_estimate(c, c->received.offset, n);
	c->ev.flags |= EV_CONN_UNALIGNED;
	frame_reset(&c->received);
	my_tail(c, chunk, n);
}

static __always_inline void my_greeting(struct connection *c, __u64 body, __u32 n)
{
	__u8 text[96] = {};
	__u32 i, at;

	c->phase = PHASE_GREETED;
	if (n < sizeof(text) - 32 || wire_read(text, n < sizeof(text) ? 64 : sizeof(text), body))
		return;
	if (text[0] == 0xff) {
		c->ev.flags |= EV_CONN_REFUSED;
		return;
	}
	for (i = 1; i < 64; i++)
		if (!text[i])
			break;
	at = i + 1;
	if (at + 31 >= sizeof(text))
		return;
	c->capabilities = le16(text + at + 13) | le16(text + at + 18) << 16;
	c->cache_metadata = !(c->capabilities & MY_CLIENT_MYSQL) &&
			    (le32(text + at + 27) & MARIADB_CACHE_METADATA);
}
