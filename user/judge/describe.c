/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * describe.c - see describe.h.
 */
#include "user/judge/describe.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

char *socket_text(struct arena *a, uint16_t family, const uint8_t address[16], uint16_t port)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char text[INET6_ADDRSTRLEN];

	if (family != AF_INET && family != AF_INET6)
		return NULL;
	if (!memcmp(address, mapped, sizeof(mapped))) {
		inet_ntop(AF_INET, address + 12, text, sizeof(text));
		return arena_format(a, "%s:%u", text, port);
	}
	inet_ntop(AF_INET6, address, text, sizeof(text));
	return arena_format(a, "[%s]:%u", text, port);
}

static char *address_text(struct arena *a, const struct endpoint *e)
{
	if (e->path)
		return arena_copy(a, e->path, strlen(e->path));
	if (e->database == EV_DB_SQLITE && e->family)
		return arena_format(a, "(temporary)");
	if (e->family != AF_INET && e->family != AF_INET6)
		return arena_copy(a, "?", 1);
	return socket_text(a, e->family, e->address, e->port);
}

bool endpoint_is_empty(const struct endpoint *e)
{
	return !e->open && !e->opened && !e->closed && !e->pre_existing;
}

const char *endpoint_text(struct arena *a, const struct endpoint_view *v)
{
	return arena_format(a, "%s%s%s%s%s", v->address, v->name ? "/" : "", v->name ? v->name : "",
			    v->user ? " as " : "", v->user ? v->user : "");
}

const char *place_text(const struct rule_input *s, const struct endpoint *e)
{
	size_t i = 0;

	for (const struct endpoint *at = s->process->endpoints; at; at = at->next) {
		if (endpoint_is_empty(at))
			continue;
		if (at == e)
			return endpoint_text(s->arena, &s->view->endpoints[i]);
		i++;
	}
	return NULL;
}

static void count_open(struct endpoint_view *v, const struct connection *c, uint64_t now)
{
	bool inside = c->life.status >= EV_STATUS_TRANSACTION;
	double idle = c->life.used_ns && !c->request_ns ? seconds(now - c->life.used_ns) : -1;

	v->connections.in_transaction += inside;
	v->connections.idle += !c->request_ns && !inside;
	v->connections.close_wait += c->hung_up_ns != 0;
	v->transactions.open += inside;
	v->transactions.begun += c->life.begun;
	v->transactions.committed += c->committed;
	v->transactions.rolled_back += c->rolled_back;
	v->transactions.abandoned += c->abandoned;
	v->statements.prepared += c->prepared;
	v->statements.closed += c->unprepared;
	v->statements.open += c->prepared - c->unprepared;
	if (idle > v->oldest_idle_seconds)
		v->oldest_idle_seconds = idle;
	if (c->signs & ~EV_SIGN_PORT)
		v->guessed = false;
}

void endpoint_describe(const struct rule_input *s, struct endpoint_view *v)
{
	const struct endpoint *e = s->endpoint;
	size_t silent = 0;

	v->database = e->database;
	v->address = address_text(s->arena, e);
	v->name = e->name ? arena_copy(s->arena, e->name, strlen(e->name)) : NULL;
	v->user = e->user ? arena_copy(s->arena, e->user, strlen(e->user)) : NULL;
	v->guessed = e->open > 0 && e->database != EV_DB_SQLITE;
	v->oldest_idle_seconds = -1;
	v->connections.open = e->open;
	v->connections.peak = e->peak;
	v->connections.opened = e->opened;
	v->connections.closed = e->closed;
	v->connections.pre_existing = e->pre_existing;
	v->created = e->created;
	v->transactions.begun = e->begun;
	v->transactions.committed = e->committed;
	v->transactions.rolled_back = e->rolled_back;
	v->transactions.abandoned = e->abandoned;
	v->statements.prepared = e->prepared;
	v->statements.closed = e->unprepared;
	for (size_t i = 0; i < s->count; i++) {
		v->connections.at_exit += s->conn_history[i].exit;
		if (!s->conn_history[i].open)
			continue;
		count_open(v, s->conn_history[i].open, s->now_ns);
		/* A connection whose opening was seen will show its status; it may be in its
		 * handshake now. */
		silent += s->conn_history[i].life->status == EV_STATUS_UNKNOWN &&
			  (s->conn_history[i].life->flags & EV_CONN_PRE_EXISTING ||
			   life_unreadable(s->conn_history[i].life) ||
			   s->endpoint->database == EV_DB_UNKNOWN);
	}
	/* No open connection has shown its status: idle or in a transaction is not known. */
	if (silent && silent == e->open)
		v->connections.idle = v->connections.in_transaction = UNKNOWN64;
}

