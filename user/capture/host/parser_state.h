/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * parser_state.h - the side that asks the worker, for parser.c and tests.
 */
#ifndef DBLEAK_CAPTURE_PARSER_STATE_H
#define DBLEAK_CAPTURE_PARSER_STATE_H

#include "user/base/table.h"
#include "user/capture/host/parser.h"
#include "user/capture/worker/nursery.h"

#define SILENT_MS 500  /* the longest wait for a packet of the worker; */
#define FIRST_MS  2000 /* until its first packet, on a busy host */

#define REQUESTS_MOST 65536 /* of one question, refused ones included */

#define STRIKES	     2		    /* workers in a row that a process may cost */
#define WORKERS_MOST 8		    /* that may fail one after the other, */
#define WORKER_NS    600000000000LL /* and one more after each of these times */

/* Of a share of elapsed time, how much may be saved up. */
#define OWN_MOST_NS 1000000000LL
#define ALL_MOST_NS 2000000000LL
#define OWNERS_MOST 4096

/* The rest of a share that grows with time. */
struct credit {
	int64_t left_ns;
	uint64_t at_ns; /* when it was brought up to date; 0: it is whole */
};

/* A process whose memory is parsed. */
struct parser_owner {
	struct credit credit;
	uint32_t strikes;
};

struct parser {
	struct nursery *nursery;
	size_t role;
	struct parser_limits limits;
	struct nursling worker; /* wire negative: none */
	bool heard;		/* the worker has answered before */
	struct table owners;	/* pid, start -> struct parser_owner */
	struct credit all, failures;
	union {
		struct parser_head head;
		uint8_t bytes[PARSER_PACKET_MAX];
	} in, out;
};

#endif
