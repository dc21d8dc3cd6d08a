/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * model_state.h - the parts of the model: processes, endpoints, connections, handles, sites.
 */
#ifndef DBLEAK_MODEL_MODEL_STATE_H
#define DBLEAK_MODEL_MODEL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "user/base/durations.h"
#include "user/base/table.h"
#include "user/model/code.h"
#include "user/model/collections.h"
#include "user/model/history.h"
#include "user/model/memory.h"

/* An SQL text, kept once however many connections and statements share it. */
struct text {
	uint64_t fingerprint;
	uint32_t length;
	bool used; /* while room is made: something refers to it */
	char sql[];
};

struct endpoint {
	struct endpoint *next; /* of the same process */
	struct process_model *process;
	enum ev_database database;
	uint16_t family, port;
	uint8_t address[16];
	char *path;
	char *name, *user;		       /* NULL: not known */
	uint64_t open, peak;		       /* connections, now and at most at once */
	uint64_t opened, closed, pre_existing; /* those reported one by one */
	struct durations created; /* of those opened: how long it took, as far as it is known */
	/* sums of the connections that are gone */
	uint64_t begun, committed, rolled_back, abandoned, prepared, unprepared;
	/* the closed connection that left most statements open: they are kept for the judge */
	uint64_t leakiest_closed, leakiest_open, leakiest_ns; /* ns: when it closed */
	struct statement_model *leakiest_statements;
	/* of the replies out of proportion, the one with which the process grew most */
	struct ev_result result; /* bytes 0: none */
	uint64_t results;	 /* how many were out of proportion */
	const struct text *result_sql;
	uint64_t result_at, result_begun_at; /* stacks: of its request, and of that transaction */
	/* over all its connections; NULL: never any */
	struct history *cursors; /* open beyond their transaction */
	struct history *readers; /* SQLite: statements neither finished nor reset */
};

/* The life of a connection, as far as the judge needs it after its end. */
struct life {
	uint64_t born_ns, used_ns, closed_ns; /* closed_ns 0: open */
	uint32_t tid, user_tid;
	uint32_t flags;
	uint64_t begun;
	uint64_t requests;
	uint8_t status;
	bool asked;	 /* it ended with a request outstanding */
	uint8_t cursors; /* open beyond their transaction, at its end if it has ended */
	bool cursor_due; /* cursor_at is to come */
	/* stacks, 0 not known: of its opening, and of the transaction it began last */
	uint64_t opened_at, begun_at;
	uint64_t cursor_at;	 /* begun_at when its cursors WITH HOLD became more; 0: not known */
	uint64_t begun_ns;	 /* when begun_at was taken; 0: not known */
	uint64_t transaction_ns; /* when the open transaction began; 0: none, or not known */
	uint32_t worked_before;	 /* its process's worked_seconds at its last use */
};

/* The unfinished statements of a SQLite connection, and the write-ahead log that they hold back. */
struct file_model {
	uint64_t wal_bytes;    /* of the log; UNKNOWN64: not known */
	uint64_t reading_ns;   /* when the oldest statement began to read; 0: none reads */
	uint64_t before_bytes; /* of the log when that one began, or when dbleak first saw it */
	uint64_t growth_ns, grown_ns; /* when the log first and last grew since; 0: it did not */
	const struct text *sql;	      /* of the oldest statement */
	uint64_t stack;		      /* where that one was prepared; 0: not known */
	uint32_t reading;
	/* of those that have ended: when, the last use of their connection until then, and its
	 * worked_before at that use */
	uint64_t ended_ns, used_ns;
	uint32_t worked_before;
};

/* The last words of the server about its end of a connection. */
struct session_model {
	uint64_t session; /* the server's number of it; UNKNOWN64 */
	uint64_t transaction_ns,
		since_ns; /* begin of its transaction, of its state; 0: not known */
	uint64_t told_ns;
	const struct text *sql; /* NULL: not known */
	uint32_t pid;		/* of the server's process on this host; 0: not known */
	uint8_t source, status;
	bool busy;
	char application[EV_NAME_LEN];
};

struct connection {
	uint64_t id;
	struct process_model *process;
	struct endpoint *endpoint;
	const struct text *sql;
	struct statement_model *statements; /* open, in no order */
	struct file_model *file;	    /* NULL but for SQLite */
	struct session_model *session;	    /* NULL: no server has said anything of it */
	struct file_model *ended;	    /* its statements that ended last; NULL: none */
	uint64_t request_ns, hung_up_ns, longest_gap_ns;
	uint64_t unread_ns; /* since when EV_CONN_UNREAD stands; 0: it does not */
	uint64_t bytes_sent, bytes_received;
	uint64_t created_ns; /* how long its opening took, with the login; 0: not known */
	uint64_t zombie_ns;  /* when it closed but lived on for its statements; 0: no */
	uint64_t freed_ns;   /* when the library freed its handle; 0: it did not, or not known */
	uint64_t committed, rolled_back, abandoned, prepared, unprepared;
	uint64_t failures; /* its share of the process's failures */
	uint8_t signs, database, cursors;
	uint16_t local_port; /* 0: a Unix socket's, or not known */
	bool orphan;	     /* its owner has exited and nobody else is known to hold it */
	bool shared;	     /* other processes were seen to hold it, too */
	struct life life;
};

