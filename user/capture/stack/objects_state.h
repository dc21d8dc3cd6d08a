/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * objects_state.h - the side that asks the worker, for objects.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_OBJECTS_STATE_H
#define DBLEAK_CAPTURE_OBJECTS_STATE_H

#include "user/base/table.h"
#include "user/capture/stack/object_wire.h"
#include "user/capture/stack/objects.h"

#define SILENT_MS 500  /* the longest wait for a packet of the worker; */
#define FIRST_MS  2000 /* until its first packet, on a busy host */
#define READ_MS	  500  /* one question reads memory for so long at most, */
#define WHOLE_MS  1500 /* and has its answer after so long, beside that */

#define READ_MOST     (16UL << 20) /* bytes of one question: a script of V8 has 8 MB at most */
#define REQUESTS_MOST 65536	   /* of one question, refused ones included */

#define STRIKES	     2		    /* workers in a row that a process may cost */
#define WORKERS_MOST 8		    /* that may fail one after the other, */
#define WORKER_NS    600000000000LL /* and one more after each of these times */

/* Shares of elapsed time, in parts of a second, and how much of it may be saved up. */
#define OWN_PART    4
#define OWN_MOST_NS 1000000000LL
#define ALL_PART    2
#define ALL_MOST_NS 2000000000LL
#define OWNERS_MOST 4096

/* The rest of a share that grows with time. */
struct credit {
	int64_t left_ns;
	uint64_t at_ns; /* when it was brought up to date; 0: it is whole */
};

/* A process whose objects are read. */
struct object_owner {
	struct credit credit;
	uint32_t strikes;
};

struct objects {
	struct nursery *nursery;
	struct nursling worker; /* wire negative: none */
	bool heard;		/* the worker has answered before */
	struct table owners;	/* pid, start -> struct object_owner */
	struct credit all, failures;
	uint64_t unread; /* questions about frames that nobody answered */
	union {
		struct object_head head;
		uint8_t bytes[OBJECT_PACKET_MAX];
	} in, out;
	struct python_span spans[PYTHON_SPANS_MOST];
	char text[2][PYTHON_TEXT_MOST + 1];
};

#endif
