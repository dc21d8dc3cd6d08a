/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * wire.bpf.h - what both protocols share: framing across reads, transactions, replies, SQL.
 *
 * The parsers trust no input.  Every length is bounded.  A read may fail, or a walk may not reach
 * the end of its chunk.  The parser then gives up the message boundaries of that direction until
 * the next request, and sets EV_CONN_UNALIGNED.  Each step is a global function, so that the
 * verifier checks it once and not in every round of a loop.  Unit tests and fuzzers, outside the
 * kernel, bring their own wire_read().
 */
#ifndef DBLEAK_WIRE_BPF_H
#define DBLEAK_WIRE_BPF_H

#include "bpf/keyword.bpf.h"
#include "bpf/ledger/ledger.bpf.h"
#include "bpf/verifier.bpf.h"

#define RESULT_MARK	 (128 << 10) /* reply bytes after which memory is measured */
#define RESULT_TELL	 (1 << 20)   /* reply bytes that are worth an EV_RESULT */
#define RESULT_TELL_ROWS 10000
#define WALK_STEPS	 256 /* client messages walked in one chunk */

#define STEP_DONE  0
#define STEP_MORE  1
#define STEP_READY 2 /* a reply ended here */

#ifdef __bpf__
static __always_inline int wire_read(void *to, __u32 size, __u64 from)
{
	if (!bpf_probe_read_user(to, size, (const void *)from))
		return 0;
	count(COUNTER_LOSS + EV_LOSS_READ_FAULT);
	return -1;
}

/* Reads a string up to its NUL, and always writes a NUL.  Returns the bytes written, NUL included;
 * 0 or less: the read failed. */
static __always_inline long wire_read_string(void *to, __u32 size, __u64 from)
{
	return bpf_probe_read_user_str(to, size, (const void *)from);
}

/* Moves size bytes down within one buffer.  from must be above to. */
static __always_inline void wire_shift(void *to, __u32 size, const void *from)
{
	bpf_probe_read_kernel(to, size, from);
}

/* The same for a string, which may end earlier. */
static __always_inline long wire_shift_string(void *to, __u32 size, const void *from)
{
	return bpf_probe_read_kernel_str(to, size, from);
}

#define wire_count(which) count(which)
#else
int wire_read(void *to, __u32 size, __u64 from);
long wire_read_string(void *to, __u32 size, __u64 from);
void wire_shift(void *to, __u32 size, const void *from);
long wire_shift_string(void *to, __u32 size, const void *from);
void wire_count(__u32 which);
#endif

static __always_inline __u32 be32(const __u8 *p)
{
	return (__u32)p[0] << 24 | (__u32)p[1] << 16 | (__u32)p[2] << 8 | p[3];
}

static __always_inline __u32 le32(const __u8 *p)
{
	return (__u32)p[3] << 24 | (__u32)p[2] << 16 | (__u32)p[1] << 8 | p[0];
}

static __always_inline __u32 le24(const __u8 *p)
{
	return (__u32)p[2] << 16 | (__u32)p[1] << 8 | p[0];
}

#define TLS_HANDSHAKE 0x16
#define TLS_LONGEST   (16384 + 2048) /* bytes of one record */

/* Does a message of n bytes begin with a TLS record (RFC 8446, 5.1)?  Its five-byte header may come
 * alone. */
static __always_inline int is_tls_record(const __u8 *head, __u32 n)
{
	__u32 length = (__u32)head[3] << 8 | head[4];

	return head[0] >= 0x14 && head[0] <= 0x17 && head[1] == 3 && head[2] >= 1 && head[2] <= 3 &&
	       length && length <= TLS_LONGEST && (n == 5 || length + 5 <= n);
}

static __always_inline __u32 le16(const __u8 *p)
{
	return (__u32)p[1] << 8 | p[0];
}

/* The same for bytes in a map's value, with a single load. */
static __always_inline __u32 be32_at(const __u8 *p)
{
	return __builtin_bswap32(word_at(p));
}

static __always_inline __u32 le24_at(const __u8 *p)
{
	return word_at(p) & 0xffffff;
}

