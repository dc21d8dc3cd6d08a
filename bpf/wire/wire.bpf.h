/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * wire.bpf.h - what both protocols share: framing across reads, transactions, replies, SQL.
 *
 * The parsers trust nothing: every length is bounded, a read that fails or a walk that does not
 * end gives up the alignment of that direction until the next request, and says so.  Steps are
 * global functions, so that the verifier sees each once and not once per loop turn.  Outside the
 * kernel tests provide wire_read().
 */
#ifndef DBLEAK_WIRE_BPF_H
#define DBLEAK_WIRE_BPF_H

#include "bpf/keyword.bpf.h"
#include "bpf/ledger/ledger.bpf.h"
#include "bpf/verifier.bpf.h"

#define RESULT_MARK	 (128 << 10) /* bytes of a reply after which memory is looked at */
#define RESULT_TELL	 (1 << 20)   /* bytes of a reply worth a record */
#define RESULT_TELL_ROWS 10000
#define WALK_STEPS	 256 /* messages walked in one chunk */

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

/* Reads up to a NUL and no further, and ends with one.  Returns how many bytes, the NUL included,
 * or what is not positive. */
static __always_inline long wire_read_string(void *to, __u32 size, __u64 from)
{
	return bpf_probe_read_user_str(to, size, (const void *)from);
}

/* Moves size bytes down within one buffer; from lies above to. */
static __always_inline void wire_shift(void *to, __u32 size, const void *from)
{
	bpf_probe_read_kernel(to, size, from);
}

/* The same for a string that may end before. */
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
#define TLS_LONGEST   (16384 + 2048) /* of a record */

/* Does a message of n bytes begin with a TLS record (RFC 8446, 5.1)?  Its head may come alone. */
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

/* The same in a map's value, with one load. */
static __always_inline __u32 be32_at(const __u8 *p)
{
	return __builtin_bswap32(word_at(p));
}

static __always_inline __u32 le24_at(const __u8 *p)
{
	return word_at(p) & 0xffffff;
}

static __always_inline void frame_reset(struct frame *f)
{
	f->left = 0;
	f->head_len = 0;
	f->offset = 0;
	f->continues = 0;
}

static __always_inline void wire_unaligned(struct connection *c)
{
	c->ev.flags |= EV_CONN_UNALIGNED | EV_CONN_TRUNCATED;
	wire_count(COUNTER_LOSS + EV_LOSS_TRUNCATED);
}

/* The client's boundaries are lost.  A request may have gone by: one is taken to be outstanding. */
static __always_inline void wire_lost(struct connection *c)
{
	wire_unaligned(c);
	c->lost = 1;
	c->collecting = 0;
	if (!c->pending)
		c->pending = 1;
	if (!c->ev.request_ns)
		c->ev.request_ns = c->now;
}

/* Skips what is left of the message under way.  Returns how many bytes of the chunk remain. */
static __always_inline __u32 frame_skip(struct frame *f, __u32 n)
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

/* Fills the head with the next message's first bytes, want at most.  Returns how many are there,
 * 0 on a fault. */
static __always_inline __u32 frame_fill(struct frame *f, __u64 chunk, __u32 remain, __u32 want)
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

/* The head is not whole yet: keep it for the next chunk. */
static __always_inline int frame_wait(struct frame *f, __u32 have, __u32 n)
{
	f->head_len = have;
	f->offset = n;
	return STEP_DONE;
}

/* Passes the message whose head is filled; total is its whole length. */
static __always_inline int frame_pass(struct frame *f, __u32 total, __u32 n)
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

/* The client speaks: if it was silent inside a transaction, for how long? */
static __always_inline void wire_pause(struct connection *c)
{
	__u64 gap;

	if (LIKELY(c->ev.status < EV_STATUS_TRANSACTION) || c->pending || !c->ev.used_ns)
		return;
	gap = c->now > c->ev.used_ns ? c->now - c->ev.used_ns : 0;
	if (gap > c->ev.longest_gap_ns)
		c->ev.longest_gap_ns = gap;
}

/* A request leaves. */
static __always_inline void wire_request(struct connection *c)
{
	wire_pause(c);
	c->ev.requests++;
	c->pending++;
	if (!c->ev.request_ns)
		c->ev.request_ns = c->now;
}

static __always_inline void wire_status(struct connection *c, __u8 status, int rolled_back)
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

static __always_inline void sent_reset(struct connection *c)
{
	frame_reset(&c->sent);
	c->collecting = 0;
	c->lost = 0;
}

/* All replies that were due have ended. */
static __always_inline void wire_quiet(struct connection *c)
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

static __always_inline void wire_reply_begins(struct connection *c)
{
	c->replying = 1;
	c->reply_bytes = 0;
	c->reply_rows = 0;
	c->rows_estimated = 0;
	c->reply_began_ns = c->ev.request_ns;
	c->resident = 0;
}

static __always_inline void wire_reply_grows(struct connection *c, __u32 n)
{
	c->reply_bytes += n;
	if (UNLIKELY(c->reply_bytes >= RESULT_MARK) && !c->resident)
		c->resident = ledger_resident();
}

