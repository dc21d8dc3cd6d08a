/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fetcher_state.h - a reader of other processes, for fetcher.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_FETCHER_STATE_H
#define DBLEAK_CAPTURE_FETCHER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "user/capture/worker/fetcher.h"
#include "user/base/table.h"

/* Requests to a fetcher. */
enum fetch_kind {
	FETCH_MEMORY = 1,
	FETCH_CMDLINE,
	FETCH_MAPS,
	FETCH_FILE,
	FETCH_TASK,
	FETCH_FOLDER_TASK
};

#define STUCK_MAX 16 /* fetchers that may hang at a time */

struct fetcher_answer {
	int64_t result;
	uint32_t serial, reserved;
	uint8_t bytes[FETCH_BYTES];
};

struct silent {
	uint64_t until_ns;
	bool locked; /* /proc/PID/maps is what did not answer */
};

struct fetcher {
	int nest, wire; /* negative: none */
	pid_t nest_pid, pid;
	pid_t stuck[STUCK_MAX]; /* abandoned fetchers that may still hang; 0: free slot */
	struct table silent;	/* processes that did not answer: struct silent */
	uint32_t reported[16];	/* pids of silent processes, not reported yet */
	size_t reported_count;
	uint32_t serial;
	struct fetcher_answer answer;
};

/* Nanoseconds of the monotonic clock. */
/* Notes a process that did not answer, and what of it (enum fetch_kind) did not come. */
void fetcher_remember(struct fetcher *f, uint32_t kind, uint32_t pid);

#endif
