/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * watchdog.h - signals and deadlines that are kept whatever the main thread is doing.
 *
 * Files that others map, mount or stop may hold the main thread for ever, so it neither reads
 * signals nor keeps the time of a watch alone.  A thread of its own takes the signals.  It hands on
 * the first that asks dbleak to end; a second ends the process.  If the main thread does not come
 * back in time, the report is made without it.
 */
#ifndef DBLEAK_COMMAND_WATCHDOG_H
#define DBLEAK_COMMAND_WATCHDOG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* The stage of the main thread. */
enum watchdog_stage {
	STAGE_OPENING,
	STAGE_WORKING,
	STAGE_FINISHING, /* the last look */
	STAGE_REPORTING, /* only the reader of the report can delay it */
	STAGE_CLOSING,	 /* the report is out */
};

struct watchdog_host {
	/* Reports from what is known and ends the process.  Returns if that cannot be done.
	 * where: what the main thread hangs at, raw bytes; empty: not known. */
	void (*report)(void *context, uint32_t pid, const char *where);
	void (*leave)(void); /* before the process ends in a thread of ours; NULL: nothing */
	void (*begin)(void); /* first of all in the watchdog's thread; NULL: nothing */
	void *context;
};

struct watchdog {
	struct watchdog_host host;
	pthread_t thread;
	int command; /* pidfd of run's command; <= 0: none. It decides when to end */
	atomic_int stage, status;
	atomic_uint pending; /* signals for the main thread, one bit each */
	_Atomic uint64_t started_ns, opened_ns, duration_ns; /* 0: not yet; no end */
	/* The thread's own. */
	uint64_t asked_ns, last_ns; /* the first signal, and the latest */
	uint64_t moves, moved_ns;   /* steps of the main thread, and the time of the latest */
	uint64_t told_moves;
	int last_signal;
	unsigned int asked;
};

/* Blocks the signals in this thread and all that come after it, and starts the thread.
 * 0 or -errno. */
int watchdog_start(struct watchdog *w, const struct watchdog_host *host);
/* Time that the watch is to last from STAGE_WORKING on; 0: until it is asked to end. */
void watchdog_duration(struct watchdog *w, double seconds);
/* status: the exit status of the process, on closing. */
void watchdog_stage(struct watchdog *w, enum watchdog_stage stage);
void watchdog_closing(struct watchdog *w, int status);
/* Milliseconds left for the last look. */
int watchdog_left_ms(const struct watchdog *w);
/* A signal that asks to end, or 0. */
int watchdog_signal(struct watchdog *w);

#endif
