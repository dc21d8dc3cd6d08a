/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * connection.c - every connection that was told of: only what differs from the last time goes on.
 *
 * A connection missing from two sweeps in a row is gone (one may miss it: the kernel's iterator
 * counts its way through a list that changes under it).
 */
#include "user/capture/watched/connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "user/base/redact.h"
#include "user/capture/clientlib/client.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/kernel/kernel_client.h"
#include "user/capture/watched/owner.h"
#include "user/capture/watched/startup.h"
#include "user/capture/host/procfs.h"

static uint8_t library_sign(const struct owner *o, uint8_t database)
{
	uint32_t wanted = database == EV_DB_POSTGRESQL ? EV_LIBRARY_LIBPQ
			  : database == EV_DB_MYSQL    ? EV_LIBRARY_MYSQL
						       : 0;

	return o->facts.libraries & wanted ? EV_SIGN_LIBRARY : 0;
}

/* k: NULL, or no longer in the table. */
static void tracked_free(struct capture *c, struct tracked *k)
{
	if (k && k->last.prepared)
		kernel_statements_forget(c->kernel, k->last.id, UINT64_MAX);
	if (k && k->last.flags & EV_CONN_TLS)
		kernel_client_forget_tls_state(c->kernel, k->last.id, k->last.pid,
					       k->last.start_ns);
	free(k);
}

static bool same_state(const struct ev_connection *a, const struct ev_connection *b)
{
	return !memcmp((const char *)a + sizeof(a->head), (const char *)b + sizeof(b->head),
		       sizeof(*a) - sizeof(a->head));
}

/* Has the connection been silent since its server spoke?  A title is as old as our first look. */
static bool is_silent_since(const struct tracked *k, const struct ev_connection *ev)
{
	return (!ev->bytes_sent && !ev->bytes_received) ||
	       (k->server_asked_ns && ev->used_ns && ev->used_ns < k->server_asked_ns);
}

/* The words of its server stand until its own bytes tell more. */
static void trust_server(const struct capture *c, const struct tracked *k, struct ev_connection *ev)
{
	if (k->replication)
		ev->flags |= EV_CONN_REPLICATION;
	if (!k->reported_by_server || ev->status != EV_STATUS_UNKNOWN || !is_silent_since(k, ev))
		return;
	ev->status = k->reported_by_server;
	if (!ev->used_ns) /* without a date: or earlier, for nothing was sent since */
		ev->used_ns = k->server_since_ns ? k->server_since_ns : c->begun_ns;
}

/* Once of each process that has taught its share, and once of all together. */
static void tell_ports(struct capture *c, struct owner *o)
{
	bool own = o->taught == LEARNED_SHARE;
	bool *reported = own ? &o->reported_ports : &c->reported_ports;
	struct ev_gap gap = {};

	if (*reported)
		return;
	*reported = true;
	INIT(gap, EV_GAP);
	gap.pid = own ? o->facts.pid : 0;
	gap.start_ns = own ? o->facts.start_ns : 0;
	snprintf(gap.text, sizeof(gap.text),
		 "databases at more than %d other ports: their idle connections are visible only "
		 "when used",
		 own ? LEARNED_SHARE : LEARNED_PORTS);
	capture_tell(c, &gap.head);
}

/* The port of a server that has let somebody in, as servers of its kind do.  A port that anybody
 * could teach by sending a startup message there would be taken for a database's in all processes.
 */
static void learn_port(struct capture *c, struct tracked *k, struct owner *o)
{
	if (!k->port || !(k->last.flags & EV_CONN_AUTHENTICATED))
		return;
	for (size_t i = 0; i < c->learned_count; i++)
		if (c->learned[i] == k->port)
			return;
	if (c->learned_count == LEARNED_PORTS || o->taught == LEARNED_SHARE) {
		tell_ports(c, o);
		return;
	}
	o->taught++;
	c->learned[c->learned_count++] = k->port;
	kernel_learn_port(c->kernel, k->port, k->last.database);
	c->rescan = true;
}

