/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * limit.h - the limits on a process's memory: its cgroups, its own limits, the host.
 *
 * The nearest limit is the one with the least memory left.  dbleak guesses nothing: a limit that
 * cannot be read counts as none.  Each cgroup is read once per look, whatever its number of
 * processes.
 */
#ifndef DBLEAK_CAPTURE_LIMIT_H
#define DBLEAK_CAPTURE_LIMIT_H

#include "user/capture/host/cgroup.h"
#include "user/capture/host/procfs.h"

struct limits;

struct limit {
	uint64_t bytes; /* UNKNOWN64: no limit */
	uint64_t used;	/* bytes in use, without reclaimable pages; UNKNOWN64: not known */
	enum ev_limit kind;
};

/* Both are borrowed.  0 or -ENOMEM. */
int limits_open(struct limits **out, const struct procfs *procfs, const struct cgroups *cgroups);
/* Accepts NULL. */
void limits_close(struct limits *l);

/* Begins a new look and drops the figures of the last one. */
void limits_begin(struct limits *l);
/* The nearest limit of a process.  usage: read just now. */
struct limit limits_nearest(struct limits *l, uint32_t pid, const struct process_usage *usage);

#endif
