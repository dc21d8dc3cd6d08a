/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * present.h - where the threads of a process are now.
 *
 * A program whose pool is full does nothing that a probe could see: nothing is opened, nothing is
 * asked.  So its sleeping threads are looked at, about once a second: where each sleeps, since
 * when, and what for.  No thread is stopped.  A stack is believed if its thread did not run while
 * it was read.  A thread that sleeps on is not read again.
 *
 * Reports EV_THREAD and EV_SERVING.  A look costs at most a fixed share of the time.
 */
#ifndef DBLEAK_CAPTURE_PRESENT_H
#define DBLEAK_CAPTURE_PRESENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/capture/kernel/kernel.h"

struct presents;
struct readers;
struct runtimes;

struct present_process {
	uint32_t pid;
	uint64_t start_ns;
};

struct presents_host {
	void *context;
	/* Reports one record; the host sets its time. */
	void (*tell)(void *context, struct ev_head *record);
	/* Lists the processes that hold connections to a database.  Returns how many, at most
	 * `most`. */
	size_t (*processes)(void *context, struct present_process *out, size_t most);
};

/* All are borrowed, host is copied.  0 or -errno. */
int presents_open(struct presents **out, struct kernel *kernel, struct readers *readers,
		  const struct presents_host *host);
/* Accepts NULL. */
void presents_close(struct presents *p);

/* Sets the list of known interpreters; borrowed.  Without it threads of Python are read as native
 * ones. */
void presents_runtimes(struct presents *p, const struct runtimes *runtimes);
/* Begins to load the programs in the background. */
void presents_begin(struct presents *p);

/* The time when the next look is due, in nanoseconds since boot. */
uint64_t presents_due(const struct presents *p);
/* Looks if it is time, and reports the stacks that were named since. */
void presents_step(struct presents *p, uint64_t now_ns);
/* The last look: stacks that are not named by now are named until the readers end. */
void presents_finish(struct presents *p);
/* Reports the stacks that were named since; the rest have no names. */
void presents_tell(struct presents *p, bool last);
/* The process ended. */
void presents_gone(struct presents *p, uint32_t pid, uint64_t start_ns);

#endif
