/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * state_wire.h - the packets between dbleak and a worker that reads state files of containers.
 *
 * A request is followed by the file's bytes, in packets of STATE_CHUNK.  One reply packet answers.
 * The reply is not trusted: a hostile file may control the worker.
 */
#ifndef DBLEAK_CAPTURE_STATE_WIRE_H
#define DBLEAK_CAPTURE_STATE_WIRE_H

#include <stdint.h>

#include "user/capture/worker/nursery.h"

/* A container's state file has some KiB.  Parsed JSON takes 50 times as much memory. */
#define STATE_BYTES_MAX	 (1UL << 20)
#define STATE_CHUNK	 32768
#define STATE_ID_MAX	 64
#define STATE_ANSWER_MAX 8192

struct state_request {
	uint32_t question;	   /* enum state_question */
	uint32_t size;		   /* of the file, at most STATE_BYTES_MAX */
	char id[STATE_ID_MAX + 1]; /* of the container asked about */
};

struct state_reply {
	uint32_t size; /* of text[] */
	char text[STATE_ANSWER_MAX];
};

extern const struct nursery_role state_role;

#endif
