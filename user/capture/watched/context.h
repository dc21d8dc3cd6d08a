/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * context.h - what the files that make up a capture share: its parts, what it has told, and the way
 * of a record to the sink.  Only this room and the files that conduct it include it.
 */
#ifndef DBLEAK_CAPTURE_CONTEXT_H
#define DBLEAK_CAPTURE_CONTEXT_H

#include "user/base/table.h"
#include "user/capture/kernel/births.h"
#include "user/capture/watched/capture_options.h"
#include "user/capture/watched/clocks.h"
#include "user/capture/host/peer.h"

#define SECOND_NS     1000000000ULL
#define LEARNED_PORTS 64
#define OWN_ADDRESSES 64
#define LEARNED_SHARE 16 /* of them, by the connections of one process */

struct tracked_ends { /* of a connection; family 0: not known */
	uint8_t client[16], server[16];
	uint64_t netns;	  /* of the client */
	uint32_t session; /* PostgreSQL over a Unix socket: its process, as the server counts it */
	uint16_t client_port, server_port, family;
	char path[EV_PATH_LEN];
};

struct tracked { /* a connection told of */
	struct ev_connection last;
	uint64_t sweep;			   /* the last one that listed it */
	enum ev_status reported_by_server; /* until its own bytes tell */
	uint64_t server_since_ns;	   /* begin of that state, as the server says; 0 */
	uint64_t server_asked_ns;	   /* when, for its answer; 0: it was a title that told */
	struct tracked_ends ends;
	bool replication; /* the server says so */
	bool orphan;
	uint16_t port; /* of a server that its startup message went to; 0 not known */
};

struct owner { /* a process told of */
	struct ev_process facts;
	struct ev_program program;
	struct ev_container container;
	struct ev_usage usage;
	uint32_t gaps;		/* enum gap_kind told */
	bool tls_read;		/* some of its encrypted connections could be read */
	uint64_t unreadable_ns; /* since when one is known that could not be; 0 none */
	uint64_t gone_ns;	/* its end; 0 it lives */
	uint64_t ended_ns;	/* when it was seen to have ended, though no record told of it; 0 */
	uint64_t pages;		/* of its address space, when it was looked up last */
	uint32_t looks;		/* since then */
	uint32_t taught;	/* ports learned from its connections */
	bool reported_ports;	/* that no more are learned of it */
	struct ev_unfollowed unfollowed; /* as told last */
	bool holds;			 /* has connections, while we look who can be forgotten */
};

struct crowd { /* who has most of a table of the kernel half, as a look at all processes finds */
	uint64_t start_ns;
	uint32_t pid, held;
	bool refused; /* somebody's entries, because the table is full */
	bool reported;
};

struct capture;
struct process_usage;

/* News of processes for the sources of records; see sources.h. */
struct process_events {
	/* A process was met; what it uses was read. */
	void (*met)(struct capture *c, uint32_t pid, uint64_t start_ns);
	void (*usage)(struct capture *c, uint32_t pid, uint64_t start_ns,
		      const struct process_usage *usage);
	/* A look at all processes begins. */
	void (*look_begins)(struct capture *c);
	/* Does the memory of that process grow, so that it is looked at each time? */
	bool (*follows)(const struct capture *c, uint32_t pid, uint64_t start_ns);
};

struct capture {
	const struct process_events *events;
	struct capture_options options;
	struct nursery *nursery; /* both of the helpers: borrowed */
	struct fetcher *fetcher; /* touches what others may make hang */
	struct remover *remover;
	struct kernel *kernel;
	struct clients *clients;	   /* NULL in a snapshot */
	struct readers *readers;	   /* NULL: no stacks are taken */
	struct presents *presents;	   /* NULL: nor are sleeping threads looked at */
	struct heap *heap;		   /* NULL: the allocator's calls are not followed */
	struct library_heap *library_heap; /* NULL: nor are those of client libraries */
	struct growth *growth;		   /* NULL: memory is not looked at */
	struct collections *collections;   /* NULL: the collectors of processes are not looked at */
	struct births *births;		   /* NULL: nobody was selected, or there is no thread */
	const struct procfs *procfs;
	struct table connections, owners;
	struct peers peers;
	uint64_t asked_ns;		/* when the server of --dsn was asked last */
	uint8_t asker_gaps;		/* enum session_gap told */
	uint8_t own[OWN_ADDRESSES][16]; /* addresses of this host; see session.c */
	size_t own_count;
	uint64_t own_netns; /* inode of our network namespace; 0: not known */
	uint64_t sweep, next_sweep_ns, next_facts_ns, next_usage_ns, stats_until_ns, begun_ns;
	size_t owner_at;       /* whose turn it is to be looked at */
	uint64_t refreshed_ns; /* when that was done last */
	bool reported_slow;    /* that it takes longer than it should */
	struct table serving;  /* processes that are proven to be servers: pid and start */
	bool reported_ports;   /* that no more ports are learned */
	bool reported_full;    /* that no file can be opened */
	struct clocks clocks;  /* as the watch began */
	bool clocks_told[CLOCKS_EVENTS];
	uint64_t usage_every_ns, swept_ns; /* when the last sweep was through */
	uint64_t records;
	uint64_t run_ns, runs; /* sampled */
	struct ev_loss loss;
	struct crowd crowds[EV_TABLES];
	uint16_t learned[LEARNED_PORTS];
	size_t learned_count;
	uint64_t cpu_ns, cpu_at_ns; /* our own, when last looked at */
	double credit_ns;	    /* of processor time that we may take yet */
	bool withdrawn;		    /* all probes, after a death */
	bool rescan, orphans, stepped_down, begun, ending;
	bool stacks_come; /* more may be in the ring, and nobody is woken for them */
	int err;	  /* the first of the sink or of memory */
};

/* Since boot, as records tell time. */
uint64_t capture_now(void);
void capture_head(struct ev_head *head, uint16_t kind, uint16_t size);
#define INIT(record, kind) capture_head(&(record).head, kind, sizeof(record))

/* The end of a process is told, after all that it held. */
void capture_exited(struct capture *c, const struct ev_head *record);

/* Sends it to the sink, unless that has failed. */
void capture_tell(struct capture *c, const struct ev_head *record);
/* Tells a record that ends with a text of that length. */
void capture_tell_cut(struct capture *c, struct ev_head *record, size_t offset, size_t length);

#endif
