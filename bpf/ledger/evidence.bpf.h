/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * evidence.bpf.h - links stacks with objects.  A stack is taken when an object is born, kept beside
 * it, and sent when user space may need it.
 */
#ifndef DBLEAK_EVIDENCE_BPF_H
#define DBLEAK_EVIDENCE_BPF_H

#include "bpf/ledger/ledger.bpf.h"
#include "bpf/stack/stack.bpf.h"

/* Takes the stack for which the message just handled asked (c->asks). */
int evidence_take(struct tracked_connection *c);
/* Sends the new stacks of a connection through the ring.  Only for connections reported there. */
int evidence_tell(struct tracked_connection *c);

static __always_inline void evidence_init(struct ev_evidence *e, __u16 kind, __u64 object,
					  __u64 stack)
{
	__builtin_memset(e, 0, sizeof(*e));
	e->head.ns = bpf_ktime_get_boot_ns();
	e->head.kind = RAW_EVIDENCE;
	e->head.size = sizeof(*e);
	e->object = object;
	e->stack = stack;
	e->kind = kind;
}

static __always_inline void evidence_opened(struct ev_evidence *e,
					    const struct tracked_connection *c)
{
	evidence_init(e, EV_AT_OPENED, c->ev.id, c->opened_at);
	e->start_ns = c->ev.start_ns;
	e->pid = c->ev.pid;
	e->at_ns = c->ev.born_ns;
}

static __always_inline void evidence_begun(struct ev_evidence *e,
					   const struct tracked_connection *c)
{
	evidence_init(e, EV_AT_BEGUN, c->ev.id, c->begun_at);
	e->start_ns = c->ev.start_ns;
	e->pid = c->ev.pid;
	e->at_ns = c->begun_at_ns;
}

#endif
