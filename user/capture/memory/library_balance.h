/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library_balance.h - what client libraries took of the heap and gave back, from counts to records.
 *
 * Most call sites are counted all the time.  Those that are hit often are counted in sampling
 * windows only, and extrapolated.  The error falls with the number of windows, and is reported with
 * the figure.
 */
#ifndef DBLEAK_CAPTURE_LIBRARY_BALANCE_H
#define DBLEAK_CAPTURE_LIBRARY_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "user/capture/kernel/kernel.h"

struct balances;

struct balances_host {
	void *context;
	/* Reports one record; the host sets its time. */
	void (*tell)(void *context, struct ev_head *record);
	/* Reports a process, unless that is done; false: no memory. */
	bool (*owner)(void *context, uint32_t pid, uint64_t start_ns);
	/* Finds the EV_STACK of a sample; as readers_told. */
	int (*stack)(void *context, uint64_t sample, uint64_t *stack);
};

/* A file with a client library, as its balances are reported. */
struct balance_file {
	const char *name; /* "libpq" */
	uint64_t inode;
	uint64_t slot; /* address in the file of the pointer to free(); 0: not known */
};

/* kernel is borrowed, host copied.  0 or -ENOMEM. */
int balances_open(struct balances **out, struct kernel *kernel, const struct balances_host *host);
/* Accepts NULL. */
void balances_close(struct balances *b);

/* Brings the counts up to date.  files describes each file by its number, and must stay.  hit_ns:
 * cost of a hit for the process. */
void balances_read(struct balances *b, const struct balance_file *files, uint64_t hit_ns);
/* Hits of the busiest process in one library since the last call: by the probes of windows, or by
 * the others. */
uint64_t balances_busiest(struct balances *b, bool windowed);
/* A window has just begun.  Must come as late after the beginning as balances_window after the end.
 */
void balances_window_begins(struct balances *b);
/* A window is over, and the counts are up to date. */
void balances_window(struct balances *b);
/* The set of probes in windows changes.  share: part of the time since the last change that was
 * window, for what they have counted so far. */
void balances_phase(struct balances *b, double share);
/* Reports what has changed.  share: part of the time since the phase began that was window; 0: none
 * was. */
void balances_tell(struct balances *b, double share, bool last);

#endif