void connection_reported(struct capture *c, const struct ev_head *record)
{
	struct ev_connection ev = *(const struct ev_connection *)record;
	struct table_key key = {ev.id, 0};
	struct tracked *k = table_get(&c->connections, key);
	struct owner *o;

	redact_name(ev.comm);
	o = owner_of(c, ev.pid, ev.start_ns, ev.comm);
	if (!o)
		return;
	ev.signs |= library_sign(o, ev.database);
	if (!k) {
		k = calloc(1, sizeof(*k));
		if (!k || table_put(&c->connections, key, k)) {
			c->err = -ENOMEM;
			free(k);
			return;
		}
	}
	k->sweep = c->sweep;
	trust_server(c, k, &ev);
	o->tls_read |= !!(ev.flags & EV_CONN_DECRYPTED);
	if (ev.flags & EV_CONN_TLS && !(ev.flags & EV_CONN_DECRYPTED) && !o->unreadable_ns)
		o->unreadable_ns = capture_now();
	owner_tell_gaps(c, o, &ev);
	if (ev.flags & EV_CONN_TLS && c->clients)
		clients_want_tls(c->clients, ev.pid, ev.start_ns);
	if (same_state(&k->last, &ev))
		return;
	k->last = ev;
	learn_port(c, k, o);
	capture_tell(c, &ev.head);
	if (ev.flags & EV_CONN_CLOSED)
		tracked_free(c, table_remove(&c->connections, (struct table_key){ev.id, 0}));
}

static void note_port(struct capture *c, const struct raw_identity *raw)
{
	struct tracked *k = table_get(&c->connections, (struct table_key){raw->id, 0});
	struct owner *o = k ? table_get(&c->owners,
					(struct table_key){k->last.pid, k->last.start_ns})
			    : NULL;

	if (!o || !raw->port || !raw->startup_length)
		return;
	k->port = raw->port;
	learn_port(c, k, o); /* the answer may be there already */
}

static void tell_again(struct capture *c, struct tracked *k, const struct ev_connection *ev)
{
	if (same_state(&k->last, ev))
		return;
	k->last = *ev;
	capture_tell(c, &ev->head);
}

void connection_says_server(struct capture *c, struct tracked *k, enum ev_status status,
			    uint64_t since_ns)
{
	struct ev_connection ev = k->last;
	bool by_server = k->reported_by_server && ev.status == k->reported_by_server &&
			 is_silent_since(k, &ev);

	if (by_server) { /* what it says now counts */
		ev.status = EV_STATUS_UNKNOWN;
		if (ev.used_ns == c->begun_ns || ev.used_ns == k->server_since_ns)
			ev.used_ns = 0;
	}
	k->reported_by_server = status;
	k->server_since_ns = since_ns;
	k->server_asked_ns = c->asked_ns;
	trust_server(c, k, &ev);
	tell_again(c, k, &ev);
}

static void tell_title(struct capture *c, uint64_t id, const struct peer_state *state)
{
	struct ev_session session = {};

	INIT(session, EV_SESSION);
	session.id = id;
	session.session = state->session ? state->session : UNKNOWN64;
	session.pid = state->pid;
	session.source = EV_SESSION_TITLE;
	session.status = state->status;
	session.flags = state->busy ? EV_SESSION_BUSY : 0;
	memcpy(session.user, state->user, sizeof(session.user));
	memcpy(session.name, state->name, sizeof(session.name));
	redact_name(session.user);
	redact_name(session.name);
	capture_tell_cut(c, &session.head, offsetof(struct ev_session, text), 0);
}

/* A connection older than we are: its server may be here to ask. */
static void ask_server(struct capture *c, const struct raw_identity *raw, struct ev_identity *id)
{
	struct tracked *k = table_get(&c->connections, (struct table_key){raw->id, 0});
	struct peer_state state;
	struct ev_connection ev;

	if (!k || !(k->last.flags & EV_CONN_PRE_EXISTING) ||
	    peers_ask(&c->peers, c->procfs, raw, &state))
		return;
	memcpy(id->user, state.user, sizeof(id->user));
	memcpy(id->name, state.name, sizeof(id->name));
	tell_title(c, raw->id, &state);
	k->ends.session = raw->family == AF_UNIX ? state.session : 0;
	k->reported_by_server = state.status;
	k->replication = state.replication;
	ev = k->last;
	trust_server(c, k, &ev);
	tell_again(c, k, &ev);
}

