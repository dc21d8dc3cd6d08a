/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * code.h - places in the code of the watched programs, and the call stacks through them.
 *
 * Keeps what EV_FRAME and EV_STACK tell, and evidence whose object was not told of yet.  Records
 * come in any order.  It refuses to grow without bound: what nothing refers to makes room, what no
 * longer fits is counted and left out, and a finding then has no place rather than a wrong one.
 */
#ifndef DBLEAK_MODEL_CODE_H
#define DBLEAK_MODEL_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "user/base/table.h"

/* As EV_FRAME tells it; NULL and 0 are "not known". */
struct code_frame {
	uint64_t offset;
	uint32_t line, column;
	uint16_t language, flags;
	const char *function, *file, *module, *build_id;
	uint64_t told; /* when it was told last, in records of places */
	bool used;     /* while room is made */
	char text[];
};

struct code_stack {
	uint64_t told; /* likewise */
	bool used;
	uint32_t flags, count;
	uint64_t frame[]; /* ids, the innermost first */
};

/* Zeroed is empty. */
struct code {
	struct table frames, stacks; /* by id */
	size_t depths;		     /* of all stacks together */
	struct table waiting;	     /* evidence by object; slots of the ring */
	struct ev_evidence *ring;
	size_t ring_next;
	uint64_t refused; /* frames and stacks that did not fit */
	uint64_t told;	  /* records of places so far */
	uint64_t again;	  /* with which of them room may be made again */
};

void code_free(struct code *c);

/* 0 or -ENOMEM. */
int code_frame_add(struct code *c, const struct ev_frame *ev);
int code_stack_add(struct code *c, const struct ev_stack *ev);

/*
 * Room is made in three steps: is there need to, and is it worth it; then whoever refers to a stack
 * says so; then what nobody refers to goes.  What was told lately stays: whoever is going to refer
 * to it may not have been told of yet.  The tracer tells a place again after so many others at the
 * latest (STACKS_TOLD_MOST), which is fewer.
 */
#define CODE_RECENT 65536
bool code_is_full(struct code *c);
void code_use(struct code *c, uint64_t stack);
void code_drop_unused(struct code *c);

/* NULL not known. */
const struct code_frame *code_frame(const struct code *c, uint64_t id);
const struct code_stack *code_stack(const struct code *c, uint64_t id);

/* Keeps evidence until its object is told of; of too many the oldest gives way.  0 or -ENOMEM. */
int code_wait(struct code *c, const struct ev_evidence *ev);
/* Takes out what waits for an object: like holds kind, object, second, pid, start_ns and resource
 * as the evidence has them.  NULL: none does.  Valid until the next code_wait. */
const struct ev_evidence *code_take(struct code *c, const struct ev_evidence *like);

#endif
