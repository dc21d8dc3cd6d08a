/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * capture_options.h - what is to be watched, how closely, and where its records go.
 */
#ifndef DBLEAK_CAPTURE_CAPTURE_OPTIONS_H
#define DBLEAK_CAPTURE_CAPTURE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"
#include "user/capture/host/select.h"

struct asker;
struct helpers;

/* Takes one record, valid during the call.  Returns 0, or -errno to end the capture. */
typedef int (*capture_sink)(void *context, const struct ev_head *record);

#define BESIDE_MOST 2

struct capture_options {
	enum ev_mode mode;
	uint64_t min_age_ns;
	unsigned int interval_ms; /* between sweeps */
	bool show_literals;
	bool show_arguments;	/* values on command lines */
	bool probe_libraries;	/* client libraries too, not the sockets alone */
	bool probe_at_entry;	/* only at the first instruction of their functions */
	enum ev_tier tier;	/* how closely memory is watched, at most */
	uint64_t heap_interval; /* EV_TIER_FULL: bytes between sampled blocks; 1: every one */
	const char *command;	/* about to be started, as execvp(3) finds it; NULL: none */
	bool take_stacks;	/* of whoever opens, begins, prepares */
	double max_overhead;	/* percent of a CPU for ourselves; beyond it we sweep less often */
	struct select *select;	/* resolved; borrowed */
	struct containers *containers; /* borrowed */
	const struct helpers *helpers; /* open; borrowed */
	struct asker *asker;	       /* of --dsn; NULL: no server is asked; borrowed */
	pid_t beside[BESIDE_MOST];     /* more processes of ours, whose cost is ours; 0: none */
	capture_sink sink;
	void *context;
};

#endif
