/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * parser.h - asks a worker without rights to parse memory of a process, and gives it that memory.
 *
 * That memory may be made to attack its reader.  So the worker follows its pointers, and dbleak
 * only copies the bytes that the worker asks for.  A process whose memory kills or hangs workers is
 * given up.  Shares of time bound what one process, and all together, may take.
 */
#ifndef DBLEAK_CAPTURE_PARSER_H
#define DBLEAK_CAPTURE_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "user/capture/host/parser_wire.h"

struct nursery;
struct parser;

/* What the questions of one kind of worker may cost. */
struct parser_limits {
	uint64_t read_bytes; /* of memory, for one question, */
	uint32_t read_ms;    /* which takes so long to read at most; */
	uint32_t whole_ms;   /* beside that the answer may take so long */
	uint32_t own_part;   /* of elapsed time a process gets one part in so many, */
	uint32_t all_part;   /* and all of them together */
};

struct parser_question;

/* Takes a message of an answer, whose size is within its packet.  1: it was the last one; 0: more
 * is to come; -EPROTO: it is nonsense. */
typedef int parser_take_fn(struct parser_question *q, const struct parser_head *m);

/* A question.  Parser's own members need not be set. */
struct parser_question {
	uint32_t pid;
	uint64_t start_ns;
	const struct msghdr *message; /* begins with a parser_head; its whole packet */
	parser_take_fn *take;
	struct {
		struct parser *parser;
		uint64_t bytes, requests; /* of memory, so far */
		uint64_t begun_ns;
		uint64_t served_ns; /* spent on reading memory, which is not the worker's fault */
	} own;
};

/* The nursery is borrowed; role: number of the worker's role there.  The worker starts with the
 * first question.  0 or -errno. */
int parser_open(struct parser **out, struct nursery *nursery, size_t role,
		const struct parser_limits *limits);
/* Starts the worker now, so that the first question need not wait for that.  Does not block. */
void parser_prepare(struct parser *p);
/* Ends the worker.  Accepts NULL. */
void parser_close(struct parser *p);

/* Asks, and waits for the answer.  0: the answer is whole; -EBUSY: the process or all of them have
 * used up their share of time; -EDQUOT: the process is given up, or too many workers failed; -EIO:
 * the worker failed now; -ENOMEM. */
int parser_ask(struct parser *p, struct parser_question *q);

/* Why nothing is parsed any more. */
enum parser_refusal {
	PARSER_REFUSES_NOBODY,
	PARSER_REFUSES_PROCESS, /* this one: its memory killed or hung too many workers */
	PARSER_REFUSES_ALL,	/* for a while: too many workers failed */
	PARSER_REFUSALS
};

enum parser_refusal parser_refuses(struct parser *p, uint32_t pid, uint64_t start_ns);
/* Writes the reason of that refusal, a clause for EV_GAP.  False: nothing is refused. */
bool parser_gap(struct parser *p, uint32_t pid, uint64_t start_ns,
		const char *const reasons[PARSER_REFUSALS], char *text, size_t size);

#endif
