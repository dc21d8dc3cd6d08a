/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * evidence.bpf.c - takes the stack of a message that opened, began or prepared something.
 *
 * Not every message needs a stack: within a transaction none is taken.  Users of a pool, one after
 * the other, overwrite the stack slot of its connection.  A sweep sends only stacks of objects that
 * are still open, so a busy healthy process sends only stacks it has not shown before.
 */
#include "bpf/ledger/evidence.bpf.h"

static __always_inline void prepared(struct tracked_connection *c, __u64 statement, __u64 stack)
{
	struct statement_key key = {};
	struct ledger_statement *s;

	key.id = c->ev.id;
	key.statement = statement;
	s = bpf_map_lookup_elem(&statements, &key);
	if (s && !s->prepared_at)
		s->prepared_at = stack;
}

/* A message may have asked for several statements: those without a reply yet. */
static __always_inline void take_prepared(struct tracked_connection *c, __u64 stack)
{
	__u32 i;

	prepared(c, c->prepared, stack);
	for (i = 0; i < DOUBTS; i++)
		if (i < c->doubts && c->doubt[i] != c->prepared)
			prepared(c, c->doubt[i], stack);
}

static __always_inline void tell_result(const struct tracked_connection *c, __u64 stack)
{
	struct ev_evidence e;

	evidence_init(&e, EV_AT_RESULT, c->ev.id, stack);
	e.start_ns = c->ev.start_ns;
	e.pid = c->ev.pid;
	e.at_ns = c->now;
	emit_of(c->ev.pid, &e, sizeof(e));
}

__noinline int evidence_take(struct tracked_connection *c)
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
	/* A short program ends before the next sweep. */
	if (asks & ASK_BEGUN && !settings.grace_ns && c->reported)
		evidence_tell(c);
	return 0;
}

__noinline int evidence_tell(struct tracked_connection *c)
{
	struct ev_evidence e;

	if (!c)
		return 0;
	if (c->opened_at != c->opened_reported) {
		evidence_opened(&e, c);
		emit_of(c->ev.pid, &e, sizeof(e));
		c->opened_reported = c->opened_at;
	}
	if (c->begun_at != c->begun_reported) {
		evidence_begun(&e, c);
		emit_of(c->ev.pid, &e, sizeof(e));
		c->begun_reported = c->begun_at;
	}
	return 0;
}
