/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * growth.h - how the memory of watched processes moves, and under which stacks it grows.
 *
 * EV_MEMORY of each process that changed, with the limit nearest to it.
 */
#ifndef DBLEAK_CAPTURE_GROWTH_H
#define DBLEAK_CAPTURE_GROWTH_H

#include "cgroup.h"
#include "procfs.h"

struct growth;

struct growth_host {
	void *context;
	/* Tells one record; its time is the host's to set. */
	void (*tell)(void *context, struct ev_head *record);
	const struct procfs *procfs;   /* borrowed */
	const struct cgroups *cgroups; /* borrowed */
};

/* host is copied.  0 or -ENOMEM. */
int growth_open(struct growth **out, const struct growth_host *host);
/* Accepts NULL. */
void growth_close(struct growth *g);

/* A new look at the processes begins. */
void growth_look(struct growth *g);
/* What a process uses was read just now. */
void growth_usage(struct growth *g, uint32_t pid, uint64_t start_ns,
		  const struct process_usage *usage);

#endif