/* The place where a thread sleeps. */
struct thread_model {
	struct ev_thread state; /* the latest */
	uint64_t first_ns;	/* when it was first seen asleep at this stack, without a break */
};

struct past {
	const struct endpoint *endpoint;
	const struct text *sql;
	struct file_model *file; /* its statements that ended last, or with it; NULL: none */
	struct life life;
};

#define PAST_MOST 4096 /* closed connections kept of each process; older ones are only counted */

/* The requests that a process has not answered. */
struct serving_model {
	struct ev_serving state;	 /* the latest; all 0: none, or not known */
	uint64_t first_ns, first_cpu_ns; /* of the first record since there are some */
};

struct process_model {
	uint64_t start_ns;
	uint32_t pid;
	uint32_t number; /* in order of appearance, from 1 */
	uint32_t role, libraries;
	char comm[EV_COMM_LEN];
	char *cmdline, *runtime, *container_id, *container_name, *exe, *unit;
	char *pod, *pod_namespace, *image;
	uint32_t parent_pid, uid; /* 0 and UNKNOWN32: not known */
	uint64_t nofile_limit;
	uint32_t open_files;
	uint64_t exited_ns; /* 0: alive */
	uint64_t first_seen_ns;
	uint64_t rss_start, rss_end, rss_peak;
	struct memory_model memory;
	uint64_t requests, failures; /* of its connections so far, as reported one by one */
	uint64_t longest_gap_ns;     /* longest finished wait inside a transaction */
	uint64_t worked_ns;	     /* the last use of any of its connections; 0: none */
	uint32_t worked_seconds;     /* how many seconds of the clock had such a use */
	struct endpoint *endpoints;
	struct past *past;
	size_t past_count, past_room, past_next;
	struct ev_tally short_lived[2];	       /* over sockets, to SQLite files */
	struct site_model *sites, **last_site; /* in order of appearance */
	struct ev_unfollowed unfollowed;       /* the latest; all 0: nothing */
	struct thread_model *threads;	       /* those that sleep, in no order */
	size_t thread_count, thread_room;
	struct serving_model serving;
	struct collections_model collections;
	bool exists;	  /* a fact or a connection named it */
	bool used, going; /* while forgetting: other objects refer to it; it is dropped */
	struct process_model *next_ended; /* in order of their ends */
};

/* Processes that ended, the first to end first. */
struct ended {
	struct process_model *first, **last;
	size_t count;
};

/* Counts of the processes that were dropped from the tables. */
struct forgotten {
	uint64_t processes, connections; /* that they opened */
	uint64_t accused; /* of the processes: had findings, but there were too many */
};

struct statement_model {
	struct table_key key; /* connection, statement */
	uint64_t born_ns, text_hash;
	const struct text *text;
	uint64_t stack;			    /* where it was prepared; 0 not known */
	struct statement_model *next, **at; /* of the same connection; at: what points here */
};

/* The calls of one place that acquire one kind of object. */
struct site_model {
	struct site_model *next; /* of the same process */
	struct ev_site state;	 /* the latest */
	uint64_t detached_ns;	 /* when counting stopped; 0: it goes on */
	uint64_t stack;		 /* of the latest of its calls looked at; 0 not known */
	struct history open;
};

/* An open object of a client library.  Keep it small: very many may be in memory at once. */
struct handle {
	const struct process_model *process;
	const struct endpoint *endpoint; /* of a connection, where known; else NULL */
	uint64_t address, parent, connection, born_ns, used_ns, site, rows, bytes; /* as told */
	uint64_t stack;	 /* where it was acquired; 0 not known */
	uint64_t cut_ns; /* connection: when its socket closed; 0: not, or not known */
	uint32_t flags, resource;
};

/* A client library with probes in it. */
struct library_model {
	struct library_model *next;
	struct ev_library state; /* the latest */
	uint64_t detached_ns;	 /* when its probes were taken out; 0: they were not */
};

struct gap {
	uint32_t pid;
	uint64_t start_ns;
	char text[EV_TEXT_LEN];
};

struct model {
	struct ev_begin begin;
	struct ev_host host; /* no budget and no names: not known */
	struct ev_loss loss;
	uint64_t owned[EV_LOSS_KINDS]; /* of the losses: of processes that are known */
	struct ev_cost cost;
	struct ev_withdrawn withdrawn; /* the first; pid 0: none was */
	uint64_t now_ns;	       /* of the latest record */
	uint64_t refused_records;      /* records that made no sense where they stood */
	bool ended;
	struct table processes, connections, statements, texts;
	uint32_t numbered;    /* processes so far */
	struct ended unasked; /* processes not yet asked for findings */
	struct ended accused; /* processes that have findings */
	struct forgotten forgotten;
	uint64_t forget_ns;   /* nothing is dropped before this time */
	struct table pids;    /* the latest process of each pid; not their owner */
	struct table sites;   /* by identity and process */
	struct table handles; /* by address, resource and process */
	struct table sockets; /* handles of connections by the connection's id; not their owner */
	struct table libraries;
	struct memory_sites memory_sites;
	struct library_model *first_library, **last_library; /* in order of appearance */
	struct gap *gaps;
	size_t gap_count, gap_room;
	struct code code;
	size_t text_bytes;
	size_t texts_enough;	/* at so many texts, the unused ones are dropped */
	uint64_t texts_refused; /* texts left out for lack of room */
	uint64_t gaps_refused;	/* gaps left out for lack of room */
};

#endif