static __always_inline void frame_reset(struct message_frame *f)
{
	f->left = 0;
	f->head_len = 0;
	f->offset = 0;
	f->continues = 0;
}

static __always_inline void wire_unaligned(struct tracked_connection *c)
{
	c->ev.flags |= EV_CONN_UNALIGNED | EV_CONN_TRUNCATED;
	wire_count(COUNTER_LOSS + EV_LOSS_TRUNCATED);
}

/* The boundaries of the client's messages are lost.  A request may have gone by unseen, so one is
 * taken to be outstanding. */
static __always_inline void wire_lost(struct tracked_connection *c)
{
	wire_unaligned(c);
	c->lost = 1;
	c->collecting = 0;
	if (!c->pending)
		c->pending = 1;
	if (!c->ev.request_ns)
		c->ev.request_ns = c->now;
}

/* Skips the rest of the current message.  Returns how many bytes of the chunk remain. */
static __always_inline __u32 frame_skip(struct message_frame *f, __u32 n)
{
	__u32 remain = n - f->offset;

	if (f->offset >= n)
		return 0;
	if (f->left) {
		__u32 skip = f->left < remain ? f->left : remain;

		f->left -= skip;
		f->offset += skip;
		remain -= skip;
	}
	return remain;
}

/* Fills the frame's head with the first bytes of the next message, want at most.  Returns how many
 * the head holds; 0: the read failed. */
static __always_inline __u32 frame_fill(struct message_frame *f, __u64 chunk, __u32 remain,
					__u32 want)
{
	__u32 held = f->head_len & (FRAME_HEAD - 1);
	__u32 take = want > held ? want - held : 0;

	if (take > remain)
		take = remain;
	if (!take)
		return held;
	OPAQUE(take);
	if (take > FRAME_HEAD)
		return 0;
	if (wire_read(f->head + held, take, chunk + f->offset))
		return 0;
	return held + take;
}

/* Keeps a head that is not whole yet for the next chunk. */
static __always_inline int frame_wait(struct message_frame *f, __u32 have, __u32 n)
{
	f->head_len = have;
	f->offset = n;
	return STEP_DONE;
}

/* Steps over the message whose head is filled.  total: its length with the header. */
static __always_inline int frame_pass(struct message_frame *f, __u32 total, __u32 n)
{
	__u32 rest = total > f->head_len ? total - f->head_len : 0;
	__u32 remain = n - f->offset;

	f->head_len = 0;
	if (rest > remain) {
		f->left = rest - remain;
		f->offset = n;
		return STEP_DONE;
	}
	f->offset += rest;
	return f->offset < n ? STEP_MORE : STEP_DONE;
}

/* The client sends again.  If it was silent inside a transaction, note how long. */
static __always_inline void wire_pause(struct tracked_connection *c)
{
	__u64 gap;

	if (LIKELY(c->ev.status < EV_STATUS_TRANSACTION) || c->pending || !c->ev.used_ns)
		return;
	gap = c->now > c->ev.used_ns ? c->now - c->ev.used_ns : 0;
	if (gap > c->ev.longest_gap_ns)
		c->ev.longest_gap_ns = gap;
}

/* The client sends a request. */
static __always_inline void wire_request(struct tracked_connection *c)
{
	wire_pause(c);
	c->ev.requests++;
	c->pending++;
	if (!c->ev.request_ns)
		c->ev.request_ns = c->now;
}

static __always_inline void wire_status(struct tracked_connection *c, __u8 status, int rolled_back)
{
	__u8 was = c->ev.status;

	if (status >= EV_STATUS_TRANSACTION && was < EV_STATUS_TRANSACTION) {
		c->ev.begun++;
		c->ev.transaction_ns = c->ev.request_ns ? c->ev.request_ns : c->now;
	} else if (status < EV_STATUS_TRANSACTION && was >= EV_STATUS_TRANSACTION) {
		if (rolled_back || was == EV_STATUS_FAILED)
			c->ev.rolled_back++;
		else
			c->ev.committed++;
		c->ev.transaction_ns = 0;
	}
	if (status < EV_STATUS_TRANSACTION)
		c->ev.flags &= ~(EV_CONN_WROTE | EV_CONN_CURSOR);
	c->ev.status = status;
}

