/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * evidence.bpf.c - takes the stack of a message that opened, began or prepared something.
 *
 * Not for every message: within a transaction nothing is taken, and what a pool's users do one
 * after the other overwrites the slot of its connection.  Only what is still open when a sweep
 * comes by is told of, so a busy healthy process sends nothing but the stacks it has not shown
 * before.
 */
#include "bpf/ledger/evidence.bpf.h"

static __always_inline void prepared(struct connection *c, __u64 statement, __u64 stack)
{
	struct statement_key key = {};
	struct statement *s;

	key.id = c->ev.id;
	key.statement = statement;
	s = bpf_map_lookup_elem(&statements, &key);
	if (s && !s->prepared_at)
		s->prepared_at = stack;
}

/* Several may have been asked for in one message: those without a reply yet. */
static __always_inline void take_prepared(struct connection *c, __u64 stack)
{
	__u32 i;

	prepared(c, c->prepared, stack);
	for (i = 0; i < DOUBTS; i++)
		if (i < c->doubts && c->doubt[i] != c->prepared)
			prepared(c, c->doubt[i], stack);
}

static __always_inline void tell_result(const struct connection *c, __u64 stack)
{
	struct ev_evidence e;

	evidence_init(&e, EV_AT_RESULT, c->ev.id, stack);
	e.start_ns = c->ev.start_ns;
	e.pid = c->ev.pid;
	e.at_ns = c->now;
	emit(&e, sizeof(e));
}

__noinline int evidence_take(struct connection *c)
{
	__u64 stack;
	__u32 asks;

	if (!c)
		return 0;
	asks = c->asks;
	c->asks = 0;
	stack = stack_take(0);
	if (asks & ASK_PREPARING)
		c->preparing_at = stack;
	c->interpreted = stack & STACK_INTERPRETED;
	if (asks & ASK_BEGUN) {
		c->begun_at = stack;
		c->begun_at_ns = c->now;
	}
	if (!stack)
		return 0;
	if (asks & ASK_OPENED && !c->opened_at)
		c->opened_at = stack;
	if (asks & ASK_PREPARED)
		take_prepared(c, stack);
	if (asks & ASK_RESULT)
		tell_result(c, stack);
	/* Short programs end before a sweep comes by. */
	if (asks & ASK_BEGUN && !settings.grace_ns && c->told)
		evidence_tell(c);
	return 0;
}

__noinline int evidence_tell(struct connection *c)
{
	struct ev_evidence e;

	if (!c)
		return 0;
	if (c->opened_at != c->opened_told) {
		evidence_opened(&e, c);
		emit(&e, sizeof(e));
		c->opened_told = c->opened_at;
	}
	if (c->begun_at != c->begun_told) {
		evidence_begun(&e, c);
		emit(&e, sizeof(e));
		c->begun_told = c->begun_at;
	}
	return 0;
}
