/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * wire_mysql.bpf.h - the MySQL and MariaDB protocol, as far as it changes state.
 *
 * Source: MySQL Internals, "Client/Server Protocol"; MariaDB Knowledge Base, "Clientserver
 * protocol".
 *
 * Both directions are walked packet by packet, because the last bytes of a reply alone do not show
 * its end.  If a chunk has more rows than we walk, the reply becomes unaligned: its rows are then
 * estimated, and its end is sought in the tail.  The packets of one reply are numbered; a packet
 * with a wrong number is not believed.  The handshake response is read for capabilities, user and
 * database; its secret is stepped over unread.
 *
 * The phases of a connection.  A connection found in mid-stream begins in READY.
 *
 *    GREETED --+-- handshake response --> AUTH -- OK --> READY -- COM_CHANGE_USER --> AUTH
 *              |                          ERR: EV_CONN_REFUSED, the phase stays AUTH
 *              |
 *              +-- SSLRequest: encrypted --------------> READY
 *
 * The stages of a reply (connection.stage):
 *
 *    FIRST --+-- column count --> COLUMNS --+--> COLUMNS_END --+--> ROWS -- EOF, OK, ERR --> end
 *            |                              |                  ^
 *            |                              +------------------+  with MY_DEPRECATE_EOF
 *            |
 *            +-- OK of COM_STMT_PREPARE --> SKIP -- last description --> end
 *            |
 *            +-- OK, EOF, ERR -----------------------------------------> end
 *
 * An end with SERVER_MORE_RESULTS_EXISTS leads back to FIRST.  The rows of COM_STMT_FETCH and
 * COM_FIELD_LIST have no column count before them and are counted in FIRST.
 */
#include "bpf/wire/wire_mysql_attributes.bpf.h"
#include "bpf/wire/wire_window.bpf.h"

#define MY_HEADER	    4
#define MY_HEAD		    32 /* bytes of a reply's packet that are read */
#define MY_LONGEST_PACKET   0xffffffU
#define MY_RESPONSE_HEAD    (MY_HEADER + 4)
#define MY_USER_AT	    (MY_HEADER + 32)
#define MY_GREETING_HEAD    96
#define MY_DEADLOCK	    1213 /* the server rolled the transaction back */
#define MY_LONGEST_GREETING 512

/* Capabilities. */
#define MY_WITH_DB	     0x8U
#define MY_COMPRESS	     0x20U
#define MY_PROTOCOL_41	     0x200U
#define MY_SSL		     0x800U
#define MY_SECURE	     0x8000U
#define MY_LENENC_AUTH	     0x200000U
#define MY_DEPRECATE_EOF     0x1000000U
#define MY_OPTIONAL_METADATA 0x2000000U
#define MY_ZSTD		     0x4000000U
#define MY_QUERY_ATTRIBUTES  0x8000000U

/* Server status. */
#define MY_IN_TRANSACTION 0x0001
#define MY_MORE_RESULTS	  0x0008
#define MY_CURSOR_EXISTS  0x0040
#define MY_UNUSED	  0x0004 /* no status bit: never set */

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

/* The kind of reply that a command has. */
enum {
	REPLY_RESULT = 1,
	REPLY_PREPARE = 2,
	REPLY_EXECUTE = 3,
	REPLY_ROWS = 4, /* rows, with no column count before them */
	REPLY_ONE = 5,	/* a single packet of any kind */
	REPLY_AUTH = 6,
	REPLY_RESET = 7, /* the command rolls the transaction back */
};

static __always_inline int my_is_command(__u8 command)
{
	return (command >= 1 && command <= MY_LAST_COMMAND) || command == MARIADB_BULK_EXECUTE;
}

/* Is this a server's first packet?  head: the header and at least 2 bytes of the body. */
static __always_inline int my_is_greeting(const __u8 *head)
{
	__u32 length = le24(head);

	if (head[3] != 0 || length < 5 || length > MY_LONGEST_GREETING)
		return 0;
	/* The version: MySQL's own; MariaDB's, which begins with 5.5.5 before 11, and with 11 and
	 * more from then on. */
	if (head[4] == 0x0a && head[5] >= '1' && head[5] <= '9')
		return 1;
	return head[4] == 0xff &&
	       (head[6] == 0x04 || head[6] == 0x05 || head[6] == 0x0f); /* ER_* */
}

/* Mid-stream: does a send of n bytes look like one command? */
static __always_inline int my_is_request(const __u8 *head, __u32 n)
{
	if (n < MY_HEADER + 1 || head[3] != 0 || le24(head) + MY_HEADER != n)
		return 0;
	if (head[4] == MY_QUERY && n > MY_HEADER + 5 && my_has_attributes(head + 5))
		return 1;
	if (head[4] == MY_QUERY || head[4] == MY_STMT_PREPARE)
		return n > MY_HEADER + 3 && head[5] >= '\t' && head[5] < 0x7f;
	return (head[4] == MY_STMT_EXECUTE && n >= 14) || (head[4] == 0x0e && n == 5) ||
	       (head[4] == MY_QUIT && n == 5);
}

static __always_inline int my_is_reply(const __u8 *head, __u32 n)
{
	return n > MY_HEADER && head[3] == 1 && le24(head) > 0 && le24(head) + MY_HEADER <= n;
}

