/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * model.c - applies records.  Decides nothing: no thresholds, no verdicts.
 */
#include "user/model/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/model/keep.h"
#include "user/model/process.h"

#define GAPS_MOST      4096	   /* more than anybody reads */
#define LIBRARIES_MOST 1024	   /* files */
#define TICK_NS	       10000000ULL /* unit of start times in /proc, on every kernel */

/* A handle takes less than 300 bytes, with its slots in two tables. */
_Static_assert(sizeof(struct handle) <= 128, "a handle has grown");

struct model *model_open(void)
{
	struct model *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->last_library = &m->first_library;
	m->unasked.last = &m->unasked.first;
	m->accused.last = &m->accused.first;
	return m;
}

void model_close(struct model *m)
{
	struct table_slot *slot;
	size_t at = 0;

	if (!m)
		return;
	while ((slot = table_next(&m->processes, &at)))
		process_free(slot->value);
	table_free(&m->processes);
	table_free(&m->pids);
	at = 0;
	while ((slot = table_next(&m->connections, &at)))
		free(((struct connection *)slot->value)->file);
	table_free_values(&m->connections);
	table_free_values(&m->statements);
	table_free_values(&m->sites);
	table_free_values(&m->handles);
	table_free_values(&m->libraries);
	memory_sites_free(&m->memory_sites);
	table_free(&m->sockets);
	texts_free(m);
	code_free(&m->code);
	free(m->gaps);
	free(m);
}

/* A start time in /proc is cut to a tick.  No pid comes back within a tick, so two starts that
 * near are of one process. */
static bool is_same_start(uint64_t a_ns, uint64_t b_ns)
{
	return (a_ns > b_ns ? a_ns - b_ns : b_ns - a_ns) < TICK_NS;
}

struct process_model *model_process(const struct model *m, uint32_t pid, uint64_t start_ns)
{
	struct process_model *p = table_get(&m->processes, (struct table_key){pid, start_ns});

	if (p)
		return p;
	p = table_get(&m->pids, (struct table_key){pid, 0});
	return p && is_same_start(p->start_ns, start_ns) ? p : NULL;
}

static struct process_model *process_of(struct model *m, uint32_t pid, uint64_t start_ns)
{
	struct process_model *p = model_process(m, pid, start_ns);

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->pid = pid;
	p->start_ns = start_ns;
	p->first_seen_ns = m->now_ns;
	p->nofile_limit = p->rss_start = p->rss_end = p->rss_peak = UNKNOWN64;
	p->open_files = UNKNOWN32;
	memory_begin(&p->memory);
	p->number = m->numbered + 1;
	p->last_site = &p->sites;
	if (table_put(&m->pids, (struct table_key){pid, 0}, p) ||
	    table_put(&m->processes, (struct table_key){pid, start_ns}, p)) {
		table_remove(&m->pids, (struct table_key){pid, 0});
		free(p);
		return NULL;
	}
	m->numbered++;
	return p;
}

