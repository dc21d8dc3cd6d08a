/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * code.h - places in the code of the watched programs, and the call stacks through them.
 *
 * Keeps the frames of EV_FRAME, the stacks of EV_STACK, and evidence whose object was not reported
 * yet.  Records come in any order.  Memory is bounded: places that nothing refers to make room, and
 * new ones that do not fit are counted and left out.  A finding then has no place rather than a
 * wrong one.
 */
#ifndef DBLEAK_MODEL_CODE_H
#define DBLEAK_MODEL_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "user/base/table.h"

/* A frame as EV_FRAME has it; NULL and 0 are "not known". */
struct code_frame {
	uint64_t offset;
	uint32_t line, column;
	uint16_t language, flags;
	const char *function, *file, *module, *build_id;
	uint64_t reported; /* when it was reported last, counted in records of places */
	bool used;	   /* while room is made: something refers to it */
	char text[];
};

struct code_stack {
	uint64_t reported; /* likewise */
	bool used;
	uint32_t flags, count;
	uint64_t frame[]; /* ids, the innermost first */
};

/* Zeroed is empty. */
struct code {
	struct table frames, stacks; /* by id */
	size_t depths;		     /* frames of all stacks together */
	struct table waiting;	     /* evidence by object; slots of the ring */
	struct ev_evidence *ring;
	size_t ring_next;
	uint64_t refused;  /* frames and stacks that did not fit */
	uint64_t reported; /* records of places so far */
	uint64_t again;	   /* number of the record with which room may be made again */
};

void code_free(struct code *c);

/* 0 or -ENOMEM. */
int code_frame_add(struct code *c, const struct ev_frame *ev);
int code_stack_add(struct code *c, const struct ev_stack *ev);

/*
 * Room is made in three steps.
 *   code_is_full      Is room needed, and is it worth the work now?
 *   code_use          The caller names each stack that something refers to.
 *   code_drop_unused  Stacks that nothing refers to are dropped, and then frames.
 * Places reported lately stay, because the object that refers to them may not be reported yet.  The
 * tracer reports a place again after STACKS_TOLD_MOST others at the latest, fewer than CODE_RECENT.
 */
#define CODE_RECENT 65536
bool code_is_full(struct code *c);
void code_use(struct code *c, uint64_t stack);
void code_drop_unused(struct code *c);

/* NULL: not known. */
const struct code_frame *code_frame(const struct code *c, uint64_t id);
const struct code_stack *code_stack(const struct code *c, uint64_t id);

/* Keeps evidence until its object is reported; of too much, the oldest gives way.  0 or -ENOMEM. */
int code_wait(struct code *c, const struct ev_evidence *ev);
/* Removes and returns the evidence that waits for an object. like holds kind, object, second, pid,
 * start_ns and resource as the evidence has them.  NULL: none waits.  Valid until the next
 * code_wait. */
const struct ev_evidence *code_take(struct code *c, const struct ev_evidence *like);

#endif