static __always_inline void sent_reset(struct tracked_connection *c)
{
	frame_reset(&c->sent);
	c->collecting = 0;
	c->lost = 0;
}

/* No reply is outstanding any more. */
static __always_inline void wire_quiet(struct tracked_connection *c)
{
	c->pending = 0;
	c->fifo = 0;
	c->ev.request_ns = 0;
	c->walking = c->walking && c->pipelines;
	c->copying = 0;
	c->flushed = 0;
	c->doubts = 0;
	c->group_received = c->group_sent;
	c->stage = STAGE_FIRST;
	if (c->ev.flags & EV_CONN_UNALIGNED) {
		c->ev.flags &= ~EV_CONN_UNALIGNED;
		sent_reset(c);
		frame_reset(&c->received);
	}
}

static __always_inline void wire_reply_begins(struct tracked_connection *c)
{
	c->replying = 1;
	c->reply_bytes = 0;
	c->reply_rows = 0;
	c->rows_estimated = 0;
	c->reply_began_ns = c->ev.request_ns;
	c->resident = 0;
}

static __always_inline void wire_reply_grows(struct tracked_connection *c, __u32 n)
{
	c->reply_bytes += n;
	if (UNLIKELY(c->reply_bytes >= RESULT_MARK) && !c->resident)
		c->resident = ledger_resident();
}

static __always_inline void wire_reply_ends(struct tracked_connection *c)
{
	c->replying = 0;
	if (c->reply_rows != UNKNOWN64)
		c->ev.rows += c->reply_rows;
	if (c->reply_bytes >= RESULT_TELL ||
	    (c->reply_rows >= RESULT_TELL_ROWS && c->reply_rows != UNKNOWN64))
		ledger_result(c);
}

#define TAIL_ENOUGH 16

/* Keeps the last TAIL_LEN bytes received in c->tail. */
static __always_inline void wire_tail(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	__u32 at;

	if (n >= TAIL_LEN) {
		wire_read(c->tail, TAIL_LEN, chunk + n - TAIL_LEN);
		return;
	}
	if (!n)
		return;
	OPAQUE(n);
	if (n >= TAIL_LEN)
		return;
	/* A chunk that begins a reply and has all bytes that are ever sought needs no older bytes
	 * before it. */
	at = TAIL_LEN - n;
	OPAQUE(at);
	if (at > TAIL_LEN)
		return;
	if (c->reply_bytes == n && n >= TAIL_ENOUGH) {
		wire_read(c->tail + at, n, chunk);
		return;
	}
	if (wire_read(c->tail + TAIL_LEN, n, chunk))
		return;
	wire_shift(c->tail, TAIL_LEN, c->tail + n);
}

/* Starts a new text in the SQL slot.  The text must be too short to reach the slot's last word. */
static __always_inline void sql_begin_short(struct tracked_connection *c)
{
	c->body = 0;
	c->sql.length = 0;
	c->sql.cut = 0;
	c->sql.sent_ns = c->now;
}

/* Starts a new text in the SQL slot, and zeroes the slot's last word, so that no old bytes stay
 * behind the new text. */
static __always_inline void sql_begin(struct tracked_connection *c, __u32 cut)
{
	sql_begin_short(c);
	c->sql.cut = cut;
	zero_at(c->sql.text + EV_SQL_LEN - 8);
}

static __always_inline void sql_end(struct tracked_connection *c, __u32 length)
{
	c->sql.length = length;
	if (length <= EV_SQL_LEN - 8)
		zero_at(c->sql.text + length);
}

/* Copies the SQL at from into the connection's slot, with zeros behind it. */
static __always_inline void wire_sql(struct tracked_connection *c, __u64 from, __u32 length)
{
	__u32 take = length < EV_SQL_LEN ? length : EV_SQL_LEN;

	sql_begin(c, length > EV_SQL_LEN);
	if (!take)
		return;
	OPAQUE(take);
	take &= 2 * EV_SQL_LEN - 1; /* always true; the verifier needs it */
	if (!wire_read(c->sql.text, take, from))
		sql_end(c, take);
}

