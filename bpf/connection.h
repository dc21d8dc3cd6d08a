/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * connection.h - the ledger's entry for one client connection, and the state of its wire.
 *
 * Kept apart from the maps so that the wire parsers build outside the kernel for tests and fuzzing.
 */
#ifndef DBLEAK_CONNECTION_H
#define DBLEAK_CONNECTION_H

#include "settings.h"

#define FRAME_HEAD 32 /* bytes of a message kept when a read cuts it */
#define TAIL_LEN 64
#define FIFO_DEPTH 8

/* Where one direction stands in its stream of messages. */
struct frame {
	__u32 left;	/* of the current message still to come */
	__u32 offset;	/* in the chunk being walked */
	__u32 head_len; /* bytes held in head */
	__u32 reserved;
	__u8 head[2 * FRAME_HEAD];
};

enum phase {
	PHASE_READY = 0,
	PHASE_STARTUP = 1,  /* PostgreSQL: a message without tag comes next */
	PHASE_SSL_ASKED = 2, /* PostgreSQL: one byte of answer comes next */
	PHASE_AUTH = 3,
	PHASE_GREETED = 4, /* MySQL: the handshake response comes next */
};

enum stage { /* of a MySQL reply */
	STAGE_FIRST = 0,
	STAGE_COLUMNS = 1,
	STAGE_COLUMNS_END = 2,
	STAGE_ROWS = 3,
	STAGE_SKIP = 4,
};

struct connection {
	struct ev_connection ev;
	struct raw_identity identity;
	struct ev_sql sql;
	struct frame sent;
	struct frame received;
	__u64 now;	 /* of the message being handled */
	__u64 fifo;	 /* MySQL: kinds of the commands awaiting replies, 8 bits each, oldest low */
	__u64 parsing;	 /* PostgreSQL: statement whose ParseComplete is awaited */
	__u64 named;	 /* PostgreSQL: hash of the statement name read last */
	__u64 reply_bytes;
	__u64 reply_rows;
	__u64 reply_began_ns;
	__u64 resident;	 /* of the process when the reply passed RESULT_MARK */
	__u64 result_told_ns;
	__u64 result_told_bytes;
	__u64 sql_told_ns;
	__u64 swept;	 /* what the last sweep told of it, summed up */
	__u32 pending;	 /* replies outstanding */
	__u32 parsing_count;
	__u32 expect;	 /* MySQL: packets to come in this stage */
	__u32 capabilities; /* MySQL: agreed on */
	__u32 identity_version;
	__u32 identity_told;
	__u32 told;
	__u32 name_end;	 /* in sql.text, of the name read last */
	__u32 body;	 /* where in sql.text the statement itself begins: after PREPARE name */
	__u8 phase;
	__u8 stage;
	__u8 replying;	 /* inside a reply */
	__u8 first;	 /* its first byte */
	__u8 walking;	 /* PostgreSQL: replies are walked message by message */
	__u8 rows_estimated;
	__u8 infile;	 /* MySQL: the client is sending a file */
	__u8 cache_metadata; /* MariaDB: column definitions may be left out */
	__u8 tail_fresh; /* bytes of tail that belong to this reply, at most TAIL_LEN */
	__u8 copying;	 /* PostgreSQL: the client is sending rows */
	__u8 reserved[6];
	__u8 tail[2 * TAIL_LEN]; /* the reply's last bytes, newest at TAIL_LEN - 1 */
};

#endif
