/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * connection.h - the ledger's entry for one client connection, and the state of its parser.
 *
 * Separate from the maps, so that the wire parsers build outside the kernel for tests and fuzzing.
 */
#ifndef DBLEAK_CONNECTION_H
#define DBLEAK_CONNECTION_H

#include "bpf/settings.h"

#define FRAME_HEAD 32 /* bytes of a message that are kept when a read cuts it */
#define TAIL_LEN   64
#define FIFO_DEPTH 8
#define DOUBTS	   4 /* statements whose PREPARE may still fail */
#define CURSORS	   8 /* cursors known by name */

/* The position of one direction in its stream of messages. */
struct message_frame {
	__u32 left;	 /* bytes of the current message still to come */
	__u32 offset;	 /* offset in the chunk being walked */
	__u32 head_len;	 /* bytes held in head */
	__u32 continues; /* MySQL: the next packet is the rest of one too large for one packet */
	__u8 head[2 * FRAME_HEAD];
};

enum phase {
	PHASE_READY = 0,
	PHASE_STARTUP = 1,   /* PostgreSQL: a message without tag comes next */
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

/* States of a cursor that SQL declares.  A lower state gives its place to a new cursor first. */
enum cursor_state {
	CURSOR_NONE = 0,
	CURSOR_PLAIN = 1,  /* ends with its transaction */
	CURSOR_HELD = 2,   /* WITH HOLD, and the transaction was committed */
	CURSOR_FRESH = 3,  /* WITH HOLD, in the open transaction */
	CURSOR_PARSED = 4, /* WITH HOLD, asked for by a Parse */
	CURSOR_ASKED = 5,  /* WITH HOLD, asked for by a simple query */
};

/* Reasons why a stack is taken for this message (bit mask). */
enum ask {
	ASK_OPENED = 1,	  /* the connection's opening */
	ASK_BEGUN = 2,	  /* a request while idle, perhaps a transaction's first; or a later one, if
			     the first had no stack */
	ASK_PREPARED = 4, /* a statement was prepared */
	ASK_RESULT = 8,	  /* an EV_RESULT was sent */
	ASK_PREPARING = 16, /* MySQL: a statement, whose id comes with the reply */
};

/* Fields that every message uses stand first and together: a message that touches few cache lines
 * costs little. */
struct tracked_connection {
	struct ev_connection ev;
	__u64 now;  /* time of the message being handled */
	__u64 fifo; /* MySQL: kinds of the commands awaiting replies, 8 bits each, oldest low */
	__u64 reply_bytes;
	__u64 reply_rows;
	__u64 reply_began_ns;
	__u64 resident; /* resident bytes of the process when the reply passed RESULT_MARK */
	__u32 pending;	/* replies outstanding */
	__u32 part;   /* PostgreSQL: where in the chunk a reply begins; MySQL: the chunk's length */
	__u32 expect; /* MySQL: packets to come in this stage */
	__u32 capabilities; /* MySQL: agreed on */
	__u32 reported;
	__u32 body; /* where in sql.text the statement begins: behind PREPARE name */
	__u8 phase;
	__u8 stage;
	__u8 replying;	 /* inside a reply */
	__u8 collecting; /* the request whose text came in part; 0 none */
	__u8 lost;	 /* message boundaries of the client are unknown */
	__u8 walking;	 /* PostgreSQL: replies are walked message by message */
	__u8 pipelines;	 /* PostgreSQL: requests are sent before the last reply ended */
	__u8 flushed;	 /* PostgreSQL: Flush was sent, and the answer has no end of its own */
	__u8 copying;	 /* PostgreSQL: the client is sending rows */
	__u8 doubts;	 /* entries of doubt in use */
	__u8 group_sent; /* PostgreSQL: number of the group (up to a Sync) being sent */
	__u8 group_received;
	__u8 ordinal; /* Parse messages sent in this group */
	__u8 parsed;  /* ParseComplete messages received in this group */
	__u8 failed;  /* this group has failed */
	__u8 rows_estimated;
	__u8 infile;	   /* MySQL: the client is sending a file */
	__u8 sequence;	   /* MySQL: number of the server's next packet */
	__u8 row_calls;	   /* MySQL: windows walked in this chunk */
	__u8 row_long;	   /* MySQL: the last row was too long to read ahead */
	__u8 simple;	   /* PostgreSQL: the last request was a query alone in its send */
	__u8 scratch_slot; /* which scratch buffers of the CPU: one set per kind of socket */
	__u8 cursors;	   /* PostgreSQL: 1: replies may change cursors */
	__u8 asks;	   /* enum ask: why this message needs a stack */
	struct message_frame sent;
	/* The verifier wants as much room behind each of these texts as the text is long. */
	struct ev_sql sql;
	struct raw_identity identity;
	__u64 doubt[DOUBTS]; /* statements opened by requests without a reply yet */
	__u64 named;	     /* PostgreSQL: hash of the statement name read last */
	__u64 result_reported_ns;
	__u64 result_reported_bytes;
	__u64 sql_reported_ns;
	__u64 swept;	  /* sum over the state that the last sweep reported */
	__u64 dropped_ns; /* when all statements were closed at once */
	__u32 unlisted;	  /* open statements that found no room in the ledger */
	__u32 wanted;	  /* bytes to collect in the SQL slot, or of the startup message */
	__u32 identity_version;
	__u32 identity_reported;
	__u32 name_end;	   /* end of the name read last, in sql.text */
	__u32 held;	   /* cursors open beyond their transaction, listed or not */
	__u32 fresh;	   /* WITH HOLD cursors of the open transaction, unlisted ones only */
	__u32 cursor_turn; /* where the next cursor is listed */
	__u32 closes;	   /* requests to close cursors without a reply yet */
	__u32 copied;	   /* TCP: where the client's reading stood at the last sweep */
	__u32 unread;	   /* TCP: 1 bytes waited behind it then */
	__u8 doubt_ordinal[DOUBTS]; /* index of its Parse in the group */
	__u8 doubt_group[DOUBTS];
	__u64 cursor[CURSORS]; /* hashes of the cursors' names */
	__u64 interpreted;     /* not 0: its user's stacks are cheap, so all are taken */
	__u64 opened_at;       /* stack of its opening; 0 none, also below */
	__u64 begun_at;	       /* stack of the first request of its last transaction */
	__u64 begun_at_ns;
	__u64 opened_reported, begun_reported;
	__u64 prepared;	    /* statement opened last */
	__u64 preparing_at; /* MySQL: stack of a PREPARE whose reply may be read elsewhere */
	__u8 cursor_state[CURSORS]; /* enum cursor_state */
	__u8 cursor_group[CURSORS]; /* group whose reply shows whether the cursor was opened */
	struct message_frame received;
	__u8 tail[2 * TAIL_LEN]; /* the reply's last bytes, newest at TAIL_LEN - 1 */
};

#endif