static __always_inline void wire_reply_ends(struct connection *c)
{
	c->replying = 0;
	if (c->reply_rows != UNKNOWN64)
		c->ev.rows += c->reply_rows;
	if (c->reply_bytes >= RESULT_TELL ||
	    (c->reply_rows >= RESULT_TELL_ROWS && c->reply_rows != UNKNOWN64))
		ledger_result(c);
}

#define TAIL_ENOUGH 16

/* Keeps the last bytes of what is received. */
static __always_inline void wire_tail(struct connection *c, __u64 chunk, __u32 n)
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
	/* What begins a reply and is long enough for all that is sought needs nothing before it. */
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

/* A new text comes into the slot, not so long that it reaches the last word. */
static __always_inline void sql_begin_short(struct connection *c)
{
	c->body = 0;
	c->sql.length = 0;
	c->sql.cut = 0;
	c->sql.sent_ns = c->now;
}

/* A new text comes into the slot; what it does not cover of the last word is zero. */
static __always_inline void sql_begin(struct connection *c, __u32 cut)
{
	sql_begin_short(c);
	c->sql.cut = cut;
	zero_at(c->sql.text + EV_SQL_LEN - 8);
}

static __always_inline void sql_end(struct connection *c, __u32 length)
{
	c->sql.length = length;
	if (length <= EV_SQL_LEN - 8)
		zero_at(c->sql.text + length);
}

/* Copies the SQL that starts at from into the connection's slot, zeros after it. */
static __always_inline void wire_sql(struct connection *c, __u64 from, __u32 length)
{
	__u32 take = length < EV_SQL_LEN ? length : EV_SQL_LEN;

	sql_begin(c, length > EV_SQL_LEN);
	if (!take)
		return;
	OPAQUE(take);
	take &= 2 * EV_SQL_LEN - 1; /* it is less: for the verifier */
	if (!wire_read(c->sql.text, take, from))
		sql_end(c, take);
}

/* The same for text that ends with a NUL within there bytes. */
static __always_inline void wire_sql_string(struct connection *c, __u64 from, __u32 there)
{
	__u32 take = there < EV_SQL_LEN ? there : EV_SQL_LEN;
	long length;

	sql_begin(c, 0);
	if (!take)
		return;
	OPAQUE(take);
	take &= 2 * EV_SQL_LEN - 1; /* it is less: for the verifier */
	length = wire_read_string(c->sql.text, take, from);
	if (length <= 0 || length > EV_SQL_LEN)
		return;
	c->sql.cut = length == take;
	sql_end(c, length - 1);
}

/* The body of a request is not all in this chunk: its first bytes gather in the slot. */
static __always_inline void wire_collect_begin(struct connection *c, __u8 what, __u32 length)
{
	sql_begin(c, length > EV_SQL_LEN);
	c->collecting = what;
	c->wanted = length < EV_SQL_LEN ? length : EV_SQL_LEN;
}

/* Takes what has come.  Returns 1 when all that was wanted is there. */
int wire_collect(struct connection *c, __u64 from, __u32 there);

/* Where the next word of the SQL in the slot begins, from at on. */
__u32 wire_skip_space(struct connection *c, __u32 at);

/* Eight letters of the SQL in the slot from at on, lower case. */
static __always_inline __u64 wire_keyword(const struct connection *c, __u32 at)
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
#define NAME_LONGEST (EV_NAME_LEN - 1) /* what a server keeps of a name */
/* Ordinal of a statement whose ParseComplete never comes: SQL's PREPARE */
#define UNANSWERED 0xff
/* Hash of the name in the SQL text from at on; where it ends goes to c->name_end.  Quotes are left
 * out and letters without them are lower case, as the server has it, so it equals the hash of the
 * same name in a Parse message. */
__u64 wire_sql_name(struct connection *c, __u32 at);

/* A statement was opened by a request that may still fail. */
static __always_inline void wire_doubt(struct connection *c, __u64 statement, __u8 ordinal)
{
	__u32 at = c->doubts;

	if (at >= DOUBTS)
		return;
	c->doubt[at & (DOUBTS - 1)] = statement;
	c->doubt_ordinal[at & (DOUBTS - 1)] = ordinal;
	c->doubt_group[at & (DOUBTS - 1)] = c->group_sent;
	c->doubts = at + 1;
}

/* It has failed: it was never opened. */
static __always_inline void wire_undo(struct connection *c, __u64 statement)
{
	__u32 before = c->ev.unprepared;

	ledger_statement_close(c, statement);
	if (c->ev.unprepared == before || !c->ev.prepared)
		return;
	c->ev.prepared--;
	c->ev.unprepared--;
}

/* What the SQL text in the slot changes by itself. */
int wire_sql_effects(struct connection *c);

/* The same; most texts begin so that a glance tells they change nothing. */
static __always_inline void wire_sql_effects_of(struct connection *c)
{
	__u32 two = ((__u32)(__u8)c->sql.text[0] | (__u32)(__u8)c->sql.text[1] << 8) | 0x2020;

	if (two == ('s' | 'e' << 8) || two == ('b' | 'e' << 8) || two == ('c' | 'o' << 8) ||
	    two == ('w' | 'i' << 8) || two == ('f' | 'e' << 8))
		return;
	wire_sql_effects(c);
}

#endif
