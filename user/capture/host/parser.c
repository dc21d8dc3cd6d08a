/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * parser.c - see parser.h.
 *
 * dbleak waits for each answer, because what is parsed may be gone soon.  So a worker that is
 * silent costs time, and few of those are allowed.
 */
#include "user/capture/host/parser.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/host/parser_state.h"
#include "user/system/clock.h"
#include "user/system/debug.h"

#define MS_NS 1000000ULL

int parser_open(struct parser **out, struct nursery *nursery, size_t role,
		const struct parser_limits *limits)
{
	struct parser *p = calloc(1, sizeof(*p));

	*out = p;
	if (!p)
		return -ENOMEM;
	p->nursery = nursery;
	p->role = role;
	p->limits = *limits;
	p->worker = (struct nursling){-1, -1, 0, 0};
	return 0;
}

static void parser_stop(struct parser *p)
{
	struct nursery_end end;

	if (p->worker.wire >= 0)
		nursery_stop(p->nursery, &p->worker, 0, &end);
	p->heard = false;
}

void parser_close(struct parser *p)
{
	if (!p)
		return;
	parser_stop(p);
	table_free_values(&p->owners);
	free(p);
}

/* --- shares ---------------------------------------------------------------------------------- */

/* Brings a share up to date, which gets one part of the time.  False: it is used up. */
static bool credit_left(struct credit *c, uint64_t now, uint64_t part, int64_t most)
{
	c->left_ns += c->at_ns ? (int64_t)((now - c->at_ns) / part) : most;
	if (c->left_ns > most)
		c->left_ns = most;
	c->at_ns = now;
	return c->left_ns > 0;
}

/* May another worker fail? */
static bool failures_left(struct parser *p, uint64_t now)
{
	credit_left(&p->failures, now, 1, WORKERS_MOST * WORKER_NS);
	return p->failures.left_ns >= WORKER_NS;
}

/* May memory of this process be parsed now?  0 or -errno. */
static int parser_allow(struct parser *p, struct parser_owner *owner, uint64_t now)
{
	bool all = credit_left(&p->all, now, p->limits.all_part, ALL_MOST_NS);

	if (!owner)
		return -ENOMEM;
	if (owner->strikes >= STRIKES || !failures_left(p, now))
		return -EDQUOT;
	return credit_left(&owner->credit, now, p->limits.own_part, OWN_MOST_NS) && all ? 0
											: -EBUSY;
}

enum parser_refusal parser_refuses(struct parser *p, uint32_t pid, uint64_t start_ns)
{
	const struct parser_owner *owner = table_get(&p->owners, (struct table_key){start_ns, pid});

	if (owner && owner->strikes >= STRIKES)
		return PARSER_REFUSES_PROCESS;
	return failures_left(p, clock_monotonic_ns()) ? PARSER_REFUSES_NOBODY : PARSER_REFUSES_ALL;
}

bool parser_gap(struct parser *p, uint32_t pid, uint64_t start_ns,
		const char *const reasons[PARSER_REFUSALS], char *text, size_t size)
{
	enum parser_refusal refusal = parser_refuses(p, pid, start_ns);

	if (refusal == PARSER_REFUSES_NOBODY)
		return false;
	snprintf(text, size, "%s", reasons[refusal]);
	return true;
}

/* --- the worker ------------------------------------------------------------------------------ */

/* Replaces the worker with the next question. */
static void parser_fail(struct parser *p)
{
	parser_stop(p);
	p->failures.left_ns -= WORKER_NS;
}

/* A worker has something to say only when asked, unless it is gone. */
static bool is_well(const struct parser *p)
{
	struct pollfd wait = {p->worker.wire, POLLIN, 0};

	return !poll(&wait, 1, 0);
}

/* Starts a worker if there is none.  0 or -errno. */
static int parser_start(struct parser *p)
{
	struct nursery_end end;
	int err;

	if (p->worker.wire >= 0 && is_well(p))
		return 0;
	if (p->worker.wire >= 0)
		parser_fail(p);
	err = nursery_start(p->nursery, p->role, &p->worker);
	if (!err)
		return 0;
	nursery_stop(p->nursery, &p->worker, 0, &end);
	parser_fail(p);
	return -EIO;
}

void parser_prepare(struct parser *p)
{
	if (p->worker.wire < 0 && failures_left(p, clock_monotonic_ns()))
		parser_start(p);
}

/* Reads memory for a question, unless that has read too much.  Returns bytes or -errno. */
static ssize_t parser_read(struct parser_question *q, const struct memory_piece *piece, size_t n)
{
	const struct parser_limits *limits = &q->own.parser->limits;
	uint64_t begun = clock_monotonic_ns();
	ssize_t got;

	if (q->own.bytes > limits->read_bytes || begun - q->own.begun_ns > limits->read_ms * MS_NS)
		return -EDQUOT;
	got = memory_pieces(q->pid, piece, n, q->own.parser->out.bytes);
	q->own.served_ns += clock_monotonic_ns() - begun;
	return got;
}

