/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * limit.h - what bounds the memory of a process: its cgroups, its own limits, the host.
 *
 * The nearest is the one of which the least is left.  Nothing is guessed: what cannot be read is
 * no limit.  A cgroup is read once in a look, however many processes are in it.
 */
#ifndef DBLEAK_CAPTURE_LIMIT_H
#define DBLEAK_CAPTURE_LIMIT_H

#include "user/capture/host/cgroup.h"
#include "user/capture/host/procfs.h"

struct limits;

struct limit {
	uint64_t bytes; /* UNKNOWN64: there is none */
	uint64_t used;	/* of it, without what can be had back at once; UNKNOWN64 */
	enum ev_limit kind;
};

/* Both are borrowed.  0 or -ENOMEM. */
int limits_open(struct limits **out, const struct procfs *procfs, const struct cgroups *cgroups);
/* Accepts NULL. */
void limits_close(struct limits *l);

/* A new look begins: what was read before is out of date. */
void limits_begin(struct limits *l);
/* The limit nearest to that process, whose usage was read just now. */
struct limit limits_nearest(struct limits *l, uint32_t pid, const struct process_usage *usage);

#endif
