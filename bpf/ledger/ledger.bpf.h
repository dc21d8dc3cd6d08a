/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * ledger.bpf.h - what the kernel half remembers, and the few ways to change it.
 *
 * Why the ledger lives in the kernel: the state of a connection sits in the storage of its own
 * socket.  So it can neither be lost in a full ring nor outlive the socket, it needs no sizing, and
 * an iterator lists it.  A connection or statement that is born and dies within the grace period
 * never leaves the kernel; it only adds to the tally of its process.  User space sweeps the ledger
 * once a second, and the ring carries only what cannot wait for the sweep.  Statements are in a
 * plain hash map, never LRU: the least recently used entry is exactly the leak.
 *
 * Two threads may use one socket at a time; fields are written without locks.  Each field is a
 * scalar that the next message sets again, so a lost race costs one message's worth of truth.
 */
#ifndef DBLEAK_LEDGER_BPF_H
#define DBLEAK_LEDGER_BPF_H

#include "bpf/ledger/connection.h"
#ifdef __bpf__
#include "bpf/ledger/share.bpf.h"

/* The classification of a socket, see socket.bpf.c.  Small, because every stream socket that ever
 * carried a byte has one. */
struct mark {
	__u64 born_ns;	 /* TCP: time of connect(); 0 not known */
	__u64 opened_at; /* stack of connect(); 0 none */
	__u64 start_ns;
	__u32 pid;
	__u32 tid;
	__u32 generation; /* generation of the selection that decided MARK_UNWANTED */
	__u8 state;	  /* enum mark_state */
	__u8 seen;	  /* messages looked at, at most 255 */
	__u8 pg_signs;	  /* signs of PostgreSQL's client end: enum ev_sign */
	__u8 my_signs;
	__u8 greeting[4]; /* header of a MySQL greeting whose body is still to come */
	__u16 greeting_length;
	__u16 tries; /* cost of the messages looked at, see PROBE_*; MARK_PASSED: messages since */
};

enum mark_state {
	MARK_NEW = 0,
	MARK_TRACKED = 1,
	MARK_PASSED = 2,   /* no database, or the server's end: ignored */
	MARK_UNWANTED = 3, /* process not selected: ignored until the selection grows */
};

struct marks_map {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct mark);
};

struct connections_map {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tracked_connection);
};

struct statements_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROOM_STATEMENTS);
	__type(key, struct statement_key);
	__type(value, struct ledger_statement);
};

extern struct marks_map marks SEC(".maps");
extern struct connections_map connections SEC(".maps");
extern struct statements_map statements SEC(".maps");

/* Number of new connections that may still go through the ring before the next sweep; set by user
 * space. */
extern __s64 births_allowed;

/* Enters the process of a connection.  server: the process holds the server's end. */
int ledger_process(__u32 pid, __u64 start_ns, __u32 server);
/* Enters the current process, which got an object of a client library. */
int ledger_client(__u32 pid, __u64 start_ns);
/* Notes that user space knows the connection now, and must hear of the end of its process. */
static __always_inline void ledger_reported(struct tracked_connection *c)
{
	__u32 pid = c->ev.pid;
	struct process *p = bpf_map_lookup_elem(&processes, &pid);

	c->reported = 1;
	if (p)
		p->reported = 1;
}

/* Reports a connection through the ring, or leaves it to the sweep. */
int ledger_tell(struct tracked_connection *c);
/* Reports a connection that the server has reset.  The socket carries no more bytes, and nothing
 * reports the moment when the client closes it, and the entry with it. */
int ledger_hung_up(struct tracked_connection *c);
/* The client's socket is closed.  exiting: by the end of its process. */
int ledger_close(struct tracked_connection *c, __u32 exiting);
#endif

/* Open and close a statement, by hash of its name or by its id.  Its text is in c->sql. */
int ledger_statement_open(struct tracked_connection *c, __u64 statement);
int ledger_statement_close(struct tracked_connection *c, __u64 statement);
int ledger_statements_drop(struct tracked_connection *c);
/* Reports a large reply that has ended. */
int ledger_result(struct tracked_connection *c);
/* Returns the resident bytes of the current process. */
__u64 ledger_resident(void);

#endif
