/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sqlite_run.h - how much memory a process took while a statement of SQLite handed out its rows.
 *
 * SQLite hands out row after row and keeps none.  A program that keeps them all grows, and its
 * memory shows it.
 */
#ifndef DBLEAK_CAPTURE_SQLITE_RUN_H
#define DBLEAK_CAPTURE_SQLITE_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/host/procfs.h"

/* A look that found the statement at rest; ns 0: there was none. */
struct sqlite_rest {
	uint64_t ns, bytes; /* anonymous memory of its process */
};

/* Results of the looks at a statement; all zero before the first. */
struct sqlite_run {
	struct sqlite_rest rest[2]; /* the last two times, the later one first */
	uint64_t busy_ns;	    /* first found at work since then; 0: it was not */
	uint64_t reported_bytes;    /* growth of this run that was reported */
};

/* Takes a look at a statement.  bytes: memory of its process now, UNKNOWN64. */
void sqlite_run_look(struct sqlite_run *r, bool busy, uint64_t bytes, uint64_t now_ns);

/* Number of bytes by which the process grew during a run that was over, or still at work, at
 * `after`. before: the statement was reset, or born. r may be NULL.  *began_ns: the latest time
 * when the run had not begun.  0 also if the beginning is not known well enough. */
uint64_t sqlite_run_grown(const struct sqlite_run *r, const struct sqlite_rest *before,
			  const struct sqlite_rest *after, uint64_t *began_ns);

/* Anonymous memory of a process; UNKNOWN64. */
uint64_t sqlite_run_memory(const struct procfs *procfs, uint32_t pid);

#endif
