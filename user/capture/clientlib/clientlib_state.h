/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * clientlib_state.h - what the files that look after client libraries share; nobody else includes
 * it.
 */
#ifndef DBLEAK_CAPTURE_CLIENTLIB_STATE_H
#define DBLEAK_CAPTURE_CLIENTLIB_STATE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "user/base/table.h"
#include "user/capture/elf/elf.h"
#include "user/capture/probe/file_exit.h"
#include "user/capture/clientlib/client_host.h"
#include "user/capture/kernel/kernel_client.h"
#include "user/capture/host/library.h"
#include "user/capture/worker/looking.h"
#include "user/capture/host/memory.h"
#include "user/capture/probe/file_point.h"
#include "user/capture/probe/probe_point.h"
#include "user/capture/clientlib/probe_table.h"
#include "user/capture/probe/reach.h"
#include "user/capture/clientlib/file_row_counter.h"
#include "user/capture/stack/runtime.h"
#include "user/capture/clientlib/sizes.h"
#include "user/capture/clientlib/sqlite.h"
#include "user/system/clock.h"

#define ANCHORS_MOST	  8
#define SECOND_NS	  1000000000ULL
#define ROWS_MOST	  64
#define REFUSED_NAMES	  90 /* bytes */
#define TLS_MOST	  64 /* files with OpenSSL that wait for a database connection */
#define TLS_AGAIN_NS	  (SECOND_NS / 4)
#define TLS_AGAIN_MOST_NS (64 * SECOND_NS)
#define DEEP_MOST	  200 /* files waiting for a look into their full symbol tables */
#define BURY_EVERY_NS	  (10 * SECOND_NS)
#define SOCKETS_NS	  (SECOND_NS / 20) /* a list of descriptors is renewed at this age ... */
/* ... or later: listing takes at most one part in so many of the time. */
#define SOCKETS_SHARE 20
/* Time for the first look into new files, for all processes together.  A burst is enough for some
 * thousand libraries.  A file that is given up ends the burst.  Files beyond it wait, so that
 * sweeps and stacks get their turn. */
#define LOOKS_BURST_NS	(SECOND_NS / 2)
#define LOOKS_SHARE	4 /* after the burst: one part in so many of the time */
#define BUDGET_EVERY_NS (SECOND_NS / 4)
#define BURST_NS	(2 * SECOND_NS) /* this much budget may be saved up */
#define EXIT_SWEEP_NS	(SECOND_NS / 20)
#define RUNS_ENOUGH	100		 /* runs of a program, to know its average time */
#define LEFT_NS		(30 * SECOND_NS) /* by then sweeps have reported a library that is left */
#define LEFT_LEAST_NS	(5 * SECOND_NS)	 /* likewise, when cookies run out */
#define LEFT_MOST	64		 /* unmapped libraries that may keep their cookies */

enum group {
	GROUP_CONNECTIONS,
	GROUP_OBJECTS,
	GROUP_RUNS, /* of statements: the first to be removed */
	GROUP_TLS_WRITE,
	GROUP_TLS_READ,
	GROUPS
};

/* A library in one file. */
struct attached {
	struct attached *next;
	const struct probe_library *library;
	struct ev_library ev;
	struct reach_set *sets[GROUPS];
	uint32_t first; /* cookie */
	uint32_t count;
	uint64_t spent_ns[GROUPS];  /* time that its probes took so far */
	uint64_t before_ns[GROUPS]; /* the same at the last look at the budget */
	double credit_ns;	    /* time that its probes may still take */
	struct table active;	    /* processes whose sites changed in this second */
	size_t users;		    /* how many did in the last second */
	bool budgeted;
	bool unwatched; /* the probes of its connections were removed, too */
	struct sqlite_fields fields;
	struct probe_field eof;	       /* size 0: not known */
	struct probe_field descriptor; /* of a connection's socket; size 0: not known */
	struct object_fields sized;
	uint64_t left_ns;		   /* when the last process unmapped it; 0: it is mapped */
	bool early;			   /* probed before a process mapped it; its probes stay */
	char refused_names[REFUSED_NAMES]; /* functions that cannot be decoded whole, cut to fit */
};

struct placed { /* a row with a probe: a cookie in use */
	struct attached *of;
	const struct probe_row *row;
	uint64_t hits, ended; /* counted at its beginning, and at its ends */
	uint32_t cost_ns; /* of a hit at the beginning: the trap, and a program that only counts */
	uint32_t exit_ns; /* of a hit at an end: the same */
	bool returns;	  /* its ends are probed, too */
	uint64_t offset;
	struct probe probe;
	uint32_t generation; /* how often the cookie was released */
};

/* Run time of the programs beyond that of a program that only counts, at the entry and at the end.
 */
struct program_cost {
	struct kernel_client_runs canary; /* runs measured on our own functions */
	uint64_t more_ns[2];
};

struct waiting { /* a file whose full symbol table is still to be read */
	int fd;
	uint32_t pid;
	uint64_t device, inode, seen_ns;
	bool deep;  /* found by its full symbol table */
	bool first; /* not looked into at all yet */
	char path[EV_TEXT_LEN];
};

