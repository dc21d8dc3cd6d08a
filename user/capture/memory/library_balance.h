/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library_balance.h - what client libraries took of the heap and gave back, from counts to records.
 *
 * Some counts are of all the time, others of windows in it, which are reckoned up: as many windows
 * as there are, so good is the figure, and that is told with it.
 */
#ifndef DBLEAK_CAPTURE_LIBRARY_BALANCE_H
#define DBLEAK_CAPTURE_LIBRARY_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/kernel/kernel.h"

struct balances;

struct balances_host {
	void *context;
	/* Tells one record; its time is the host's to set. */
	void (*tell)(void *context, struct ev_head *record);
	/* Tells of a process unless that is done; false where there is no memory. */
	bool (*owner)(void *context, uint32_t pid, uint64_t start_ns);
	/* The EV_STACK of a sample; as readers_told. */
	int (*stack)(void *context, uint64_t sample, uint64_t *stack);
};

/* A file with a client library, as its balances are told. */
struct balance_file {
	const char *name; /* "libpq" */
	uint64_t inode;
	uint64_t slot; /* address in the file where it keeps that of free(); 0 not known */
};

/* kernel is borrowed, host copied.  0 or -ENOMEM. */
int balances_open(struct balances **out, struct kernel *kernel, const struct balances_host *host);
/* Accepts NULL. */
void balances_close(struct balances *b);

/* Brings the counts up to date.  files describes each file by its number, and must stay; hit_ns:
 * what a hit costs the process. */
void balances_read(struct balances *b, const struct balance_file *files, uint64_t hit_ns);
/* Hits of the busiest process in one library since this was asked last, in windows or else. */
uint64_t balances_busiest(struct balances *b, bool windowed);
/* A window has just begun; to be told as late as its end is. */
void balances_window_begins(struct balances *b);
/* A window is over, and the counts are up to date. */
void balances_window(struct balances *b);
/* The probes of the windows change: what they have counted so far is of this share of the time. */
void balances_phase(struct balances *b, double share);
/* Tells what has changed; share: of the time since the phase began that was window, 0 none was. */
void balances_tell(struct balances *b, double share, bool last);

#endif
