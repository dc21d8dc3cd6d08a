/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library_balance_state.h - holders of a library's memory, for library_balance.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_LIBRARY_BALANCE_STATE_H
#define DBLEAK_CAPTURE_LIBRARY_BALANCE_STATE_H

#include <stdbool.h>

#include "user/capture/memory/library_balance.h"
#include "user/base/table.h"
#include "user/capture/kernel/kernel_library_heap.h"

#define STACKS_MOST  64	  /* of one holder; samples beyond them have none */
#define SAMPLES_MOST 4096 /* that wait to be named */

enum balance_allocator { ALLOCATOR_UNKNOWN, ALLOCATOR_GLIBC, ALLOCATOR_OTHER };

struct sum {
	double taken, freed, taken_bytes, freed_bytes, unread;
};

struct balance_stack_share {
	uint64_t stack; /* EV_STACK */
	double bytes;
	bool reported; /* by a record of its own */
};

/* A library in a process. */
struct balance_holder {
	struct library_key key; /* windowed: 0 */
	uint64_t start_ns, memory;
	const struct balance_file *file;
	struct sum now[2]; /* as the kernel counts: all the time, in windows */
	uint64_t hits[2], asked[2];
	struct sum base;	  /* of earlier phases, extrapolated */
	struct sum phase, window; /* now[1], when the phase and the window began */
	uint64_t cpu_ns;	  /* processor time of the process, as read last; 0 not known */
	uint64_t cpu_phase_ns, cpu_window_ns, cpu_inside_ns;
	uint64_t hits_phase, hits_window, hits_inside;
	double sum, squares; /* of the balances of the phase's windows */
	double base_error;   /* squared, of earlier phases */
	unsigned int windows;
	uint64_t first_ns, last_ns;
	enum balance_allocator allocator;
	unsigned int tries; /* to learn it */
	struct balance_stack_share stacks[STACKS_MOST];
	size_t stack_count;
	double stack_bytes; /* of all samples, those without a stack too */
	double reported;    /* sum of the figures reported last */
	bool rest_reported; /* the rest beside the main stack was reported */
	bool windowed;	    /* some of its calls are counted in windows */
	bool gone;
};

struct balance_sample { /* a stack that is not named yet */
	struct library_stack_key key;
	uint64_t bytes;
};

struct balances {
	struct kernel *kernel;
	uint64_t hit_ns; /* cost of a hit */
	struct balances_host host;
	const struct balance_file *files;
	struct table holders; /* by process and file */
	struct balance_sample samples[SAMPLES_MOST];
	size_t sample_count;
};

#endif