/* Is it known how result sets end on this connection?  Not if it is older than dbleak's start. */
static __always_inline int my_known(const struct tracked_connection *c)
{
	return !!(c->capabilities & MY_PROTOCOL_41);
}

static __always_inline void my_push(struct tracked_connection *c, __u8 kind)
{
	if (!c->pending) {
		frame_reset(&c->received);
		c->stage = STAGE_FIRST;
		c->sequence = 1;
		c->infile = 0;
	}
	if (c->pending < FIFO_DEPTH)
		c->fifo |= (__u64)kind << (8 * (c->pending & (FIFO_DEPTH - 1)));
	else
		c->ev.flags |= EV_CONN_PIPELINED;
	wire_request(c);
}

/* Takes the text of a command: length bytes at from, there of them in this chunk. */
static __always_inline void my_text(struct tracked_connection *c, __u8 command, __u64 from,
				    __u32 length, __u32 there)
{
	if (there < length && there < EV_SQL_LEN) {
		wire_collect_begin(c, command, length);
		wire_collect(c, from, there);
		return;
	}
	wire_sql(c, from, length);
	if (command == MY_QUERY)
		wire_sql_effects_of(c);
}

static __always_inline void my_gathered(struct tracked_connection *c)
{
	if (c->collecting == MY_QUERY)
		wire_sql_effects_of(c);
	c->collecting = 0;
}

/* Copies a string that ends within there bytes.  Returns its length with the NUL; 0: none. */
static __always_inline __u32 my_string(char *to, __u64 from, __u32 there)
{
	__u32 take = there < EV_NAME_LEN ? there : EV_NAME_LEN;
	__u8 last = 1;
	long length;

	to[0] = 0;
	if (!take)
		return 0;
	OPAQUE(take);
	if (take > EV_NAME_LEN)
		return 0;
	length = wire_read_string(to, take, from);
	/* A string that fills the room is cut, unless its NUL is the last byte at hand. */
	if (length > 0 &&
	    (length < take || (take == there && !wire_read(&last, 1, from + take - 1) && !last)))
		return length;
	to[0] = 0;
	return 0;
}

/* Reads the user and, behind the secret, the database at from.  there: bytes at hand. */
static __always_inline void my_names(struct tracked_connection *c, __u64 from, __u32 there,
				     int database)
{
	char *user = c->identity.startup, *name = c->identity.startup + EV_NAME_LEN;
	__u32 at = my_string(user, from, there);
	__u8 secret = 0;

	name[0] = 0;
	c->identity.startup_length = 2 * EV_NAME_LEN;
	/* A secret of 251 bytes or more has a longer length prefix; no known method has one. */
	if (!database || !at || at >= there || wire_read(&secret, 1, from + at) || secret > 250)
		return;
	at += 1 + secret;
	if (at < there)
		my_string(name, from + at, there - at);
}

/* A query with so many attributes, whose rest behind the frame's head is at from. */
static __always_inline void my_query(struct tracked_connection *c, __u64 from, __u32 length,
				     __u32 there, __u32 attributes)
{
	__u32 before;

	my_push(c, REPLY_RESULT);
	before = my_attributes(c, from, there, attributes);
	if (before >= length) { /* a text that is not found, or none */
		c->collecting = 0;
		sql_begin(c, 1);
		sql_end(c, 0);
		return;
	}
	my_text(c, MY_QUERY, from + before, length - before, there > before ? there - before : 0);
}

static __always_inline void my_change_user(struct tracked_connection *c, __u64 from, __u32 there)
{
	ledger_statements_drop(c);
	c->phase = PHASE_AUTH;
	my_push(c, REPLY_AUTH);
	my_names(c, from, there, 1);
}

/* How long is the head of this command?  Its first MY_HEADER + 1 bytes are filled. */
static __always_inline __u32 my_head_size(const struct tracked_connection *c, __u32 length)
{
	__u8 command = c->sent.head[4];

	if (command == MY_STMT_CLOSE && length == 5)
		return MY_HEADER + 5;
	if (command == MY_QUERY && (c->capabilities & MY_QUERY_ATTRIBUTES) &&
	    length > ATTRIBUTES_HEAD)
		return MY_HEADER + 1 + ATTRIBUTES_HEAD;
	return MY_HEADER + 1;
}

/* Handles a command whose head of size bytes is filled, of which some may have come in the last
 * chunk. */
