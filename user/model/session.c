/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * session.c - what servers say of their ends of connections.
 *
 * A session completes what is known of its connection: names that were not seen, the last SQL, the
 * begin of a transaction.  The state of a connection stays that of its own records.
 */
#include "user/model/apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/model/keep.h"

/* Names that the connection itself has shown stand. */
static int session_names(struct model *m, struct connection *c, const struct ev_session *ev)
{
	struct ev_identity id;

	if (!c->endpoint->family || c->endpoint->name || c->endpoint->user ||
	    (!ev->name[0] && !ev->user[0]))
		return 0;
	id = endpoint_identity(c->endpoint);
	memcpy(id.name, ev->name, sizeof(id.name));
	memcpy(id.user, ev->user, sizeof(id.user));
	return connection_move_to(m, c, &id);
}

int apply_session(struct model *m, const struct ev_head *record)
{
	const struct ev_session *ev = (const void *)record;
	struct connection *c = table_get(&m->connections, (struct table_key){ev->id, 0});
	struct session_model *s;

	if (!c)
		return 0;
	s = c->session;
	if (s && s->source > ev->source)
		return 0;
	if (!s)
		s = c->session = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->transaction_ns = ev->transaction_ns;
	s->since_ns = ev->since_ns;
	s->told_ns = ev->head.ns;
	if (ev->pid || s->session != ev->session)
		s->pid = ev->pid; /* a server's answer does not tell it */
	s->session = ev->session;
	s->source = ev->source;
	s->status = ev->status;
	s->busy = ev->flags & EV_SESSION_BUSY;
	memcpy(s->application, ev->application, sizeof(s->application));
	s->sql = keep_text(m, ev->text, ev->length, c->database);
	return session_names(m, c, ev);
}
