/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * objects.c - objects that client libraries handed out, their call sites, and their stacks.
 */
#include "user/model/apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/model/keep.h"
#include "user/model/process.h"

/* A handle takes less than 300 bytes, with its slots in two tables. */
_Static_assert(sizeof(struct handle) <= 128, "a handle has grown");

struct table_key model_site_key(const struct process_model *p, uint64_t site, uint32_t resource)
{
	return (struct table_key){site, (uint64_t)p->number << 32 | resource};
}

static struct site_model *objects_site_of(struct model *m, struct process_model *p,
					  const struct ev_site *ev)
{
	struct table_key key = model_site_key(p, ev->site, ev->resource);
	struct site_model *s = table_get(&m->sites, key);

	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s || table_put(&m->sites, key, s)) {
		free(s);
		return NULL;
	}
	/* No object was open before the first call of the site. */
	history_add(&s->open,
		    ev->first_ns && ev->first_ns < ev->head.ns ? ev->first_ns : ev->head.ns, 0);
	*p->last_site = s;
	p->last_site = &s->next;
	s->stack = stack_waiting(m,
				 &(struct ev_evidence){.kind = EV_AT_SITE,
						       .object = ev->site,
						       .start_ns = ev->start_ns,
						       .pid = ev->pid},
				 NULL);
	return s;
}

int apply_site(struct model *m, const struct ev_head *record)
{
	const struct ev_site *ev = (const void *)record;
	struct process_model *p = model_process_of(m, ev->pid, ev->start_ns);
	struct site_model *s = p ? objects_site_of(m, p, ev) : NULL;

	if (!s)
		return -ENOMEM;
	p->exists = true;
	memcpy(&s->state, ev, sizeof(s->state));
	/* two threads may race in the ledger */
	if (s->state.released > s->state.acquired)
		s->state.released = s->state.acquired;
	if (!s->detached_ns)
		history_add(&s->open, ev->head.ns, s->state.acquired - s->state.released);
	if (!ev->detached)
		s->detached_ns = 0;
	else if (!s->detached_ns)
		s->detached_ns = ev->head.ns;
	return 0;
}

static struct table_key handle_key(const struct process_model *p, uint64_t address,
				   uint32_t resource)
{
	return (struct table_key){address, (uint64_t)p->number << 32 | resource};
}

/* A handle may change its socket when it connects again. */
static int handle_join(struct model *m, struct handle *h, const struct ev_handle *ev)
{
	struct table_key now = {ev->connection, 0};
	struct connection *c = table_get(&m->connections, now);

	if (h->connection && h->connection != ev->connection &&
	    table_get(&m->sockets, (struct table_key){h->connection, 0}) == h)
		table_remove(&m->sockets, (struct table_key){h->connection, 0});
	if (h->connection != ev->connection)
		h->cut_ns = 0;
	h->connection = ev->connection;
	if (!ev->connection)
		return 0;
	if (c) {
		h->endpoint = c->endpoint;
		c->freed_ns = 0;
		if (ev->flags & EV_HANDLE_ZOMBIE && !c->zombie_ns)
			c->zombie_ns = ev->head.ns;
	} else if (!h->cut_ns) {
		h->cut_ns = ev->head.ns;
	}
	return table_put(&m->sockets, now, h);
}

static void handle_drop(struct model *m, struct handle *h)
{
	struct table_key socket = {h->connection, 0};

	if (h->connection && table_get(&m->sockets, socket) == h)
		table_remove(&m->sockets, socket);
	table_remove(&m->handles, handle_key(h->process, h->address, h->resource));
	free(h);
}

int apply_handle(struct model *m, const struct ev_head *record)
{
	const struct ev_handle *ev = (const void *)record;
	struct process_model *p = model_process_of(m, ev->pid, ev->start_ns);
	struct table_key key;
	struct handle *h;

	if (!p)
		return -ENOMEM;
	key = handle_key(p, ev->handle, ev->resource);
	h = table_get(&m->handles, key);
	if (h && h->born_ns != ev->born_ns) { /* a new object has the address */
		handle_drop(m, h);
		h = NULL;
	}
	if (!h) {
		h = calloc(1, sizeof(*h));
		if (!h || table_put(&m->handles, key, h)) {
			free(h);
			return -ENOMEM;
		}
		h->stack = stack_waiting(m,
					 &(struct ev_evidence){.kind = EV_AT_ACQUIRED,
							       .object = ev->handle,
							       .second = ev->born_ns,
							       .start_ns = ev->start_ns,
							       .pid = ev->pid,
							       .resource = ev->resource},
					 NULL);
	}
	p->exists = true;
	h->process = p;
	h->address = ev->handle;
	h->parent = ev->parent;
	h->born_ns = ev->born_ns;
	h->used_ns = ev->used_ns;
	h->site = ev->site;
	h->rows = ev->rows;
	h->bytes = ev->bytes;
	h->flags = ev->flags;
	h->resource = ev->resource;
	return ev->resource == EV_RES_CONNECTION ? handle_join(m, h, ev) : 0;
}