static void note_ends(struct capture *c, const struct raw_identity *raw)
{
	struct tracked *k = table_get(&c->connections, (struct table_key){raw->id, 0});

	if (!k)
		return;
	memcpy(k->ends.client, raw->local, sizeof(k->ends.client));
	memcpy(k->ends.server, raw->address, sizeof(k->ends.server));
	memcpy(k->ends.path, raw->path, sizeof(k->ends.path));
	k->ends.netns = raw->netns;
	k->ends.client_port = raw->local_port;
	k->ends.server_port = raw->port;
	k->ends.family = raw->family;
}

void connection_identity(struct capture *c, const struct ev_head *record)
{
	const struct raw_identity *raw = (const void *)record; /* cut after the startup's bytes */
	struct ev_identity id = {};

	INIT(id, EV_IDENTITY);
	id.id = raw->id;
	memcpy(id.address, raw->address, sizeof(id.address));
	id.port = raw->port;
	id.local_port = raw->local_port;
	id.family = raw->family;
	memcpy(id.path, raw->path, sizeof(id.path));
	if (raw->database == EV_DB_POSTGRESQL) {
		startup_read(&id, raw->startup, raw->startup_length);
		/* The protocol's own default. */
		if (id.user[0] && !id.name[0])
			memcpy(id.name, id.user, sizeof(id.name));
	} else if (raw->startup_length) {
		memcpy(id.user, raw->startup, EV_NAME_LEN - 1);
		memcpy(id.name, raw->startup + EV_NAME_LEN, EV_NAME_LEN - 1);
	}
	if (!raw->startup_length)
		ask_server(c, raw, &id);
	/* Some programs give a whole connection string as the name of the database. */
	redact_name(id.user);
	redact_name(id.name);
	redact_name(id.application);
	note_port(c, raw);
	note_ends(c, raw);
	capture_tell(c, &id.head);
}

bool connection_alive(struct capture *c, uint64_t id)
{
	struct tracked *k = table_get(&c->connections, (struct table_key){id, 0});

	if (k)
		k->sweep = c->sweep;
	return k != NULL;
}

/* An iterator may miss one that is there, so two sweeps in a row must miss it. */
static bool is_overdue(const struct capture *c, const struct tracked *k)
{
	return k->sweep + 2 <= c->sweep;
}

bool connections_overdue(const struct capture *c)
{
	const struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&c->connections, &at)))
		if (is_overdue(c, slot->value))
			return true;
	return false;
}

void connections_tell_gone(struct capture *c)
{
	struct table_walk walk = table_walk(&c->connections);
	struct table_slot *slot;

	while ((slot = table_walk_next(&walk))) {
		struct tracked *k = slot->value;
		struct ev_gone gone = {};

		if (!is_overdue(c, k))
			continue;
		INIT(gone, EV_GONE);
		gone.id = k->last.id;
		gone.last_seen_ns = k->last.head.ns;
		capture_tell(c, &gone.head);
		tracked_free(c, table_walk_remove(&walk));
	}
}

void connection_held(void *context, const struct ev_head *record)
{
	const struct raw_holder *raw = (const void *)record;
	struct capture *c = context;
	struct ev_holder holder = {};
	struct tracked *k;

	if (record->kind != RAW_HOLDER)
		return;
	k = table_get(&c->connections, (struct table_key){raw->id, 0});
	if (!k || !k->orphan)
		return;
	k->orphan = false;
	if (!owner_of(c, raw->pid, raw->start_ns, NULL))
		return;
	INIT(holder, EV_HOLDER);
	holder.id = raw->id;
	holder.start_ns = raw->start_ns;
	holder.pid = raw->pid;
	capture_tell(c, &holder.head);
}