static bool same_string(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static const char *or_null(const char *s)
{
	return s && *s ? s : NULL;
}

/* Returns a copy; NULL for an empty text or without memory. */
static char *keep(const char *s)
{
	return s && *s ? strdup(s) : NULL;
}

/* Replaces the kept copy of a text that may have changed. */
static void keep_latest(char **kept, const char *s)
{
	if (same_string(*kept, or_null(s)))
		return;
	free(*kept);
	*kept = keep(s);
}

static bool same_address(const struct endpoint *e, enum ev_database database,
			 const struct ev_identity *id, const char *path)
{
	return e->database == database && e->family == id->family && e->port == id->port &&
	       !memcmp(e->address, id->address, sizeof(e->address)) &&
	       same_string(e->path, or_null(path));
}

/* The names of a connection opened before the watch may be unknown: it goes with those that know
 * theirs. */
static bool same_names(const struct endpoint *e, const struct ev_identity *id)
{
	if (!id->family)
		return !e->name && !e->user;
	if ((!id->name[0] && !id->user[0]) || (!e->name && !e->user))
		return true;
	return same_string(e->name, or_null(id->name)) && same_string(e->user, or_null(id->user));
}

/* The endpoint of a process that id describes, made when it is new. */
static struct endpoint *endpoint_of(struct process_model *p, enum ev_database database,
				    const struct ev_identity *id)
{
	static const struct ev_identity unknown;
	char path[EV_PATH_LEN + 1] = {};
	struct endpoint **at, *e;

	if (!id)
		id = &unknown;
	memcpy(path, id->path, EV_PATH_LEN);
	for (at = &p->endpoints; (e = *at); at = &e->next)
		if (same_address(e, database, id, path) && same_names(e, id))
			break;
	if (e) {
		if (!e->name && !e->user) {
			e->name = keep(id->name);
			e->user = keep(id->user);
		}
		return e;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->process = p;
	e->database = database;
	e->family = id->family;
	e->port = id->port;
	memcpy(e->address, id->address, sizeof(e->address));
	e->path = keep(path);
	e->name = keep(id->name);
	e->user = keep(id->user);
	*at = e;
	return e;
}

/* Adds a change to what an endpoint counts over time.  What it never had needs no history. */
static int endpoint_count(struct model *m, struct history **h, int64_t change)
{
	if (!change)
		return 0;
	if (!*h) {
		*h = calloc(1, sizeof(**h));
		if (!*h)
			return -ENOMEM;
		history_add(*h, m->now_ns, 0);
	}
	history_add(*h, m->now_ns,
		    change < 0 && (*h)->latest < -change ? 0 : (*h)->latest + change);
	return 0;
}

/* Adds the cursors and readers of a connection to its endpoint's counts; sign -1: takes them away.
 */
static int count_held(struct model *m, const struct connection *c, int sign)
{
	int err = endpoint_count(m, &c->endpoint->cursors, sign * (int64_t)c->cursors);

	if (!err && c->file)
		err = endpoint_count(m, &c->endpoint->readers, sign * (int64_t)c->file->reading);
	return err;
}

static void endpoint_enter(struct endpoint *e, const struct connection *c)
{
	e->open++;
	if (e->open > e->peak)
		e->peak = e->open;
	if (c->life.flags & EV_CONN_PRE_EXISTING)
		e->pre_existing++;
	else
		e->opened++;
}

static void endpoint_leave(struct endpoint *e, const struct connection *c)
{
	e->open--;
	if (c->life.flags & EV_CONN_PRE_EXISTING)
		e->pre_existing--;
	else
		e->opened--;
}

static int past_add(struct process_model *p, const struct connection *c)
{
	if (p->past_count < PAST_MOST && p->past_count == p->past_room) {
		size_t room = p->past_room ? 2 * p->past_room : 16;
		struct past *past = realloc(p->past, room * sizeof(*past));

		if (!past)
			return -ENOMEM;
		p->past = past;
		p->past_room = room;
	}
	if (p->past_count < PAST_MOST)
		p->past_next = p->past_count++;
	else
		p->past_next = (p->past_next + 1) % PAST_MOST;
	p->past[p->past_next] = (struct past){c->endpoint, c->sql, c->life};
	return 0;
}

static void statement_enter(struct statement_model *s, struct statement_model **list)
{
	s->next = *list;
	s->at = list;
	if (s->next)
		s->next->at = &s->next;
	*list = s;
}

static void statement_leave(struct statement_model *s)
{
	*s->at = s->next;
	if (s->next)
		s->next->at = s->at;
}

static void drop_statement(struct model *m, struct table_key key)
{
	struct statement_model *s = table_remove(&m->statements, key);

	if (s)
		statement_leave(s);
	free(s);
}

void model_drop_statements(struct model *m, struct statement_model **list)
{
	while (*list)
		drop_statement(m, (*list)->key);
}

/* Statements end with their connection.  Only those of the closed connection with the most are
 * kept. */
static void end_statements(struct model *m, struct connection *c)
{
	struct endpoint *e = c->endpoint;

	if (c->prepared - c->unprepared <= e->littered_statements) {
		model_drop_statements(m, &c->statements);
		return;
	}
	model_drop_statements(m, &e->litter);
	e->litter = c->statements;
	if (e->litter)
		e->litter->at = &e->litter;
	e->littered = c->id;
	e->littered_statements = c->prepared - c->unprepared;
}

/* Notes that the library's handle of a connection, if there still is one, has no socket from now
 * on. */
static void cut_handle(struct model *m, const struct connection *c, uint64_t ns)
{
	struct handle *h = table_get(&m->sockets, (struct table_key){c->id, 0});

	if (!h)
		return;
	h->cut_ns = ns;
	h->endpoint = c->endpoint;
}

static int connection_end(struct model *m, struct connection *c, uint64_t ns)
{
	struct endpoint *e = c->endpoint;
	int err;

	c->life.closed_ns = ns;
	e->open--;
	e->closed++;
	e->begun += c->life.begun;
	e->committed += c->committed;
	e->rolled_back += c->rolled_back;
	e->abandoned += c->abandoned;
	e->prepared += c->prepared;
	e->unprepared += c->unprepared;
	err = past_add(c->process, c);
	if (!err)
		err = count_held(m, c, -1);
	end_statements(m, c);
	cut_handle(m, c, ns);
	table_remove(&m->connections, (struct table_key){c->id, 0});
	free(c->file);
	free(c);
	return err;
}

/*
 * Evidence: the stack that belongs to an object.
 *
 * Evidence that comes before its object waits, and goes when its object goes.  Records name a
 * process by pid and start, except those of connections and statements, whose ids suffice.
 */

/* Takes the stack that waits for an object; 0: none. */
static uint64_t stack_waiting(struct model *m, const struct ev_evidence *like, uint64_t *at_ns)
{
	const struct ev_evidence *ev = code_take(&m->code, like);

	if (ev && at_ns)
		*at_ns = ev->at_ns;
	return ev ? ev->stack : 0;
}

/* A description of evidence that may wait for a connection or a part of it, for code_take. */
static struct ev_evidence of_connection(enum ev_evidence_kind kind, uint64_t id, uint64_t second)
{
	return (struct ev_evidence){.kind = kind, .object = id, .second = second};
}

static uint64_t connection_waiting(struct model *m, enum ev_evidence_kind kind, uint64_t id,
				   uint64_t second, uint64_t *at_ns)
{
	struct ev_evidence like = of_connection(kind, id, second);

	return stack_waiting(m, &like, at_ns);
}

static void life_takes(struct model *m, struct life *l, uint64_t id)
{
	l->opened_at = connection_waiting(m, EV_AT_OPENED, id, 0, NULL);
	l->begun_at = connection_waiting(m, EV_AT_BEGUN, id, 0, &l->begun_ns);
}

/* The handle of a connection may have been reported before it, as one without a socket. */
static void join_handle(struct model *m, const struct connection *c)
{
	struct handle *h = table_get(&m->sockets, (struct table_key){c->id, 0});

	if (h)
		h->cut_ns = 0;
}

static struct connection *connection_begin(struct model *m, const struct ev_connection *ev)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->id = ev->id;
	c->life.flags = ev->flags;
	c->process = process_of(m, ev->pid, ev->start_ns);
	c->endpoint = c->process ? endpoint_of(c->process, ev->database, NULL) : NULL;
	if (!c->endpoint || table_put(&m->connections, (struct table_key){c->id, 0}, c)) {
		free(c);
		return NULL;
	}
	join_handle(m, c);
	life_takes(m, &c->life, c->id);
	if (!c->process->comm[0])
		memcpy(c->process->comm, ev->comm, EV_COMM_LEN);
	c->process->exists = true;
	endpoint_enter(c->endpoint, c);
	return c;
}

/* Moves a connection to the endpoint that it turns out to belong to. */
static int move(struct model *m, struct connection *c, struct endpoint *e)
{
	int err = count_held(m, c, -1);

	endpoint_leave(c->endpoint, c);
	c->endpoint = e;
	endpoint_enter(e, c);
	return err ? err : count_held(m, c, 1);
}

/* A sweep may report a later state before the ring delivers an older one.  Bytes only grow, so
 * fewer bytes mean an older state. */
static bool is_older(const struct ev_connection *ev, const struct connection *c)
{
	return !(ev->flags & EV_CONN_CLOSED) &&
	       (ev->bytes_sent < c->bytes_sent || ev->bytes_received < c->bytes_received);
}

static uint64_t failures_of(const struct ev_connection *ev)
{
	return (uint64_t)ev->rolled_back + ev->abandoned + !!(ev->flags & EV_CONN_REFUSED);
}

static uint64_t more(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static void count_work(struct connection *c, const struct ev_connection *ev)
{
	uint64_t failures = failures_of(ev);

	c->process->requests += more(c->life.requests, ev->requests);
	c->process->failures += more(c->failures, failures);
	c->failures = failures;
}

static int apply_connection(struct model *m, const struct ev_head *record)
{
	const struct ev_connection *ev = (const void *)record;
	struct connection *c = table_get(&m->connections, (struct table_key){ev->id, 0});
	int err;

	if (!c)
		c = connection_begin(m, ev);
	if (!c)
		return -ENOMEM;
	if (is_older(ev, c))
		return 0;
	count_work(c, ev);
	c->bytes_sent = ev->bytes_sent;
	c->bytes_received = ev->bytes_received;
	if ((c->life.flags ^ ev->flags) & EV_CONN_PRE_EXISTING) { /* it turned out to be new */
		endpoint_leave(c->endpoint, c);
		c->life.flags = ev->flags;
		endpoint_enter(c->endpoint, c);
	}
	c->life.born_ns = ev->born_ns;
	c->life.used_ns = ev->used_ns;
	c->life.tid = ev->tid;
	c->life.user_tid = ev->user_tid;
	c->life.flags = ev->flags;
	c->life.begun = ev->begun;
	c->life.requests = ev->requests;
	c->life.status = ev->status;
	c->request_ns = ev->request_ns;
	c->life.transaction_ns = ev->transaction_ns;
	c->hung_up_ns = ev->hung_up_ns;
	c->longest_gap_ns = ev->longest_gap_ns;
	c->committed = ev->committed;
	c->rolled_back = ev->rolled_back;
	c->abandoned = ev->abandoned;
	c->prepared = ev->prepared;
	/* two threads may race in the ledger */
	c->unprepared = ev->unprepared < ev->prepared ? ev->unprepared : ev->prepared;
	c->signs = ev->signs;
	c->database = ev->database;
	if (c->longest_gap_ns > c->process->longest_gap_ns)
		c->process->longest_gap_ns = c->longest_gap_ns;
	err = endpoint_count(m, &c->endpoint->cursors, (int64_t)ev->cursors - c->cursors);
	if (err)
		return err;
	c->cursors = ev->cursors;
	return ev->flags & EV_CONN_CLOSED ? connection_end(m, c, ev->head.ns) : 0;
}

static int apply_identity(struct model *m, const struct ev_head *record)
{
	const struct ev_identity *id = (const void *)record;
	struct connection *c = table_get(&m->connections, (struct table_key){id->id, 0});
	struct endpoint *e;

	if (!c)
		return 0;
	e = endpoint_of(c->process, c->database, id);
	if (!e)
		return -ENOMEM;
	return e == c->endpoint ? 0 : move(m, c, e);
}

static int apply_process(struct model *m, const struct ev_head *record)
{
	const struct ev_process *ev = (const void *)record;
	struct process_model *p = process_of(m, ev->pid, ev->start_ns);

	if (!p)
		return -ENOMEM;
	p->exists = true;
	p->role = ev->role;
	p->libraries = ev->libraries;
	p->nofile_limit = ev->nofile_limit;
	memcpy(p->comm, ev->comm, EV_COMM_LEN);
	keep_latest(&p->cmdline, ev->cmdline);
	keep_latest(&p->runtime, ev->runtime);
	keep_latest(&p->container_id, ev->container_id);
	keep_latest(&p->container_name, ev->container_name);
	return 0;
}

static int apply_usage(struct model *m, const struct ev_head *record)
{
	const struct ev_usage *ev = (const void *)record;
	struct process_model *p = process_of(m, ev->pid, ev->start_ns);

	if (!p)
		return -ENOMEM;
	if (p->rss_start == UNKNOWN64)
		p->rss_start = ev->rss_bytes;
	if (ev->rss_bytes != UNKNOWN64)
		p->rss_end = ev->rss_bytes;
	if (ev->rss_peak_bytes != UNKNOWN64)
		p->rss_peak = ev->rss_peak_bytes;
	if (ev->open_files != UNKNOWN32)
		p->open_files = ev->open_files;
	return 0;
}

static int apply_memory(struct model *m, const struct ev_head *record)
{
	const struct ev_memory *ev = (const void *)record;
	struct process_model *p = process_of(m, ev->pid, ev->start_ns);

	if (!p)
		return -ENOMEM;
	memory_apply(&p->memory, ev, p->requests + p->brief[0].requests + p->brief[1].requests,
		     p->failures + p->brief[0].rolled_back + p->brief[0].abandoned);
	return 0;
}

static int apply_memory_site(struct model *m, const struct ev_head *record)
{
	const struct ev_memory_site *ev = (const void *)record;
	struct process_model *p = process_of(m, ev->pid, ev->start_ns);

	return p ? memory_site_apply(&m->memory_sites, p, p->number, ev) : -ENOMEM;
}

static int apply_exit(struct model *m, const struct ev_head *record)
{
	const struct ev_exit *ev = (const void *)record;
	struct process_model *p = process_of(m, ev->pid, ev->start_ns);
	struct table_slot *slot;
	size_t at = 0;

	if (!p)
		return -ENOMEM;
	if (!p->exited_ns)
		ended_add(&m->unasked, p);
	p->exited_ns = ev->head.ns;
	if (ev->rss_peak_bytes != UNKNOWN64 &&
	    (p->rss_peak == UNKNOWN64 || ev->rss_peak_bytes > p->rss_peak))
		p->rss_peak = ev->rss_peak_bytes;
	while ((slot = table_next(&m->connections, &at))) {
		struct connection *c = slot->value;

		if (c->process == p)
			c->orphan = true;
	}
	return 0;
}

static int apply_holder(struct model *m, const struct ev_head *record)
{
	const struct ev_holder *ev = (const void *)record;
	struct connection *c = table_get(&m->connections, (struct table_key){ev->id, 0});
	struct process_model *p;
	struct ev_identity id = {};
	struct endpoint *e;

	if (!c)
		return 0;
	c->shared = ev->pid != c->process->pid || ev->holders > 1;
	if (!c->orphan)
		return 0;
	p = process_of(m, ev->pid, ev->start_ns);
	if (!p)
		return -ENOMEM;
	id.family = c->endpoint->family;
	id.port = c->endpoint->port;
	memcpy(id.address, c->endpoint->address, sizeof(id.address));
	if (c->endpoint->path)
		memcpy(id.path, c->endpoint->path, strlen(c->endpoint->path));
	if (c->endpoint->name)
		memcpy(id.name, c->endpoint->name, strlen(c->endpoint->name));
	if (c->endpoint->user)
		memcpy(id.user, c->endpoint->user, strlen(c->endpoint->user));
	e = endpoint_of(p, c->endpoint->database, &id);
	if (!e)
		return -ENOMEM;
	c->orphan = false;
	c->process = p;
	p->exists = true;
	return move(m, c, e);
}

static int apply_gone(struct model *m, const struct ev_head *record)
{
	const struct ev_gone *ev = (const void *)record;
	struct connection *c = table_get(&m->connections, (struct table_key){ev->id, 0});

	if (!c)
		return 0;
	if (c->life.status >= EV_STATUS_TRANSACTION)
		c->abandoned++;
	if (c->orphan)
		c->life.flags |= EV_CONN_EXIT;
	return connection_end(m, c, c->orphan ? c->process->exited_ns : ev->head.ns);
}

static int apply_sql(struct model *m, const struct ev_head *record)
{
	const struct ev_sql *ev = (const void *)record;
	struct connection *c = table_get(&m->connections, (struct table_key){ev->id, 0});

	if (!c || !ev->length)
		return 0;
	c->sql = keep_text(m, ev->text, ev->length, c->database);
	return 0;
}

static int apply_statement(struct model *m, const struct ev_head *record)
{
	const struct ev_statement *ev = (const void *)record;
	struct connection *c = table_get(&m->connections, (struct table_key){ev->id, 0});
	struct table_key key = {ev->id, ev->statement};
	struct statement_model *s = table_get(&m->statements, key);

	if (!c)
		return 0; /* the connection closed before this record arrived */
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s || table_put(&m->statements, key, s)) {
			free(s);
			return -ENOMEM;
		}
		statement_enter(s, &c->statements);
		s->stack = connection_waiting(m, EV_AT_PREPARED, key.a, key.b, NULL);
	}
	s->key = key;
	s->born_ns = ev->born_ns;
	s->text_hash = ev->text_hash;
	s->text = keep_text(m, ev->text, ev->length, c->database);
	return 0;
}