int apply_handle_closed(struct model *m, const struct ev_head *record)
{
	const struct ev_handle_closed *ev = (const void *)record;
	struct process_model *p = model_process(m, ev->pid, ev->start_ns);
	struct handle *h = p ? table_get(&m->handles, handle_key(p, ev->handle, ev->resource))
			     : NULL;
	struct connection *c;

	if (!h || (ev->born_ns && ev->born_ns < h->born_ns)) /* of an earlier object there */
		return 0;
	c = h->connection ? table_get(&m->connections, (struct table_key){h->connection, 0}) : NULL;
	if (c && c->process == p && !(h->flags & EV_HANDLE_TENTATIVE))
		c->freed_ns = ev->head.ns;
	handle_drop(m, h);
	return 0;
}

static bool evidence_of_life(struct model *m, const struct ev_evidence *ev)
{
	struct connection *c = table_get(&m->connections, (struct table_key){ev->object, 0});

	if (!c)
		return false;
	if (ev->kind == EV_AT_OPENED) {
		c->life.opened_at = ev->stack;
		return true;
	}
	/* A stack that takes long to name may come after that of a later transaction. */
	if (ev->at_ns < c->life.begun_ns)
		return true;
	c->life.begun_at = ev->stack;
	c->life.begun_ns = ev->at_ns;
	if (c->life.cursor_due && ev->stack) {
		c->life.cursor_at = ev->stack;
		c->life.cursor_due = false;
	}
	return true;
}

/* Evidence for a reply that is not reported yet waits.  Evidence for a reply that was no larger
 * than the kept one waits in vain, and is lost. */
static bool evidence_of_result(struct model *m, const struct ev_evidence *ev)
{
	struct connection *c = table_get(&m->connections, (struct table_key){ev->object, 0});

	if (!c || !is_of_result(&c->endpoint->result, ev->object, ev->at_ns))
		return false;
	c->endpoint->result_at = ev->stack;
	return true;
}

static bool evidence_of_statement(struct model *m, const struct ev_evidence *ev)
{
	struct statement_model *s = table_get(&m->statements,
					      (struct table_key){ev->object, ev->second});

	if (s)
		s->stack = ev->stack;
	return s;
}

static bool evidence_of_handle(struct model *m, const struct ev_evidence *ev)
{
	struct process_model *p = table_get(&m->processes,
					    (struct table_key){ev->pid, ev->start_ns});
	struct handle *h = p ? table_get(&m->handles, handle_key(p, ev->object, ev->resource))
			     : NULL;

	if (!h || (ev->second && ev->second != h->born_ns))
		return h && ev->second < h->born_ns; /* of an earlier object there */
	h->stack = ev->stack;
	return true;
}

/* A site may acquire objects of several kinds: all of them get the stack.  A site keeps its stack
 * when no stack could be taken of a later call. */
static bool evidence_of_site(struct model *m, const struct ev_evidence *ev)
{
	struct process_model *p = table_get(&m->processes,
					    (struct table_key){ev->pid, ev->start_ns});
	bool known = false;

	for (uint32_t resource = EV_RES_CONNECTION; p && resource <= EV_RES_MEMORY; resource++) {
		struct site_model *s = table_get(&m->sites,
						 model_site_key(p, ev->object, resource));

		if (!s)
			continue;
		s->stack = ev->stack ? ev->stack : s->stack;
		known = true;
	}
	return known;
}

int apply_evidence(struct model *m, const struct ev_head *record)
{
	static bool (*const kinds[])(struct model *, const struct ev_evidence *) = {
		[EV_AT_OPENED] = evidence_of_life,	  [EV_AT_BEGUN] = evidence_of_life,
		[EV_AT_PREPARED] = evidence_of_statement, [EV_AT_ACQUIRED] = evidence_of_handle,
		[EV_AT_SITE] = evidence_of_site,	  [EV_AT_RESULT] = evidence_of_result,
	};
	struct ev_evidence ev;

	memcpy(&ev, record, sizeof(ev));
	if (ev.kind >= sizeof(kinds) / sizeof(kinds[0]) || !kinds[ev.kind] ||
	    kinds[ev.kind](m, &ev))
		return 0;
	if (ev.kind <= EV_AT_PREPARED || ev.kind == EV_AT_RESULT) { /* known by its id alone */
		ev.start_ns = ev.pid = ev.resource = 0;
		ev.second = ev.kind == EV_AT_PREPARED ? ev.second : 0;
	} else if (ev.kind == EV_AT_SITE) {
		ev.second = ev.resource = 0;
	}
	return code_wait(&m->code, &ev);
}
