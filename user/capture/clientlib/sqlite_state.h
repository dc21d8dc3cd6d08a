/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sqlite_state.h - what the files that follow SQLite connections share; nobody else includes it.
 */
#ifndef DBLEAK_CAPTURE_SQLITE_STATE_H
#define DBLEAK_CAPTURE_SQLITE_STATE_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "user/base/redact.h"
#include "user/base/sql.h"
#include "user/base/table.h"
#include "user/capture/clientlib/client_host.h"
#include "user/capture/clientlib/lock.h"
#include "user/capture/host/memory.h"
#include "user/capture/clientlib/sqlite_file.h"
#include "user/capture/clientlib/sqlite_run.h"

#define CONNECTION_BYTES 512 /* of struct sqlite3, which is longer; its counters are among them */
#define STATEMENT_BYTES	 256 /* of a statement; likewise */
#define ID_BASE		 (1ULL << 63) /* no socket's cookie is so high */
#define LOOK_AGAIN_NS	 10000000000ULL
#define LOOKS_MOST	 2000 /* at objects of one kind in one sweep; more take turns */

struct open_file { /* a connection */
	struct handle_key key;
	struct sqlite_fields fields;
	uint64_t digest;
	struct ev_connection ev; /* as reported last */
	struct ev_file file;
	struct sqlite_file at;	     /* path NULL: no file, or not known */
	uint64_t sql;		     /* hash of the text reported last */
	uint64_t begun;		     /* stack of the transaction reported last */
	struct ledger_handle handle; /* as the ledger has it */
	uint32_t statements, busy;   /* of its statements that were reported */
	bool counted;		     /* among the process's told_closed */
};

/* Counts of all connections of a process, reported one by one or not. */
struct opener {
	uint32_t pid;
	uint64_t start_ns;
	uint64_t released; /* by all its sites */
	uint32_t sites;
	uint64_t reported_closed; /* of these, how many were reported one by one */
	uint64_t reported_short_lived;
};

struct unnamed { /* what sqlite_file_only said of a process */
	uint64_t ns;
	struct sqlite_file at;
	int err;
};

struct open_statement {
	struct handle_key key;
	uint64_t parent, born_ns, text;
	uint64_t prepared_at; /* stack; 0 none */
	char *sql;	      /* literals replaced; NULL not known */
	uint32_t length, cut;
	uint64_t digest;
	uint64_t still_ns; /* since when its bytes have not changed */
	struct sqlite_run run;
	bool busy;
	bool reported; /* its connection is known, too */
};

struct sqlites {
	struct kernel *kernel;
	struct sizes *sizes;
	const struct procfs *procfs;
	const struct client_host *host;
	struct table files, statements; /* by address and pid */
	struct table unnamed, openers;	/* by pid and start */
	struct table sites;		/* by identity and pid: how many each has released */
	struct table memory;		/* by pid, for one sweep: its bytes */
	struct locks *locks;
	uint64_t ids, sweeps;
};

struct before { /* a connection as the last sweep had it */
	struct ev_connection ev;
	struct ev_file file;
};

struct table_key sqlite_table_key_of(const struct handle_key *key);
struct table_key sqlite_key_of(uint64_t handle, uint32_t pid);
void sqlite_tell(struct sqlites *s, const struct ev_head *record);
/* Reads an object of a process.  Returns a digest of its bytes, 0 when they cannot be read. */
uint64_t sqlite_read_object(uint32_t pid, uint64_t address, void *bytes, size_t size);
/* The value that an accessor would return for an object with these first bytes.  -1: not known. */
int sqlite_field_value(const struct probe_field *field, const unsigned char *bytes, size_t size);
/* Reports a stack of the kernel half for the connection, or for one of its statements (second). */
void sqlite_tell_evidence(struct sqlites *s, const struct open_file *f, enum ev_evidence_kind kind,
			  uint64_t stack, uint64_t second);
/* Reports the text that the connection was given last.  Callers skip a connection that goes on from
 * text to text outside a transaction. */
void sqlite_tell_sql(struct sqlites *s, struct open_file *f, uint64_t hash, uint64_t now);
void sqlite_tell_statement(struct sqlites *s, const struct open_file *f, struct open_statement *st,
			   uint64_t now);
/* Counts a reported connection that was closed: its site has counted the close, too. */
void sqlite_count_closed(struct sqlites *s, struct open_file *f);
void sqlite_report_short_lived(struct sqlites *s, struct opener *o, uint64_t now);
/* Whether it is this object's turn, among `count` objects. */
bool sqlite_is_due(const struct sqlites *s, const struct handle_key *key, size_t count);
/* The write-ahead log lies beside the file. */
uint64_t sqlite_wal_bytes(const struct open_file *f);
/* Memory of the process now; one look serves all its statements in a sweep.  UNKNOWN64. */
uint64_t sqlite_memory_of(struct sqlites *s, uint32_t pid);
void sqlite_tell_result(struct sqlites *s, struct open_file *f, struct ev_result *ev, uint64_t text,
			uint64_t stack);

#endif