static int apply_statement_closed(struct model *m, const struct ev_head *record)
{
	const struct ev_statement_closed *ev = (const void *)record;
	struct connection *c = table_get(&m->connections, (struct table_key){ev->id, 0});

	if (ev->statement)
		drop_statement(m, (struct table_key){ev->id, ev->statement});
	else if (c)
		model_drop_statements(m, &c->statements);
	return 0;
}

#define AT_REQUEST_NS 10000000ULL /* a stack may be taken so long before its request */

static bool is_of_result(const struct ev_result *r, uint64_t id, uint64_t at_ns)
{
	return r->bytes && r->id == id && at_ns + AT_REQUEST_NS >= r->began_ns &&
	       at_ns <= r->head.ns;
}

static uint64_t result_waiting(struct model *m, const struct ev_result *r)
{
	uint64_t at_ns = 0, stack = connection_waiting(m, EV_AT_RESULT, r->id, 0, &at_ns);

	return is_of_result(r, r->id, at_ns) ? stack : 0;
}

/* Are these rows of a SQLite statement of which more are to come? */
static bool goes_on(const struct ev_result *r)
{
	return r->bytes == UNKNOWN64 && !r->rows_exact;
}

static bool is_rest_of(const struct ev_result *r, const struct ev_result *before)
{
	return goes_on(before) && r->id == before->id && r->rows != UNKNOWN64 &&
	       r->rows >= before->rows;
}