/* The same for a text that ends with a NUL within there bytes. */
static __always_inline void wire_sql_string(struct tracked_connection *c, __u64 from, __u32 there)
{
	__u32 take = there < EV_SQL_LEN ? there : EV_SQL_LEN;
	long length;

	sql_begin(c, 0);
	if (!take)
		return;
	OPAQUE(take);
	take &= 2 * EV_SQL_LEN - 1; /* always true; the verifier needs it */
	length = wire_read_string(c->sql.text, take, from);
	if (length <= 0 || length > EV_SQL_LEN)
		return;
	c->sql.cut = length == take;
	sql_end(c, length - 1);
}

/* A request's body is only partly in this chunk.  Its first bytes will gather in the SQL slot. */
static __always_inline void wire_collect_begin(struct tracked_connection *c, __u8 what,
					       __u32 length)
{
	sql_begin(c, length > EV_SQL_LEN);
	c->collecting = what;
	c->wanted = length < EV_SQL_LEN ? length : EV_SQL_LEN;
}

/* Copies the bytes of this chunk.  Returns 1 when all wanted bytes are in the slot. */
int wire_collect(struct tracked_connection *c, __u64 from, __u32 there);

/* Returns the offset of the next word of the SQL in the slot, from offset at on. */
__u32 wire_skip_space(struct tracked_connection *c, __u32 at);

/* Returns eight letters of the SQL in the slot from offset at on, in lower case. */
static __always_inline __u64 wire_keyword(const struct tracked_connection *c, __u32 at)
{
	__u64 word;

	OPAQUE(at);
	if (at > EV_SQL_LEN - 8)
		return 0;
	__builtin_memcpy(&word, c->sql.text + at, 8);
	return word | LETTERS;
}

static __always_inline __u64 wire_hash_step(__u64 hash, __u8 byte)
{
	return (hash ^ byte) * 0x100000001b3ULL; /* FNV-1a */
}

#define HASH_START   0xcbf29ce484222325ULL
#define NAME_LONGEST (EV_NAME_LEN - 1) /* bytes of a name that a server keeps */
/* Ordinal for SQL's PREPARE, which no ParseComplete answers. */
#define UNANSWERED 0xff
/* Hashes the name in the SQL text from offset at on.  c->name_end receives the offset of its end.
 * Quotes are left out, and letters outside quotes are made lower case as the server does.  So the
 * hash equals that of the same name in a Parse message. */
__u64 wire_sql_name(struct tracked_connection *c, __u32 at);

/* Remembers a statement opened by a request that may still fail. */
static __always_inline void wire_doubt(struct tracked_connection *c, __u64 statement, __u8 ordinal)
{
	__u32 at = c->doubts;

	if (at >= DOUBTS)
		return;
	c->doubt[at & (DOUBTS - 1)] = statement;
	c->doubt_ordinal[at & (DOUBTS - 1)] = ordinal;
	c->doubt_group[at & (DOUBTS - 1)] = c->group_sent;
	c->doubts = at + 1;
}

/* The request failed, so the statement was never opened: take it out of the counts. */
static __always_inline void wire_undo(struct tracked_connection *c, __u64 statement)
{
	__u32 before = c->ev.unprepared;

	ledger_statement_close(c, statement);
	if (c->ev.unprepared == before || !c->ev.prepared)
		return;
	c->ev.prepared--;
	c->ev.unprepared--;
}

/* Applies the changes that the SQL text in the slot makes to the connection's state. */
int wire_sql_effects(struct tracked_connection *c);

/* The same, with a fast way out: the first two letters of most texts show that they change
 * nothing. */
static __always_inline void wire_sql_effects_of(struct tracked_connection *c)
{
	__u32 two = ((__u32)(__u8)c->sql.text[0] | (__u32)(__u8)c->sql.text[1] << 8) | 0x2020;

	if (two == ('s' | 'e' << 8) || two == ('b' | 'e' << 8) || two == ('c' | 'o' << 8) ||
	    two == ('w' | 'i' << 8) || two == ('f' | 'e' << 8))
		return;
	wire_sql_effects(c);
}

#endif
