/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * memory.h - the memory of each process over time, and the stacks under which it was taken.
 *
 * Part of the model: keeps EV_MEMORY and EV_MEMORY_SITE.  Memory is bounded: of too many sites,
 * those that hold least are dropped and counted.  A process with many sites gives way to others.
 */
#ifndef DBLEAK_MODEL_MEMORY_H
#define DBLEAK_MODEL_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "user/base/table.h"
#include "user/model/history.h"

#define MEMORY_UNIT	   4096ULL		   /* bytes, in which histories count */
#define MEMORY_SITES_MOST  8192			   /* of all processes together: some 5 MB */
#define MEMORY_SITES_SHARE (MEMORY_SITES_MOST / 4) /* a process with more makes room first */

struct process_model;

/* The memory of one process: its anonymous memory, with what is swapped out of it. */
struct memory_model {
	struct ev_memory state;	   /* the latest; head.ns 0: none was reported */
	uint64_t start, end, peak; /* bytes; UNKNOWN64: no size was reported */
	uint64_t samples;	   /* number of sizes reported */
	struct history size;	   /* of its size, in units */
	/* totals of the process, taken with each size: */
	struct history requests; /* to databases */
	struct history failures; /* transactions rolled back or abandoned, connections refused */
};

/* Memory taken under one stack, as one tier reports it. */
struct memory_site {
	const struct process_model *process;
	struct ev_memory_site state; /* the latest */
	struct history held;	     /* in units */
	struct history blocks;	     /* not given back; empty where they are not counted */
};

/* Zeroed is empty. */
struct memory_sites {
	struct table all;   /* by identity, process and tier */
	uint64_t forgotten; /* dropped for lack of room */
};

void memory_begin(struct memory_model *m);
/* requests and failures: of the process until now. */
void memory_apply(struct memory_model *m, const struct ev_memory *ev, uint64_t requests,
		  uint64_t failures);

void memory_sites_free(struct memory_sites *t);
/* number: of the process.  0 or -ENOMEM. */
int memory_site_apply(struct memory_sites *t, const struct process_model *p, uint32_t number,
		      const struct ev_memory_site *ev);

#endif
