/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sqlite.h - SQLite connections, reported like connections to a server.
 *
 * A SQLite connection has no socket and no wire.  Probes show when connections and statements come
 * and go.  What they are doing is read from the program's own objects once a sweep, at the offsets
 * that the library's own accessor functions use.  Reading costs the program nothing.
 */
#ifndef DBLEAK_CAPTURE_SQLITE_H
#define DBLEAK_CAPTURE_SQLITE_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/kernel/kernel_client.h"
#include "user/capture/probe/probe_point.h"
#include "user/capture/host/procfs.h"

struct client_host;
struct sizes;
struct sqlites;

/* The fields that the library's accessor functions read; size 0: not known. */
struct sqlite_fields {
	struct probe_field autocommit; /* of a connection: 0 inside a transaction */
	struct probe_field busy;       /* of a statement: stepped, neither finished nor reset */
	uint32_t rows;		       /* of a statement: see row_counter.h; UNKNOWN32 */
};

/* All borrowed.  0 or -ENOMEM. */
int sqlites_open(struct sqlites **out, struct kernel *kernel, struct sizes *sizes,
		 const struct procfs *procfs, const struct client_host *host);
void sqlites_close(struct sqlites *s);

/* Takes a connection or statement that outlived the grace period, or changed. */
void sqlites_handle(struct sqlites *s, const struct raw_handle *raw,
		    const struct sqlite_fields *fields);
/* Takes the counts of a call site that opens connections.  Connections closed too early for a
 * record of their own are reported as a sum. */
void sqlites_site(struct sqlites *s, const struct raw_site *raw);
/* A statement has handed out many rows, and its process has grown. */
void sqlites_run(struct sqlites *s, const struct raw_run *raw, const struct sqlite_fields *fields);
/* A connection or statement is gone.  exiting: its process ended. */
void sqlites_gone(struct sqlites *s, const struct handle_key *key, uint64_t born_ns, uint64_t ns,
		  bool exiting);
/* Looks at all open objects and reports what changed. */
void sqlites_sweep(struct sqlites *s, uint64_t now_ns);

#endif
