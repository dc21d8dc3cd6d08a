/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * settings.h - the settings that user space gives the kernel half, and the counters it reads back.
 * Shared by both halves, never recorded.
 */
#ifndef DBLEAK_SETTINGS_H
#define DBLEAK_SETTINGS_H

#include "bpf/event.h"
#include "bpf/raw_kind.h"

#define SETTINGS_HIERARCHIES 4
#define CGROUP_DEFAULT	     0xffffffffU /* the cgroup v2 hierarchy */

/* The room of the tables that all processes share. */
#define ROOM_STATEMENTS	 131072
#define ROOM_ENCRYPTED	 32768
#define ROOM_CONNECTIONS 32768
#define ROOM_SITES	 16384
#define ROOM_OBJECTS	 (1 << 20)
#define ROOM_TEXTS	 8192

/* Fixed before load. */
struct settings {
	__u64 hash_seed; /* random: hashes of private text mean nothing outside this run */
	__u64 grace_ns;	 /* objects that live shorter are only counted */
	__u32 self;	 /* dbleak's own process, never watched */
	__u32 asker;	 /* the child that asks the server of --dsn, nor is it; 0: there is none */
	__u32 selective; /* 1: watch only what the maps targets, comms and cgroups name */
	__u32 by_comm;
	__u32 hierarchies;		       /* entries of hierarchy in use */
	__u32 hierarchy[SETTINGS_HIERARCHIES]; /* cgroup subsystem index, or CGROUP_DEFAULT */
	__u32 stacks_native;		       /* copied stacks, per process and second; 0 none */
	__u32 stacks_interpreted;	       /* walked stacks, per process and second; 0 none */
	__u32 stack_bytes;		       /* bytes of a copied stack, at most STACK_BYTES */
	__u32 keep_thread_sockets;	       /* 1: note the last message of every thread */
	__u32 tell_tasks;		       /* 1: send RAW_TASK */
	__u32 share[EV_TABLES];		       /* entries of each table that one process may have */
};

struct cgroup_key {
	__u64 id; /* kernfs node id = inode of the cgroup's directory */
	__u32 hierarchy;
	__u32 reserved;
};

#define STARTUP_LEN 256

/* RAW_IDENTITY: the server of a connection, with the bytes of its startup message.  PostgreSQL: key
 * and value pairs; MySQL: user, then database. */
struct raw_identity {
	struct ev_head head;
	__u64 id;
	__u64 peer;  /* Unix: cookie of the server's end; 0 not known */
	__u64 netns; /* TCP: inode of the client's network namespace */
	__u8 address[16];
	__u8 local[16]; /* TCP: the client's own address, as address */
	__u16 port;
	__u16 local_port;
	__u16 family;
	__u16 startup_length;
	char path[EV_PATH_LEN];
	__u32 database; /* enum ev_database */
	char startup[STARTUP_LEN];
};

/* A process that holds the server's end of a connection, or listens as a database server. */
struct raw_server {
	struct ev_head head;
	__u64 start_ns;
	__u64 socket;		    /* Unix: its cookie; else 0 */
	__u64 netns;		    /* TCP: inode of its network namespace */
	__u8 local[16], remote[16]; /* TCP: addresses, IPv6 or mapped IPv4 */
	__u32 pid;
	__u16 local_port, remote_port; /* TCP */
	__u32 claimed; /* enum ev_database by its name, as anybody may choose; 0: by its bytes */
	__u32 named;   /* 1: the socket's path is a database's, too */
	__u64 path;    /* hash; Unix */
};

/* Flags beside enum ev_database, for a port or a path. */
#define SERVED 0x80 /* a known server program listens there */
#define NAMED  0x40 /* the path itself is a database's */

/* A descriptor of a tracked connection, found by a pass over all processes. */
struct raw_holder {
	struct ev_head head;
	__u64 id;
	__u64 start_ns;
	__u32 pid;
	__u32 fd;
};

/* The ledger's entry of a process with database connections. */
struct process {
	__u64 start_ns;
	struct ev_tally short_lived; /* connections that were too short-lived to be reported */
	__u32 reported;		     /* 1: user space knows one of its connections */
	__u32 server;		     /* 1: holds server ends */
	__u32 gone;
	__u32 client;		/* 1: a client library gave it an object */
	__u64 exec_ns;		/* time of its last exec; 0 never */
	char comm[EV_COMM_LEN]; /* of clients, when first met */
	__u32 held[EV_TABLES];	/* its entries in the tables; of texts: since text_second began */
	__u32 refused[EV_TABLES], crowded[EV_TABLES]; /* as in struct ev_unfollowed */
	__u32 unsent;
	__u32 text_second;
};

/* User space removed an entry from a table itself. */
struct share_order {
	__u64 since_ns; /* a time at which the process lived that had the entry */
	__u64 pid;
	__u64 table; /* enum ev_table */
};

struct statement_key {
	__u64 id;	 /* of the connection */
	__u64 statement; /* hash of the name, or MySQL's id */
};

struct ledger_statement {
	__u64 born_ns;
	__u64 text_hash;
	__u32 length;
	__u32 cut;
	__u32 reported;
	__u32 pid;	   /* the process whose share it fills; 0 none's */
	__u64 prepared_at; /* stack of its PREPARE; 0 none */
	char text[EV_STATEMENT_SQL_LEN];
};

/* The task of a pass over all processes' files (variable scan_mode). */
enum {
	SCAN_SERVERS = 0,     /* listening sockets of database servers */
	SCAN_CONNECTIONS = 1, /* connections to them, entered into the ledger if absent */
	SCAN_HOLDERS = 2,     /* holders of the connections in the ledger */
	/* In place of iterators over socket storage, where the kernel refuses those: */
	SCAN_SWEEP = 3, /* changes of connections in the ledger */
	SCAN_COUNT = 4, /* how much socket storage there is */
};

#define WALKED_BYTES (512 << 10) /* bytes of the ring that walks over maps write to */
#define TASKS_BYTES  (64 << 10)	 /* bytes of the ring of processes forked, replaced and ended */

/* Per-CPU counters. */
enum {
	COUNTER_LOSS = 0, /* + enum ev_loss_kind */
	COUNTER_EVENTS = 8,
	COUNTER_MESSAGES = 9,	     /* of tracked connections */
	COUNTER_OTHER_MESSAGES = 10, /* of other sockets */
	COUNTER_FAULTS = 11,	     /* page faults of all processes, while some process grows */
	COUNTERS = 16,
};

enum task_what { TASK_FORKED = 1, TASK_REPLACED = 2, TASK_ENDED = 3 };

/* RAW_TASK: a selected process was forked, replaced (exec) or began to be selected, or ended.  Sent
 * where probes are kept to the selected processes. */
struct raw_task {
	struct ev_head head;
	__u32 pid;
	__u32 other; /* forked: its parent; replaced: the thread that did it, 0 the first thread */
	__u32 what;  /* enum task_what */
	__u32 reserved;
};

enum death_flag {
	DEATH_IN_AREA = 1, /* the thread stood on the kernel's own page for probes */
	DEATH_INSIDE = 2,  /* the thread was inside a call that a probe saw begin */
};

/* RAW_DEATH: a signal that ends a process, perhaps because of a probe. */
struct raw_death {
	struct ev_head head;
	__u64 start_ns;
	__u64 address;	     /* instruction pointer */
	__u64 inode, offset; /* the same as a place in a file; 0 not known */
	__u32 pid, signal;
	__u32 flags; /* enum death_flag */
	__u32 reserved;
	char comm[EV_COMM_LEN];
};

#endif
