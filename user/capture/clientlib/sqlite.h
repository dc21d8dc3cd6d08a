/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sqlite.h - SQLite connections, told as connections to a database are.
 *
 * A SQLite connection has no socket and no wire.  Its probes tell when it and its statements come
 * and go; what it is doing is read from the program's own objects once a sweep, through the
 * offsets that the library's own accessor functions use.  That costs the program nothing.
 */
#ifndef DBLEAK_CAPTURE_SQLITE_H
#define DBLEAK_CAPTURE_SQLITE_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/kernel/kernel_client.h"
#include "user/capture/probe/probe_point.h"
#include "user/capture/host/procfs.h"

struct sqlites;
struct client_host;

/* Where the library keeps what its accessors tell; size 0: not known. */
struct sqlite_fields {
	struct probe_field autocommit; /* of a connection: 0 inside a transaction */
	struct probe_field busy;       /* of a statement: stepped, neither finished nor reset */
	uint32_t rows;		       /* of a statement: see row_counter.h; UNKNOWN32 */
};

/* All borrowed.  0 or -ENOMEM. */
int sqlites_open(struct sqlites **out, struct kernel *kernel, const struct procfs *procfs,
		 const struct client_host *host);
void sqlites_close(struct sqlites *s);

/* A connection or statement that outlived the grace period, or changed. */
void sqlites_handle(struct sqlites *s, const struct raw_handle *raw,
		    const struct sqlite_fields *fields);
/* What a call site that opens connections has done so far.  Those that were closed before they were
 * worth a record of their own are told of in sum. */
void sqlites_site(struct sqlites *s, const struct raw_site *raw);
/* A statement has handed out many rows, and its process has grown. */
void sqlites_run(struct sqlites *s, const struct raw_run *raw, const struct sqlite_fields *fields);
/* It is gone.  exiting: with its process. */
void sqlites_gone(struct sqlites *s, const struct handle_key *key, uint64_t born_ns, uint64_t ns,
		  bool exiting);
/* Looks at all that are open and tells what changed. */
void sqlites_sweep(struct sqlites *s, uint64_t now_ns);

#endif