/* Gives the worker memory of the process. */
static int parser_serve(struct parser_question *q, const struct parser_head *m)
{
	struct parser *p = q->own.parser;
	struct parser_head head = {.kind = PARSER_BYTES};
	struct iovec vec[2] = {{&head, sizeof(head)}, {p->out.bytes, 0}};
	struct msghdr message = {.msg_iov = vec, .msg_iovlen = 2};
	struct memory_piece piece[MEMORY_PIECES];
	uint64_t size = 0;
	ssize_t got;

	if (m->count > MEMORY_PIECES || m->size < sizeof(*m) + m->count * sizeof(piece[0]) ||
	    ++q->own.requests > REQUESTS_MOST)
		return -EPROTO;
	memcpy(piece, m + 1, m->count * sizeof(piece[0]));
	for (uint32_t i = 0; i < m->count; i++) {
		if (piece[i].size > FETCH_BYTES)
			return -EPROTO;
		size += piece[i].size;
	}
	if (size > FETCH_BYTES)
		return -EPROTO;
	q->own.bytes += size;
	got = parser_read(q, piece, m->count);
	head.result = got < 0 ? (int32_t)got : 0;
	vec[1].iov_len = got > 0 ? (size_t)got : 0;
	head.size = (uint32_t)(sizeof(head) + vec[1].iov_len);
	return sendmsg(p->worker.wire, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -EPIPE : 0;
}

/* Takes in the messages of one packet.  1: the answer is whole; 0: more is to come; or -errno. */
static int parser_take(struct parser_question *q, size_t size)
{
	const uint8_t *in = q->own.parser->in.bytes;
	int done = 0;

	for (size_t at = 0; at < size;) {
		const struct parser_head *m = (const void *)(in + at);

		if (done || size - at < sizeof(*m) || m->size < sizeof(*m) || m->size % 8 ||
		    m->size > size - at)
			return -EPROTO;
		done = m->kind == PARSER_PIECES ? parser_serve(q, m) : q->take(q, m);
		if (done < 0)
			return done;
		at += m->size;
	}
	return done;
}

/* Waits for a packet and takes it in, as parser_take. */
static int parser_hear(struct parser_question *q)
{
	struct parser *p = q->own.parser;
	struct pollfd wait = {p->worker.wire, POLLIN, 0};
	int silence = p->heard ? SILENT_MS : FIRST_MS;
	ssize_t got;

	if (p->heard &&
	    clock_monotonic_ns() - q->own.begun_ns > p->limits.whole_ms * MS_NS + q->own.served_ns)
		return -ETIME;
	got = recv(p->worker.wire, p->in.bytes, sizeof(p->in), MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN) {
		/* Two halves: after a stop of the whole machine the worker has its turn, too. */
		if (!poll(&wait, 1, silence / 2) && !poll(&wait, 1, silence / 2))
			return -ETIME;
		got = recv(p->worker.wire, p->in.bytes, sizeof(p->in), MSG_DONTWAIT);
	}
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0)
		return -EPIPE;
	if (!p->heard) /* what the start of a worker takes is nobody's share */
		q->own.begun_ns = clock_monotonic_ns();
	p->heard = true;
	return parser_take(q, (size_t)got);
}

/* Asks one question.  0: the answer is whole; or -errno. */
static int parser_exchange(struct parser_question *q)
{
	int done = 0;

	if (sendmsg(q->own.parser->worker.wire, q->message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		done = -EPIPE;
	while (!done)
		done = parser_hear(q);
	return done > 0 ? 0 : done;
}

int parser_ask(struct parser *p, struct parser_question *q)
{
	struct parser_owner *owner = table_value(
		&p->owners, (struct table_key){q->start_ns, q->pid}, sizeof(*owner), OWNERS_MOST);
	int64_t spent;
	int err;

	memset(&q->own, 0, sizeof(q->own));
	q->own.parser = p;
	err = parser_allow(p, owner, clock_monotonic_ns());
	if (!err)
		err = parser_start(p);
	if (err)
		return err;
	q->own.begun_ns = clock_monotonic_ns();
	err = parser_exchange(q);
	spent = (int64_t)(clock_monotonic_ns() - q->own.begun_ns);
	owner->credit.left_ns -= spent;
	p->all.left_ns -= spent;
	if (!err) {
		owner->strikes = 0;
		return 0;
	}
	debug(DEBUG_WORKER, "a worker that parses memory of process %u failed: %s", q->pid,
	      strerror(-err));
	owner->strikes++;
	parser_fail(p);
	return -EIO;
}