void endpoint_add_short_lived(struct process_view *process, const struct ev_tally *t, bool sqlite)
{
	struct endpoint_view *v = process->endpoints;

	while (v < process->endpoints + process->endpoint_count &&
	       (v->database == EV_DB_SQLITE) != sqlite)
		v++;
	if (!t->opened || v == process->endpoints + process->endpoint_count)
		return;
	v->connections.opened += t->opened;
	v->connections.closed += t->opened;
	v->transactions.begun += t->begun;
	v->transactions.committed += t->committed;
	v->transactions.rolled_back += t->rolled_back;
	v->transactions.abandoned += t->abandoned;
	v->statements.prepared += t->prepared;
	v->statements.closed += t->unprepared;
}

static struct collections_view collections_describe(const struct process_model *p, uint64_t now_ns)
{
	const struct ev_collections *c = &p->collections.state;
	uint64_t until = c->flags & EV_COLLECTIONS_STOPPED ? c->head.ns : now_ns;
	struct collections_view v = {.hidden = collections_are_hidden(&p->collections),
				     .last_full_seconds = -1};

	if (c->collector == EV_COLLECTOR_UNKNOWN)
		return v;
	v.known = true;
	v.stopped = c->flags & EV_COLLECTIONS_STOPPED;
	v.runtime = c->collector == EV_COLLECTOR_PYTHON ? "CPython" : "HotSpot";
	v.full = c->full;
	v.partial = c->partial;
	v.seconds = until > c->since_ns ? seconds(until - c->since_ns) : 0;
	if (c->full_ns)
		v.last_full_seconds = now_ns > c->full_ns ? seconds(now_ns - c->full_ns) : 0;
	return v;
}

/* Both clocks are known at the start of the watch. */
uint64_t process_realtime(const struct model *m, const struct process_model *p)
{
	uint64_t realtime = m->begin.realtime_ns, boottime = m->begin.head.ns;

	if (!p->start_ns || !realtime || realtime + p->start_ns < boottime)
		return 0;
	return realtime + p->start_ns - boottime;
}

void process_describe(struct arena *a, const struct process_model *p, uint64_t now_ns,
		      struct process_view *v)
{
	v->pid = p->pid;
	v->number = p->number;
	v->comm = arena_string(a, p->comm);
	v->cmdline = p->cmdline ? arena_string(a, p->cmdline) : arena_string(a, "");
	v->exited = p->exited_ns != 0;
	v->exe = arena_string(a, p->exe);
	v->unit = arena_string(a, p->unit);
	v->parent_pid = p->parent_pid;
	v->uid = p->uid;
	v->role = p->role;
	v->runtime = arena_string(a, p->runtime);
	v->container_id = arena_string(a, p->container_id);
	v->container_name = arena_string(a, p->container_name);
	v->pod = arena_string(a, p->pod);
	v->pod_namespace = arena_string(a, p->pod_namespace);
	v->image = arena_string(a, p->image);
	v->rss_start = p->rss_start;
	v->rss_end = p->rss_end;
	v->rss_peak = p->rss_peak;
	v->collections = collections_describe(p, p->exited_ns ? p->exited_ns : now_ns);
}
