/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * ledger.bpf.h - what the kernel half remembers, and the few ways to change it.
 *
 * Why the ledger lives in the kernel: a connection's state sits in storage of its own socket, so
 * it can neither be lost in a full ring nor outlive the socket, needs no sizing, and an iterator
 * lists it.  What is born and dies within the grace period never leaves the kernel; it only bumps
 * its process's tally.  User space sweeps the ledger once a second and the ring carries only what
 * cannot wait for the sweep.  Statements are in a plain hash map, never LRU: the least recently
 * touched entry is exactly the leak.
 *
 * Two threads may use one socket at a time; fields are written without locks.  Each is a scalar
 * that the next message sets again, so a lost race costs one message's worth of truth.
 */
#ifndef DBLEAK_LEDGER_BPF_H
#define DBLEAK_LEDGER_BPF_H

#include "bpf/ledger/connection.h"
#ifdef __bpf__
#include "bpf/emit.bpf.h"

/* Small, on every stream socket that ever carried a byte: what we think of it. */
struct mark {
	__u64 born_ns;	 /* TCP: when connect() was called; 0 not known */
	__u64 opened_at; /* its stack then; 0 none */
	__u64 start_ns;
	__u32 pid;
	__u32 tid;
	__u32 generation; /* of the selection that decided MARK_UNWANTED */
	__u8 state;	  /* enum mark_state */
	__u8 seen;	  /* messages looked at, at most 255 */
	__u8 pg_signs;	  /* enum ev_sign, of this protocol, as a client */
	__u8 my_signs;
	__u8 greeting[4]; /* header of a MySQL greeting whose body is to come */
	__u16 greeting_length;
	__u16 tries; /* what was spent on finding out, see PROBE_* */
};

enum mark_state {
	MARK_NEW = 0,
	MARK_TRACKED = 1,
	MARK_PASSED = 2,   /* no database, or the server's end of one */
	MARK_UNWANTED = 3, /* not selected */
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
	__type(value, struct connection);
};

struct statements_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct statement_key);
	__type(value, struct statement);
};

struct processes_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct process);
};

extern struct marks_map marks SEC(".maps");
extern struct connections_map connections SEC(".maps");
extern struct statements_map statements SEC(".maps");
extern struct processes_map processes SEC(".maps");

/* How many births may still go through the ring before the next sweep; set by user space. */
extern __s64 births_allowed;

/* Enters the process of a connection.  server: it holds the server's end. */
int ledger_process(__u32 pid, __u64 start_ns, __u32 server);
/* The current process, which got something of a client library. */
int ledger_client(__u32 pid, __u64 start_ns);
/* User space knows of it now, and will want to know of its process's end. */
static __always_inline void ledger_told(struct connection *c)
{
	__u32 pid = c->ev.pid;
	struct process *p = bpf_map_lookup_elem(&processes, &pid);

	c->told = 1;
	if (p)
		p->told = 1;
}

/* Tells of a connection through the ring, or leaves it to the sweep. */
int ledger_tell(struct connection *c);
/* The server has reset the connection, which carries no more bytes: when the client closes its
 * socket, and the entry with it, nobody tells us. */
int ledger_hung_up(struct connection *c);
/* The client's socket is closed.  exiting: by the end of its process. */
int ledger_close(struct connection *c, __u32 exiting);
#endif

/* Statements, by hash of name or by id; text is what c->sql holds. */
int ledger_statement_open(struct connection *c, __u64 statement);
int ledger_statement_close(struct connection *c, __u64 statement);
int ledger_statements_drop(struct connection *c);
/* A large reply has ended. */
int ledger_result(struct connection *c);
/* Resident bytes of the current process. */
__u64 ledger_resident(void);

#endif
