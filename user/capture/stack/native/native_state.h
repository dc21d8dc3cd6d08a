/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * native_state.h - the side that asks the worker, for native.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_NATIVE_STATE_H
#define DBLEAK_CAPTURE_NATIVE_STATE_H

#include "user/capture/stack/native/native.h"
#include "user/base/table.h"
#include "user/capture/stack/native/native_wire.h"
#include "user/capture/stack/native/supplier.h"

/* A question without an answer yet; answers come in the order of the questions. */
struct asked {
	uint64_t id, start_ns, shape;
	uint32_t pid;
};

struct native {
	struct nursery *nursery;
	struct nursling worker; /* wire negative: none */
	struct supplier *supplier;
	int epoll, timer;
	struct guard guard;
	struct native_counts counts;
	struct asked *asked; /* a ring */
	size_t first, outstanding, asked_room;
	uint64_t started_ns, retry_ns, wait_ns;
	uint64_t heard_ns; /* when the worker last sent something, or had no open question */
	uint64_t dead_cpu_ns;

	struct arena *texts;
	struct frame *frames; /* by id - 1 */
	uint32_t reported, room;
	struct frame stack[EV_STACK_FRAMES];
	uint8_t in[WIRE_PACKET_MAX] __attribute__((aligned(8)));
};

/* Forgets the frames that a worker has sent; its successor counts from 1 again. */
void native_frames_forget(struct native *n);
/* Answers all open questions without frames, so that their evidence need not wait. */
void native_tell_lost(struct native *n, native_fn fn, void *context);
/* Makes room for another open question.  False: no memory. */
bool native_asked_room(struct native *n);
/* Notes an open question if err, of its sending, is 0.  Returns err. */
int native_asked(struct native *n, int err, const struct asked *asked);
/* Takes in a packet of that many bytes in n->in.  -EPROTO: nonsense. */
int native_take_packet(struct native *n, size_t size, native_fn fn, void *context);

#endif
