/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * native_wire.h - the messages between the reader of native stacks and its worker.
 *
 * Packets hold messages one after the other.  The parent does not trust what comes back: a file
 * that the worker read may have taken control of it.
 */
#ifndef DBLEAK_CAPTURE_NATIVE_WIRE_H
#define DBLEAK_CAPTURE_NATIVE_WIRE_H

#include "bpf/stack/raw_stack.h"
#include "user/capture/stack/native/guard.h"
#include "user/capture/worker/nursery.h"

#define WIRE_PACKET_MAX 32768
#define WIRE_FRAMES_MAX 32768 /* ids in use at a time, from 1 on */

enum wire_kind {
	WIRE_STACK = 1,
	WIRE_CALLER = 2,
	WIRE_PROCESS = 3,
	WIRE_FRAME = 4,	 /* the next id is this frame */
	WIRE_ANSWER = 5, /* its frames were sent before */
	WIRE_RESET = 6,	 /* all ids are free again */
	WIRE_GUARD = 7,	 /* the first message: which files must not be read */
};

struct wire_head {
	uint32_t kind;
	uint32_t size; /* of the message, a multiple of 8 */
};

struct wire_stack {
	struct wire_head head;
	struct raw_stack raw; /* cut */
};

struct wire_request {
	struct wire_head head;
	uint64_t id, start_ns, address;
	uint32_t pid, reserved;
};

struct wire_frame {
	struct wire_head head;
	uint64_t offset;
	uint32_t id, line, column;
	uint16_t language, flags;
	uint32_t text_size, reserved;
	char text[];
};

struct wire_answer {
	struct wire_head head;
	uint64_t id, key;
	uint32_t flags, count;
	struct stack_shape shape; /* count 0: not known */
	uint32_t frame[];
};

struct wire_guard {
	struct wire_head head;
	struct guard_file file[GUARD_FILES]; /* zeroed: none */
};

/* The worker's role in the nursery. */
extern const struct nursery_role native_role;

#endif