struct tls_user {
	uint64_t next_ns; /* when its libraries are looked at again */
	uint64_t wait_ns;
	uint32_t pid;
};

/* An object that waits to be reported, for its size is read together with those of others. */
struct reporting {
	struct raw_handle raw;
	struct ev_handle ev;
	const struct placed *placed;
};

struct clients {
	struct kernel *kernel;
	const struct procfs *procfs;
	struct client_host host;
	struct reach *reach;
	struct libraries *libraries;
	struct runtimes *runtimes;
	struct probe_programs programs[GROUPS];
	struct probe_cost cost;
	struct program_cost program_cost;
	bool measuring; /* statistics were turned on for program_cost */
	struct attached *files;
	struct placed placed[PROBES_MOST];
	uint32_t used;	       /* no cookie from this one on was ever in use */
	size_t left;	       /* entries of `files` that are unmapped */
	uint64_t left_cost_ns; /* of entries that are forgotten */
	bool early, reported_waiting, reported_tls;
	struct {
		struct table held; /* process and descriptor -> connection */
		uint64_t at_ns, took_ns;
	} sockets;
	struct table unread; /* reported results with rows still to be read: struct unread */
	struct table pids;   /* processes that have sites */
	struct sqlites *sqlites;
	struct sizes *sizes;
	struct reporting reporting[SIZES_READ_MOST]; /* empty but within a sweep */
	size_t reporting_count;
	struct waiting waiting[DEEP_MOST];
	size_t waiting_count;
	struct {
		int64_t left_ns;
		uint64_t at_ns;
		uint64_t skipped; /* files */
		bool reported, served_reported;
	} looks;
	struct waiting tls[TLS_MOST]; /* files with OpenSSL, not probed yet */
	size_t tls_count;
	struct table tls_users; /* processes with an encrypted connection: struct tls_user */
	bool tls_refused, tls_begun;
	bool tls_waits; /* a connection needs them, but the programs are still being loaded */
	uint64_t tls_since_ns; /* when the programs were loaded; 0: not yet */
	uint64_t budget_at_ns, users_at_ns;
	uint64_t buried_ns, swept_ns;
	bool stepped_down;
	bool dead; /* a process with sites ended; its objects are still in the ledger */
};

struct unread {
	struct handle_key key;
	struct ev_handle ev;
	uint64_t eof; /* offset in the object */
};

#define INIT(record, kind_)                \
	((record).head = (struct ev_head){ \
		 .ns = clock_boot_ns(), .kind = kind_, .size = sizeof(record)})

void client_tell(struct clients *c, const struct ev_head *record);
void client_tell_gap_of(struct clients *c, uint32_t pid, const char *text);
void client_tell_gap(struct clients *c, const char *text);
/* Probes at each request of a connection may cost as much as those of its results, so both are in
 * one group. */
enum group client_group_of(const struct probe_row *row);
bool client_has_anchors(struct elf_file *elf, const struct probe_library *l);
/* Looks for all anchors in one question.  Reading a full symbol table takes long, and every
 * question costs a trip to the worker and back. */
void client_find_anchors_deep(struct elf_file *elf, bool *has);
void client_tell_library(struct clients *c, struct attached *a);
void client_detach(struct attached *a, enum group g);
void client_release_cookies(struct clients *c, const struct attached *a);
void client_add_library(struct clients *c, const struct probe_library *l, struct elf_file *elf,
			const struct library_file *file, bool deep);
struct library_file client_waiting_file(const struct waiting *w);
void client_on_file(void *context, const struct library_file *file);
void client_on_gone(void *context, uint64_t device, uint64_t inode);
void client_on_mapping(void *context, const struct library_mapping *mapping);
/* Looks into one file at a time, so that nothing else waits for long. */
void client_look_deeper(struct clients *c);
/* Probes the libraries of the table where distributions keep them, before a process maps them.
 * Every mapped file is found later anyway, so gaps in the head start do no harm. */
void client_head_start(struct clients *c);
/* 0; -EAGAIN: the programs are being loaded; or another -errno: the kernel refuses them. */
int client_begin_tls(struct clients *c);
/* A process may map its library after its first encrypted bytes, or we may hear of the mapping
 * after them.  So each such process is looked at again, ever more rarely. */
void client_look_for_tls_again(struct clients *c, uint64_t now_ns);
/* Loads the programs in the background as soon as a process maps OpenSSL.  It may soon use a
 * database, and its login comes first. */
void client_load_tls(struct clients *c);
/* Brings the hits up to date; adds to each group what its probes have cost since. */
void client_count_hits(struct clients *c);
/* Keeps the budget.  A library steps down only if its objects go on costing more than all its users
 * may spend: a program that starts, or fills its cache, is soon done. */
void client_keep_budget(struct clients *c, uint64_t now);
/* Forgets libraries that were unmapped `age` ns ago.  All entries with their cookies leave the
 * ledger first, or a reused cookie would give them to another library. */
void client_forget_left(struct clients *c, uint64_t now, uint64_t age);

#endif
