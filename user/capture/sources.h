/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sources.h - the sources of records beside the sockets: client libraries, stacks, memory.
 *
 * A table has a row for each source.  The functions here call that row's function of every source
 * that is open, and pass over the others.
 */
#ifndef DBLEAK_CAPTURE_SOURCES_H
#define DBLEAK_CAPTURE_SOURCES_H

#include <poll.h>

#include "user/capture/watched/context.h"
#include "user/capture/host/procfs.h"

#define SOURCE_FDS 3

/* Opens what the options ask for, and attaches the kernel's programs in between.  0 or -errno. */
int sources_open(struct capture *c);
/* The first step begins: threads may start, programs may load in the background. */
void sources_begin(struct capture *c);
void sources_close(struct capture *c);

/* Descriptors to wait for; fd -1: that source has none. */
void sources_wait(const struct capture *c, struct pollfd fds[SOURCE_FDS]);
/* The time when the first of them has work, in nanoseconds since boot; UINT64_MAX: not before
 * something happens. */
uint64_t sources_due(const struct capture *c, uint64_t now);
/* Each does what is due.  0 or the first -errno. */
int sources_step(struct capture *c);
/* A sweep over connections is done: each tells what changed since the last.  0 or -errno. */
int sources_sweep(struct capture *c);
/* Between two sweeps, when memory is looked at. */
void sources_look(struct capture *c);
/* The last time; stacks still being read are waited for until then. */
void sources_finish(struct capture *c, uint64_t until_ns);

/* A record of the kernel half that belongs to a source.  False: it belongs to none. */
bool sources_record(struct capture *c, const struct ev_head *record);

extern const struct process_events sources_events;
/* A process ended: what it held is told before its end. */
void sources_gone(struct capture *c, uint32_t pid, uint64_t start_ns);

/* Is one of our probes there, in a file of that inode number? */
bool sources_have_probe(const struct capture *c, uint64_t inode, uint64_t offset);

/* Processor time that probes have taken so far, in nanoseconds; faults: page faults looked at. */
double sources_cost_ns(struct capture *c, uint64_t faults);
/* Each tells what it has cost and seen so far. */
void sources_account(struct capture *c);
/* Has one of them given up detail to stay within its budget? */
bool sources_stepped_down(const struct capture *c);

#endif