static int apply_result(struct model *m, const struct ev_head *record)
{
	const struct ev_result *ev = (const void *)record;
	struct connection *c = table_get(&m->connections, (struct table_key){ev->id, 0});
	struct endpoint *e;

	if (!c)
		return 0;
	e = c->endpoint;
	e->results += !goes_on(ev);
	if (e->result.bytes && !is_rest_of(ev, &e->result) &&
	    ev->grown_bytes <= e->result.grown_bytes)
		return 0;
	memcpy(&e->result, ev, offsetof(struct ev_result, text));
	e->result_at = result_waiting(m, &e->result);
	e->result_begun_at = c->life.begun_at;
	e->result_sql = keep_text(m, ev->text, ev->length, c->database);
	return 0;
}

struct table_key model_site_key(const struct process_model *p, uint64_t site, uint32_t resource)
{
	return (struct table_key){site, (uint64_t)p->number << 32 | resource};
}

static struct site_model *site_of(struct model *m, struct process_model *p,
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

static int apply_site(struct model *m, const struct ev_head *record)
{
	const struct ev_site *ev = (const void *)record;
	struct process_model *p = process_of(m, ev->pid, ev->start_ns);
	struct site_model *s = p ? site_of(m, p, ev) : NULL;

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

static int apply_handle(struct model *m, const struct ev_head *record)
{
	const struct ev_handle *ev = (const void *)record;
	struct process_model *p = process_of(m, ev->pid, ev->start_ns);
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

static int apply_handle_closed(struct model *m, const struct ev_head *record)
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
	c->life.begun_at = ev->stack;
	c->life.begun_ns = ev->at_ns;
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

static int apply_evidence(struct model *m, const struct ev_head *record)
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

static int apply_frame(struct model *m, const struct ev_head *record)
{
	keep_places(m);
	return code_frame_add(&m->code, (const void *)record);
}

static int apply_stack(struct model *m, const struct ev_head *record)
{
	keep_places(m);
	return code_stack_add(&m->code, (const void *)record);
}

static void file_follow(struct file_model *f, const struct ev_file *ev)
{
	bool grew = f->wal_bytes != UNKNOWN64 && ev->wal_bytes != UNKNOWN64 &&
		    ev->wal_bytes > f->wal_bytes;

	if (ev->reading_ns != f->reading_ns || f->before_bytes == UNKNOWN64 ||
	    (ev->wal_bytes != UNKNOWN64 && ev->wal_bytes < f->before_bytes)) {
		/* Another reader is the oldest, or the log began anew in spite of it.  Bytes
		 * written since the last look may be older than the reader. */
		f->before_bytes = ev->wal_bytes;
		f->growth_ns = f->grown_ns = 0;
	} else if (grew) {
		f->grown_ns = ev->head.ns;
		if (!f->growth_ns)
			f->growth_ns = ev->head.ns;
	}
	f->reading_ns = ev->reading_ns;
	f->wal_bytes = ev->wal_bytes;
	f->reading = ev->reading;
}

static int apply_file(struct model *m, const struct ev_head *record)
{
	const struct ev_file *ev = (const void *)record;
	struct connection *c = table_get(&m->connections, (struct table_key){ev->id, 0});
	int err;

	if (!c)
		return 0;
	if (!c->file) {
		c->file = calloc(1, sizeof(*c->file));
		if (!c->file)
			return -ENOMEM;
		c->file->wal_bytes = c->file->before_bytes = UNKNOWN64;
	}
	err = endpoint_count(m, &c->endpoint->readers, (int64_t)ev->reading - c->file->reading);
	if (err)
		return err;
	if (ev->zombie && !c->zombie_ns)
		c->zombie_ns = ev->head.ns;
	file_follow(c->file, ev);
	c->file->sql = keep_text(m, ev->text, ev->length, EV_DB_SQLITE);
	return 0;
}

/* Forgets the library that was reported longest ago: those that are mapped are reported all the
 * time. */
static void forget_library(struct model *m)
{
	struct library_model **at, **oldest = &m->first_library, *l;

	for (at = &m->first_library; *at; at = &(*at)->next)
		if ((*at)->state.head.ns < (*oldest)->state.head.ns)
			oldest = at;
	l = *oldest;
	*oldest = l->next;
	if (!l->next)
		m->last_library = oldest;
	table_remove(&m->libraries, (struct table_key){l->state.device, l->state.inode});
	free(l);
}

static struct library_model *library_of(struct model *m, const struct ev_library *ev)
{
	struct table_key key = {ev->device, ev->inode};
	struct library_model *l = table_get(&m->libraries, key);

	if (l)
		return l;
	if (m->libraries.count >= LIBRARIES_MOST)
		forget_library(m);
	l = calloc(1, sizeof(*l));
	if (!l || table_put(&m->libraries, key, l)) {
		free(l);
		return NULL;
	}
	*m->last_library = l;
	m->last_library = &l->next;
	return l;
}

static int apply_library(struct model *m, const struct ev_head *record)
{
	const struct ev_library *ev = (const void *)record;
	struct library_model *l = library_of(m, ev);

	if (!l)
		return -ENOMEM;
	if (!ev->detached)
		l->detached_ns = 0;
	else if (!l->detached_ns)
		l->detached_ns = ev->head.ns;
	memcpy(&l->state, ev, sizeof(l->state));
	return 0;
}

static int apply_tally(struct model *m, const struct ev_head *record)
{
	const struct ev_tally *ev = (const void *)record;
	struct process_model *p = process_of(m, ev->pid, ev->start_ns);

	if (!p)
		return -ENOMEM;
	p->brief[ev->database == EV_DB_SQLITE] = *ev;
	p->exists = true;
	return 0;
}

static int apply_withdrawn(struct model *m, const struct ev_head *record)
{
	if (!m->withdrawn.pid)
		m->withdrawn = *(const struct ev_withdrawn *)(const void *)record;
	return 0;
}

static int apply_gap(struct model *m, const struct ev_head *record)
{
	const struct ev_gap *ev = (const void *)record;
	struct gap *g;

	for (size_t i = 0; i < m->gap_count; i++)
		if (m->gaps[i].pid == ev->pid && !strcmp(m->gaps[i].text, ev->text))
			return 0;
	if (m->gap_count == GAPS_MOST) {
		m->gaps_refused++;
		return 0;
	}
	if (m->gap_count == m->gap_room) {
		size_t room = m->gap_room ? 2 * m->gap_room : 8;

		g = realloc(m->gaps, room * sizeof(*g));
		if (!g)
			return -ENOMEM;
		m->gaps = g;
		m->gap_room = room;
	}
	g = &m->gaps[m->gap_count++];
	g->pid = ev->pid;
	g->start_ns = ev->start_ns;
	memcpy(g->text, ev->text, EV_TEXT_LEN);
	return 0;
}

static int apply_begin(struct model *m, const struct ev_head *record)
{
	memcpy(&m->begin, record, sizeof(m->begin));
	return 0;
}

static int apply_loss(struct model *m, const struct ev_head *record)
{
	memcpy(&m->loss, record, sizeof(m->loss));
	return 0;
}

static int apply_cost(struct model *m, const struct ev_head *record)
{
	memcpy(&m->cost, record, sizeof(m->cost));
	return 0;
}

static int apply_end(struct model *m, const struct ev_head *record)
{
	(void)record;
	m->ended = true;
	return 0;
}

int model_apply(struct model *m, const struct ev_head *record)
{
	static int (*const apply[EV_KIND_MAX])(struct model *, const struct ev_head *) = {
		[EV_BEGIN] = apply_begin,
		[EV_END] = apply_end,
		[EV_PROCESS] = apply_process,
		[EV_USAGE] = apply_usage,
		[EV_EXIT] = apply_exit,
		[EV_CONNECTION] = apply_connection,
		[EV_IDENTITY] = apply_identity,
		[EV_SQL] = apply_sql,
		[EV_STATEMENT] = apply_statement,
		[EV_STATEMENT_CLOSED] = apply_statement_closed,
		[EV_RESULT] = apply_result,
		[EV_TALLY] = apply_tally,
		[EV_LOSS] = apply_loss,
		[EV_COST] = apply_cost,
		[EV_GAP] = apply_gap,
		[EV_HOLDER] = apply_holder,
		[EV_GONE] = apply_gone,
		[EV_LIBRARY] = apply_library,
		[EV_SITE] = apply_site,
		[EV_HANDLE] = apply_handle,
		[EV_HANDLE_CLOSED] = apply_handle_closed,
		[EV_FILE] = apply_file,
		[EV_FRAME] = apply_frame,
		[EV_STACK] = apply_stack,
		[EV_EVIDENCE] = apply_evidence,
		[EV_MEMORY] = apply_memory,
		[EV_MEMORY_SITE] = apply_memory_site,
		[EV_WITHDRAWN] = apply_withdrawn,
	};

	if (record->ns > m->now_ns)
		m->now_ns = record->ns;
	return record->kind < EV_KIND_MAX && apply[record->kind] ? apply[record->kind](m, record)
								 : 0;
}
