/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stack_state.h - stacks that are kept, for stack.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_STACK_STATE_H
#define DBLEAK_CAPTURE_STACK_STATE_H

#include <stdbool.h>

#include "user/capture/stack/stack.h"
#include "user/base/table.h"

#define SAMPLES_MOST  65536
#define FUNCTION_MOST 320
#define FILE_MOST     448
#define MODULE_MOST   192
#define BUILD_MOST    64

/* A stack that is not reported yet, with its frames.  refs: how many samples are equal to it. */
struct stack_held {
	uint64_t id;
	struct stack_owner owner;
	uint32_t flags, refs;
	size_t count, bytes;
	struct ev_frame *frame[EV_STACK_FRAMES];
};

struct stack_waiting { /* evidence for a sample that is not named yet */
	struct stack_waiting *next;
	struct ev_evidence evidence;
};

struct stack_sample {
	uint64_t stack; /* the id of its stack; 0 none */
	bool named;
	struct stack_waiting *waiting;
};

struct stacks {
	struct stacks_host host;
	struct table samples;	      /* struct stack_sample, by the kernel's id */
	uint64_t order[SAMPLES_MOST]; /* ids of samples, a ring */
	size_t oldest;
	struct table held; /* struct stack_held, by id */
	uint64_t held_bytes;
	struct table reported; /* ids of reported frames and stacks; the value has no meaning */
	size_t waiting;
	uint64_t lost;
	uint64_t renewals;
};

#endif