static __always_inline void my_command(struct tracked_connection *c, __u64 chunk, __u32 remain,
				       __u32 length, __u32 size)
{
	struct message_frame *f = &c->sent;
	__u32 body = size - (f->head_len < size ? f->head_len : size);
	__u64 from = chunk + f->offset + body;
	__u32 there = remain > body ? remain - body : 0;

	length = MY_HEADER + length - size; /* behind the head */
	if (there > length)
		there = length;
	switch (f->head[4]) {
	case MY_QUIT:
		c->ev.flags |= EV_CONN_TERMINATED;
		break;
	case MY_QUERY:
		my_query(c, from, length, there, size > MY_HEADER + 1 ? f->head[5] : 0);
		break;
	case MY_STMT_PREPARE:
		my_push(c, REPLY_PREPARE);
		c->asks |= ASK_PREPARING;
		my_text(c, MY_STMT_PREPARE, from, length, there);
		break;
	case MY_STMT_EXECUTE:
	case MARIADB_BULK_EXECUTE:
		my_push(c, REPLY_EXECUTE);
		break;
	case MY_STMT_CLOSE:
		if (size == MY_HEADER + 5)
			ledger_statement_close(c, le32(f->head + 5));
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
		my_change_user(c, from, there);
		break;
	case MY_RESET_CONNECTION:
		ledger_statements_drop(c);
		my_push(c, REPLY_RESET);
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

/* Walks one packet of the client. */
__noinline int my_request_step(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	struct message_frame *f;
	__u32 remain, have, length, size;

	if (!c)
		return STEP_DONE;
	f = &c->sent;
	remain = frame_skip(f, n);
	if (!remain)
		return STEP_DONE;
	/* The head is the header and the command's byte; few commands need more of it. */
	have = frame_fill(f, chunk, remain, MY_HEADER + 1);
	if (!have) {
		wire_lost(c);
		return STEP_DONE;
	}
	length = le24(f->head);
	if (have < MY_HEADER || (length && have < MY_HEADER + 1))
		return frame_wait(f, have, n);
	if (f->continues) {
		f->continues = length == MY_LONGEST_PACKET;
		if (c->pending == 1)
			c->sequence = f->head[3] + 1;
		return frame_pass(f, length + MY_HEADER, n);
	}
	/* A packet with another number is an answer during login. */
	if (f->head[3] != 0 || !length || !my_is_command(f->head[4]))
		return frame_pass(f, length + MY_HEADER, n);
	size = my_head_size(c, length);
	if (size > MY_HEADER + 1) {
		have = frame_fill(f, chunk, remain, size);
		if (have < size)
			return frame_wait(f, have, n);
	}
	f->continues = length == MY_LONGEST_PACKET;
	my_command(c, chunk, remain, length, size);
	return frame_pass(f, length + MY_HEADER, n);
}

/* Returns 1 when the walk reached the end of the chunk. */
static __always_inline int my_walk_requests(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	int i;

	c->sent.offset = 0;
	for (i = 0; i < WALK_STEPS; i++)
		if (my_request_step(c, chunk, n) == STEP_DONE)
			return 1;
	return 0;
}

static __always_inline void my_response(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	struct message_frame *f = &c->sent;
	__u32 have, length, whole, capabilities;
	int database;

	have = frame_fill(f, chunk, n, MY_RESPONSE_HEAD);
	length = le24(f->head);
	whole = MY_HEADER + length < MY_RESPONSE_HEAD ? MY_HEADER + length : MY_RESPONSE_HEAD;
	if (have < MY_HEADER || have < whole) {
		f->head_len = have;
		return;
	}
	capabilities = whole < MY_RESPONSE_HEAD ? 0 : le32(f->head + 4);
	database = (capabilities & MY_WITH_DB) && (capabilities & (MY_SECURE | MY_LENENC_AUTH));
	if ((capabilities & MY_PROTOCOL_41) && !f->head_len && n > MY_USER_AT)
		my_names(c, chunk + MY_USER_AT, n - MY_USER_AT, database);
	frame_reset(f);
	frame_reset(&c->received);
	c->capabilities = c->capabilities ? c->capabilities & capabilities : capabilities;
	if ((capabilities & MY_SSL) && !(c->ev.flags & EV_CONN_DECRYPTED)) {
		c->ev.flags |= EV_CONN_TLS; /* the response itself comes encrypted */
		c->phase = PHASE_READY;
		return;
	}
	c->identity_version++;
	c->phase = PHASE_AUTH;
	c->fifo = REPLY_AUTH;
	c->pending = 1;
	c->replying = 0;
	c->ev.request_ns = c->now;
}

/* Handles all that the fast path for plain commands leaves. */
__noinline int my_sent_rest(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	__u8 head[MY_HEADER + 1];
	__u32 rest;

	if (!c)
		return 0;
	if (c->phase == PHASE_GREETED) {
		my_response(c, chunk, n);
		return 0;
	}
	/* Answers during login hold secrets.  A file that is being loaded may hold anything. */
	if (c->phase == PHASE_AUTH || c->infile)
		return 0;
	if (c->lost) { /* lost until a command begins at the start of a send */
		if (n < sizeof(head) || wire_read(head, sizeof(head), chunk))
			return 0;
		if (head[3] != 0 || !le24(head) || !my_is_command(head[4]))
			return 0;
		wire_quiet(c);
	}
	/* A new command: the reply whose boundaries were lost must have ended. */
	if ((c->ev.flags & EV_CONN_UNALIGNED) && !c->sent.left && !c->sent.head_len)
		wire_quiet(c);
	rest = c->sent.left < n ? c->sent.left : n;
	if (c->collecting && wire_collect(c, chunk, rest))
		my_gathered(c);
	if (!my_walk_requests(c, chunk, n))
		wire_lost(c);
	return 0;
}

/* Is the connection between two commands, with nothing unusual going on? */
static __always_inline int my_sends_plain(const struct tracked_connection *c)
{
	return c->phase == PHASE_READY && !(c->ev.flags & EV_CONN_UNALIGNED) && !c->infile &&
	       !c->lost && !c->collecting && !c->sent.left && !c->sent.head_len &&
	       !c->sent.continues;
}

/* Clears the window, because what was read into it may hold a secret. */
__noinline int my_forget(struct tracked_connection *c)
{
	__u8 *ahead = c ? wire_ahead(c) : NULL;

	if (ahead)
		zero_all(ahead, AHEAD);
	return 0;
}

/* Handles a query, or the execution of a statement, that is a whole send, with a single read.
 * Returns 0 for any other send. */
static __always_inline int my_plain_command(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	__u32 take = n < AHEAD ? n : AHEAD - 1, length = n - MY_HEADER, skip = 0;
	__u8 *window = wire_ahead(c);

	if (!window || n <= MY_HEADER + 1)
		return 0;
	OPAQUE(take);
	take &= AHEAD - 1;
	if (wire_read(window, take, chunk))
		return 0;
	if (word_at(window) != length || length >= MY_LONGEST_PACKET) /* the length with number 0 */
		goto other;
	if (window[4] == MY_STMT_EXECUTE) {
		my_push(c, REPLY_EXECUTE);
		return 1;
	}
	if (window[4] != MY_QUERY)
		goto other;
	if (n > MY_HEADER + 3 && my_has_attributes(window + 5)) {
		/* On a connection older than dbleak's start, this shows what was agreed on. */
		c->capabilities |= MY_QUERY_ATTRIBUTES;
		skip = ATTRIBUTES_HEAD;
	}
	if ((c->capabilities & MY_QUERY_ATTRIBUTES) && (!skip || window[5]))
		goto other;
	my_push(c, REPLY_RESULT);
	length -= 1 + skip;
	take = length < EV_SQL_LEN ? length : EV_SQL_LEN;
	sql_begin(c, length > EV_SQL_LEN);
	OPAQUE(take);
	take &= 2 * EV_SQL_LEN - 1;
	OPAQUE(skip);
	skip &= ATTRIBUTES_HEAD;
	wire_shift(c->sql.text, take, window + MY_HEADER + 1 + skip);
	sql_end(c, take);
	wire_sql_effects_of(c);
	return 1;
other:
	my_forget(c); /* the command may be COM_CHANGE_USER */
	return 0;
}

static __always_inline void my_sent(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	if (UNLIKELY(!my_sends_plain(c)) || !my_plain_command(c, chunk, n))
		my_sent_rest(c, chunk, n);
}

static __always_inline void my_status(struct tracked_connection *c, __u32 status)
{
	__u64 word = (__u64)(__u8)c->sql.text[0] | (__u64)(__u8)c->sql.text[1] << 8;
	__u8 kind = c->fifo & 0xff;

	wire_status(c, status & MY_IN_TRANSACTION ? EV_STATUS_TRANSACTION : EV_STATUS_IDLE,
		    kind == REPLY_AUTH || kind == REPLY_RESET ||
			    (word | 0x2020) == ('r' | 'o' << 8));
}

/* Aligns the walk again: the next reply begins at a packet's boundary. */
static __always_inline void my_align(struct tracked_connection *c, __u8 sequence)
{
	c->ev.flags &= ~EV_CONN_UNALIGNED;
	frame_reset(&c->received);
	c->stage = STAGE_FIRST;
	c->sequence = sequence;
}

__noinline int my_reply_ends(struct tracked_connection *c)
{
	__u64 after;

	if (!c)
		return 0;
	/* Bytes behind the reply's end belong to the next reply. */
	after = c->part > c->received.offset ? c->part - c->received.offset : 0;
	c->stage = STAGE_FIRST;
	c->infile = 0;
	c->doubts = 0;
	if (c->pending <= 1) {
		wire_reply_ends(c);
		wire_quiet(c);
		return 0;
	}
	c->reply_bytes -= after < c->reply_bytes ? after : 0;
	wire_reply_ends(c);
	c->fifo >>= 8;
	c->pending--;
	c->sequence = 1;
	wire_reply_begins(c);
	c->reply_bytes = after;
	return 0;
}

/* Handles a packet with a server status: another result follows, or the reply ends. */
static __always_inline void my_result_ends(struct tracked_connection *c, __u32 status)
{
	my_status(c, status);
	c->stage = STAGE_FIRST;
	c->infile = 0;
	if (!(status & MY_MORE_RESULTS))
		my_reply_ends(c);
}

/* How many bytes does a length-encoded integer take, by its first byte? */
static __always_inline __u32 my_lenenc(__u8 first)
{
	return first < 0xfb ? 1 : first == 0xfc ? 3 : first == 0xfd ? 4 : first == 0xfe ? 9 : 1;
}

/* Returns the status of an OK packet in head.  Two length-encoded integers stand between the marker
 * and the status. */
static __always_inline __u32 my_ok_status(const __u8 *head)
{
	__u32 at = MY_HEADER + 1;

	at += my_lenenc(head[at & 31]);
	at += my_lenenc(head[at & 31]);
	return le16(head + (at & 31));
}

/* Returns the status of the packet that ends rows: an EOF, or an OK in its place. */
static __always_inline __u32 my_end_status(const __u8 *head, __u32 length)
{
	return length == 5 ? le16(head + 7) : my_ok_status(head);
}

static __always_inline void my_ok(struct tracked_connection *c, const __u8 *head)
{
	__u32 status = my_ok_status(head);

	/* rows were affected */
	if (head[5] && (status & MY_IN_TRANSACTION))
		c->ev.flags |= EV_CONN_WROTE;
	my_result_ends(c, status);
}

static __always_inline void my_failed(struct tracked_connection *c, const __u8 *head)
{
	if (c->doubts)
		wire_undo(c, c->doubt[0]);
	if (le16(head + 5) == MY_DEADLOCK)
		wire_status(c, EV_STATUS_IDLE, 1);
	my_reply_ends(c);
}

static __always_inline void my_prepared(struct tracked_connection *c, const __u8 *head,
					__u32 length)
{
	__u32 columns = le16(head + 9), parameters = le16(head + 11);

	ledger_statement_open(c, le32(head + 5));
	c->expect = columns + parameters;
	if ((c->capabilities & MY_OPTIONAL_METADATA) && length > 12 && !head[16])
		c->expect = 0;
	else if (my_known(c) && !(c->capabilities & MY_DEPRECATE_EOF))
		c->expect += !!columns + !!parameters;
	c->stage = STAGE_SKIP;
	if (!c->expect)
		my_reply_ends(c);
}

/* Steps over the descriptions of a prepared statement.  On a connection older than dbleak's start,
 * an EOF between parameters and columns shows that an EOF follows each of them. */
static __always_inline void my_description(struct tracked_connection *c, const __u8 *head,
					   __u32 length)
{
	if (!my_known(c) && length == 5 && head[4] == 0xfe) {
		c->capabilities |= MY_PROTOCOL_41;
		c->expect += 2;
	}
	if (--c->expect == 0)
		my_reply_ends(c);
}

/* Reads the column count and, where descriptions are agreed to be optional, whether they follow. */
static __always_inline void my_columns(struct tracked_connection *c, const __u8 *head, __u32 length)
{
	__u32 bytes = my_lenenc(head[4]);
	int described = 1;

	if (length < bytes || length > bytes + 1) {
		wire_unaligned(c);
		return;
	}
	c->expect = bytes == 1 ? head[4] : bytes == 3 ? le16(head + 5) : 0;
	if (length > bytes)
		described = head[(MY_HEADER + bytes) & 31];
	if (described && c->expect)
		c->stage = STAGE_COLUMNS;
	else
		c->stage = c->capabilities & MY_DEPRECATE_EOF ? STAGE_ROWS : STAGE_COLUMNS_END;
}

static __always_inline void my_login(struct tracked_connection *c, const __u8 *head)
{
	if (head[4] == 0x00) {
		c->phase = PHASE_READY;
		c->ev.flags |= EV_CONN_AUTHENTICATED;
		c->identity_version++;
		if (c->capabilities & (MY_COMPRESS | MY_ZSTD))
			c->ev.flags |= EV_CONN_COMPRESSED;
		sent_reset(c);
		my_result_ends(c, my_ok_status(head) & ~MY_MORE_RESULTS);
	} else if (head[4] == 0xff) {
		c->ev.flags |= EV_CONN_REFUSED;
		my_reply_ends(c);
	}
}

static __always_inline void my_first(struct tracked_connection *c, const __u8 *head, __u32 length)
{
	__u8 kind = c->fifo & 0xff, first = head[4];

	if (kind == REPLY_AUTH)
		my_login(c, head);
	else if (kind == REPLY_ONE)
		my_reply_ends(c);
	else if (first == 0xff && le16(head + 5) != 0xffff) /* 0xffff: MariaDB progress report */
		my_failed(c, head);
	else if (first == 0xff)
		return;
	else if (kind == REPLY_PREPARE && first == 0)
		my_prepared(c, head, length);
	else if (first == 0)
		my_ok(c, head);
	else if (first == 0xfb)
		c->infile = 1;
	else if (first == 0xfe && length < 9)
		my_result_ends(c, my_end_status(head, length));
	else
		my_columns(c, head, length);
}

static __always_inline void my_row(struct tracked_connection *c, const __u8 *head, __u32 length)
{
	__u32 longest = c->capabilities & MY_DEPRECATE_EOF ? MY_LONGEST_PACKET : 9;

	if (length && head[4] == 0xff)
		my_failed(c, head);
	else if (length && head[4] == 0xfe && length < longest)
		my_result_ends(c, my_end_status(head, length));
	else
		c->reply_rows++;
}

static __always_inline void my_columns_end(struct tracked_connection *c, const __u8 *head,
					   __u32 length)
{
	/* A connection older than dbleak's start: its first result shows which kind of end was
	 * agreed on. */
	if (head[4] != 0xfe || length != 5) {
		c->capabilities |= MY_DEPRECATE_EOF | MY_PROTOCOL_41;
		c->stage = STAGE_ROWS;
		my_row(c, head, length);
		return;
	}
	c->capabilities |= MY_PROTOCOL_41;
	if (le16(head + 7) & MY_CURSOR_EXISTS)
		my_result_ends(c, le16(head + 7));
	else
		c->stage = STAGE_ROWS;
}

/* How many bytes of a packet must be at hand to judge it? */
static __always_inline __u32 my_need(const struct tracked_connection *c, const __u8 *head,
				     __u32 have, __u32 length)
{
	__u32 whole = MY_HEADER + length < MY_HEAD ? MY_HEADER + length : MY_HEAD;

	if (!length || c->received.continues || c->stage == STAGE_COLUMNS)
		return MY_HEADER;
	if (c->stage == STAGE_SKIP)
		return my_known(c) ? MY_HEADER : MY_HEADER + 1;
	if (c->stage == STAGE_ROWS && have > MY_HEADER && head[4] < 0xfe)
		return MY_HEADER;
	return whole;
}

/* Does a packet's number follow the one before?  If another reply begins instead, the end of the
 * last reply was missed. */
static __always_inline int my_in_sequence(struct tracked_connection *c, __u8 number)
{
	if (number == c->sequence || c->phase == PHASE_AUTH || c->infile)
		return 1;
	if (number != 1 || c->stage == STAGE_FIRST || c->pending < 2)
		return 0;
	my_reply_ends(c);
	return 1;
}

static __always_inline void my_packet(struct tracked_connection *c, const __u8 *head, __u32 length)
{
	switch (c->stage) {
	case STAGE_FIRST:
		if ((c->fifo & 0xff) == REPLY_ROWS)
			my_row(c, head, length);
		else
			my_first(c, head, length);
		break;
	case STAGE_COLUMNS:
		if (--c->expect == 0)
			c->stage = c->capabilities & MY_DEPRECATE_EOF ? STAGE_ROWS
								      : STAGE_COLUMNS_END;
		break;
	case STAGE_COLUMNS_END:
		my_columns_end(c, head, length);
		break;
	case STAGE_ROWS:
		my_row(c, head, length);
		break;
	default:
		my_description(c, head, length);
		break;
	}
}

/* Walks one packet of the server. */
__noinline int my_reply_step(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	struct message_frame *f;
	__u32 remain, have, length;

	if (!c)
		return STEP_DONE;
	f = &c->received;
	remain = frame_skip(f, n);
	if (!remain)
		return STEP_DONE;
	have = frame_fill(f, chunk, remain, MY_HEAD);
	if (!have) {
		wire_unaligned(c);
		return STEP_DONE;
	}
	if (have < MY_HEADER)
		return frame_wait(f, have, n);
	length = le24(f->head);
	if (have < my_need(c, f->head, have, length))
		return frame_wait(f, have, n);
	if (f->continues || !c->pending) {
		/* No reply is due: the server says goodbye, or dbleak began in between.  But an EOF
		 * after a description shows how descriptions end. */
		if (!f->continues && length == 5 && f->head[4] == 0xfe)
			c->capabilities |= MY_PROTOCOL_41;
		c->sequence = f->head[3] + 1;
		f->continues = length == MY_LONGEST_PACKET;
		return frame_pass(f, length + MY_HEADER, n);
	}
	if (!my_in_sequence(c, f->head[3])) {
		if (my_known(c) || c->stage != STAGE_FIRST) {
			wire_unaligned(c);
			return STEP_DONE;
		}
		return frame_pass(f, length + MY_HEADER, n);
	}
	c->sequence = f->head[3] + 1;
	f->continues = length == MY_LONGEST_PACKET;
	if (length)
		my_packet(c, f->head, length);
	return c->ev.flags & EV_CONN_UNALIGNED ? STEP_DONE : frame_pass(f, length + MY_HEADER, n);
}

#define WINDOW_COLUMNS 16 /* packets before the first row, in one window */
#define WINDOW_ROWS    128
#define ROWS_RUN       16   /* rows in one call of my_rows, which the verifier checks once */
#define ROW_LONG       1024 /* after a row longer than this nothing is read ahead */
#define WINDOW_CALLS   64   /* windows for one chunk: small rows in a large read */
#define STEP_ODD       4    /* the next packet is left to my_reply_step */
#define STEP_AGAIN     8    /* the window may hold more rows */
#define MY_EOF	       5    /* length of an EOF packet */
#define MY_SHORTEST_OK 7
#define NO_STATUS      0x10000U

/* Are replies walked in the window?  They are when the login is over and packets are expected. */
static __always_inline int my_is_plain(const struct tracked_connection *c)
{
	return c->pending && c->phase == PHASE_READY && !c->received.head_len &&
	       !c->received.continues && !c->infile;
}

/* Returns the status of a result's usual end, or of an OK in its place; NO_STATUS for all else. */
static __always_inline __u32 my_window_end(struct tracked_connection *c, const __u8 *head,
					   __u32 length)
{
	__u8 kind = c->fifo & 0xff;
	__u32 status;

	if (c->stage == STAGE_ROWS)
		return head[4] == 0xfe && length == MY_EOF ? word_at(head + 5) >> 16 : NO_STATUS;
	if (c->stage != STAGE_FIRST || (kind != REPLY_RESULT && kind != REPLY_EXECUTE) || head[4] ||
	    length < MY_SHORTEST_OK)
		return NO_STATUS;
	status = my_ok_status(head);
	if (head[5] && (status & MY_IN_TRANSACTION))
		c->ev.flags |= EV_CONN_WROTE;
	return status;
}

/* Handles a packet before the first row after which the result goes on.  Returns 0 for any
 * other. */
static __always_inline int my_window_passes(struct tracked_connection *c, const __u8 *head,
					    __u32 length, __u32 there)
{
	__u8 kind = c->fifo & 0xff;

	switch (c->stage) {
	case STAGE_COLUMNS:
		if (--c->expect == 0)
			c->stage = c->capabilities & MY_DEPRECATE_EOF ? STAGE_ROWS
								      : STAGE_COLUMNS_END;
		return 1;
	case STAGE_COLUMNS_END:
		if (head[4] != 0xfe || length != MY_EOF || there < MY_HEADER + MY_EOF ||
		    (head[7] & MY_CURSOR_EXISTS))
			return 0;
		c->capabilities |= MY_PROTOCOL_41;
		c->stage = STAGE_ROWS;
		return 1;
	case STAGE_FIRST: /* a column count, and perhaps whether descriptions follow */
		if (length > 2 || there < MY_HEADER + 2 || !head[4] || head[4] >= 0xfb ||
		    (kind != REPLY_RESULT && kind != REPLY_EXECUTE))
			return 0;
		c->expect = head[4];
		if (length == 1 || head[5])
			c->stage = STAGE_COLUMNS;
		else
			c->stage = c->capabilities & MY_DEPRECATE_EOF ? STAGE_ROWS
								      : STAGE_COLUMNS_END;
		return 1;
	default:
		return 0;
	}
}

/* Is this head that of the next packet, and does the packet have no continuation? */
static __always_inline int my_follows(const struct tracked_connection *c, const __u8 *head,
				      __u32 length)
{
	return length && length != MY_LONGEST_PACKET && head[3] == c->sequence;
}

/* Steps over a packet in the window.  Returns 0 when the chunk ends inside the packet. */
static __always_inline int my_window_step(struct tracked_connection *c, __u32 length, __u32 n)
{
	__u32 rest = n - c->received.offset - MY_HEADER;

	c->sequence++;
	if (length > rest) {
		c->received.left = length - rest;
		return 0;
	}
	c->received.offset += MY_HEADER + length;
	return 1;
}

/* Counts rows in the window, which holds take bytes of the chunk from start on.  Returns STEP_READY
 * when another kind of packet comes next, STEP_MORE when the window ends. */
__noinline int my_rows(struct tracked_connection *c, __u32 start, __u32 take, __u32 n)
{
	__u8 *window = c ? wire_window(c) : NULL, *head;
	__u32 at, i, length;

	if (!c || !window)
		return STEP_ODD;
	for (i = 0; i < ROWS_RUN; i++) {
		at = c->received.offset - start;
		if (at + MY_HEADER + 1 > take)
			return STEP_MORE;
		head = window + (at & (WINDOW - 1));
		length = le24_at(head);
		if (!my_follows(c, head, length))
			return STEP_ODD;
		if (head[4] >= 0xfe)
			return STEP_READY;
		c->reply_rows++;
		c->row_long = length > ROW_LONG;
		if (!my_window_step(c, length, n))
			return STEP_DONE;
	}
	return STEP_AGAIN;
}

/* Reads a reply ahead and steps over its packets in the window.  Unusual or cut packets are left to
 * my_reply_step.  The position of the walk is kept in memory only, because the verifier of 6.1
 * would follow every value of a local variable. */
__noinline int my_window(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	__u32 start, at, take, i, length, rest, status;
	__u8 *window, *head;
	int step;

	if (!c)
		return STEP_DONE;
	rest = frame_skip(&c->received, n);
	if (!rest)
		return STEP_DONE;
	window = wire_window(c);
	if (!window || !my_is_plain(c) || rest <= MY_HEADER)
		return STEP_ODD;
	start = c->received.offset;
	take = rest < WINDOW ? rest : WINDOW - 1;
	if (c->row_long && c->stage == STAGE_ROWS)
		take = MY_HEADER + 1;
	OPAQUE(take);
	take &= WINDOW - 1;
	if (wire_read(window, take, chunk + start))
		return STEP_ODD;
	for (i = 0; i < WINDOW_COLUMNS && c->stage != STAGE_ROWS; i++) {
		at = c->received.offset - start;
		if (at + MY_HEADER + 1 > take)
			goto end;
		head = window + (at & (WINDOW - 1));
		length = le24_at(head);
		if (!my_follows(c, head, length))
			return STEP_ODD;
		if (!my_window_passes(c, head, length, take - at))
			break;
		if (!my_window_step(c, length, n))
			return STEP_DONE;
	}
	if (c->stage == STAGE_COLUMNS)
		goto end; /* more columns than one window walks */
	if (c->stage == STAGE_ROWS) {
		step = STEP_AGAIN;
		for (i = 0; i < WINDOW_ROWS / ROWS_RUN && step == STEP_AGAIN; i++)
			step = my_rows(c, start, take, n);
		if (step == STEP_ODD || step == STEP_DONE)
			return step;
		if (step != STEP_READY)
			goto end;
	}
	at = c->received.offset - start;
	if (at + MY_HEADER + 1 > take)
		goto end;
	head = window + (at & (WINDOW - 1));
	length = le24_at(head);
	if (!my_follows(c, head, length) || length > MY_HEAD - MY_HEADER ||
	    at + MY_HEADER + length > take)
		return STEP_ODD;
	status = my_window_end(c, head, length);
	if (status == NO_STATUS)
		return STEP_ODD;
	c->sequence++;
	my_result_ends(c, status);
	c->received.offset += MY_HEADER + length;
end:
	return c->received.offset < n ? STEP_MORE : STEP_DONE;
}

/* Walks on where the first window ended.  Returns 1 when the walk reached the end of the chunk,
 * still aligned. */
__noinline int my_walk_replies(struct tracked_connection *c, __u64 chunk, __u32 n, int step)
{
	int i;

	if (!c)
		return 1;
	c->row_calls = 0; /* counted in memory: the verifier follows each value of a local */
	for (i = 0; i < WALK_STEPS; i++) {
		if (step == STEP_DONE)
			return 1;
		if (step == STEP_ODD) {
			if (my_reply_step(c, chunk, n) == STEP_DONE)
				return !(c->ev.flags & EV_CONN_UNALIGNED);
		} else if (c->row_calls++ >= WINDOW_CALLS) {
			return 0;
		}
		step = my_window(c, chunk, n);
	}
	return 0;
}

/* The chunk was too long to walk.  Estimate its rows: the rest has as many to the byte as the part
 * that was walked. */
static __always_inline void my_estimate(struct tracked_connection *c, __u64 walked, __u32 n)
{
	__u64 at = c->received.offset;

	if (c->stage == STAGE_ROWS && at && at < n)
		c->reply_rows += walked * (n - at) / at;
	c->rows_estimated = 1;
	c->ev.flags |= EV_CONN_UNALIGNED;
}

/* Returns the status of an EOF packet, or of an OK in its place, at p; MY_NO_END: p has neither. */
#define MY_NO_END 0x10000U

static __always_inline __u32 my_eof_at(const __u8 *p)
{
	__u32 status = le16(p + 7);

	return le24(p) == 5 && p[4] == 0xfe && !(status & MY_UNUSED) ? status : MY_NO_END;
}

static __always_inline __u32 my_ok_at(const __u8 *p, __u8 marker)
{
	__u32 status = le16(p + 7);

	return le24(p) == 7 && p[4] == marker && !p[5] && !p[6] && !(status & MY_UNUSED)
		       ? status
		       : MY_NO_END;
}

/* Seeks the reply's end in the last bytes of a chunk that was not walked to its end. */
static __always_inline void my_tail(struct tracked_connection *c)
{
	const __u8 *end = c->tail + TAIL_LEN;
	__u32 status = my_eof_at(end - 9), before;
	__u8 number = end[-6];

	if (status == MY_NO_END) {
		status = my_ok_at(end - 11, 0xfe);
		number = end[-8];
	}
	if (status == MY_NO_END) {
		/* The end of rows, then the OK of the procedure that made them. */
		before = my_eof_at(end - 20);
		if (before == MY_NO_END)
			before = my_ok_at(end - 22, 0xfe);
		if (before == MY_NO_END || !(before & MY_MORE_RESULTS))
			return;
		status = my_ok_at(end - 11, 0x00);
	}
	if (status == MY_NO_END)
		return;
	my_result_ends(c, status);
	if (c->pending)
		my_align(c, status & MY_MORE_RESULTS ? number + 1 : 1);
}

/* Handles a chunk whose end was not reached packet by packet. */
__noinline int my_received_lost(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	if (!c)
		return 0;
	c->received.offset = n;
	wire_tail(c, chunk, n);
	my_tail(c);
	return 0;
}

static __always_inline void my_received(struct tracked_connection *c, __u64 chunk, __u32 n)
{
	__u64 before, mean;
	int step;

	/* A replication stream has no end; in GREETED, the rest of the greeting comes. */
	if (UNLIKELY((c->ev.flags & EV_CONN_REPLICATION) || c->phase == PHASE_GREETED))
		return;
	if (!c->replying)
		wire_reply_begins(c);
	wire_reply_grows(c, n);
	c->part = n;
	if (UNLIKELY(c->ev.flags & EV_CONN_UNALIGNED)) {
		mean = c->reply_rows ? (c->reply_bytes - n) / c->reply_rows : 0;
		if (mean)
			c->reply_rows += n / mean;
		my_received_lost(c, chunk, n);
	} else {
		before = c->reply_rows;
		c->received.offset = 0;
		step = my_window(c, chunk, n);
		if (UNLIKELY(step != STEP_DONE) && !my_walk_replies(c, chunk, n, step)) {
			if (!(c->ev.flags & EV_CONN_UNALIGNED))
				my_estimate(c, c->reply_rows - before, n);
			my_received_lost(c, chunk, n);
		}
	}
	if (!c->pending)
		c->replying = 0;
}

/* Reads the server's first packet.  body: its bytes after the header; n: how many are at hand. */
static __always_inline void my_greeting(struct tracked_connection *c, __u64 body, __u32 n)
{
	__u8 text[MY_GREETING_HEAD] = {};
	__u32 i, at, take = n < MY_GREETING_HEAD ? n : MY_GREETING_HEAD;

	c->phase = PHASE_GREETED;
	if (!take)
		return;
	OPAQUE(take);
	if (take > MY_GREETING_HEAD)
		return;
	if (wire_read(text, take, body))
		return;
	if (text[0] == 0xff) {
		c->ev.flags |= EV_CONN_REFUSED;
		c->phase = PHASE_READY;
		return;
	}
	for (i = 1; i < 64; i++)
		if (!text[i])
			break;
	at = i + 1;
	if (at + 20 > MY_GREETING_HEAD)
		return;
	c->capabilities = le16(text + at + 13) | le16(text + at + 18) << 16;
}
