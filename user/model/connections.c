/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * connections.c - connections, their endpoints, and what runs on them: statements and results.
 */
#include "user/model/apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/util.h"
#include "user/model/keep.h"
#include "user/model/process.h"

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
			e->name = string_keep(id->name);
			e->user = string_keep(id->user);
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
	e->path = string_keep(path);
	e->name = string_keep(id->name);
	e->user = string_keep(id->user);
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
	if (c->created_ns)
		durations_add(&e->created, c->created_ns);
}

static void endpoint_leave(struct endpoint *e, const struct connection *c)
{
	e->open--;
	if (c->life.flags & EV_CONN_PRE_EXISTING)
		e->pre_existing--;
	else
		e->opened--;
	if (c->created_ns)
		durations_remove(&e->created, c->created_ns);
}

/* The unfinished statements that ended with a connection, else those that had ended last; the
 * connection has them no more. */
static struct file_model *take_file(struct connection *c)
{
	struct file_model *file = c->file && c->file->reading ? c->file : c->ended;

	if (file == c->ended) {
		c->ended = NULL;
		return file;
	}
	file->used_ns = c->life.used_ns;
	file->worked_before = c->life.worked_before;
	c->file = NULL;
	return file;
}

static int past_add(struct process_model *p, struct connection *c)
{
	if (p->past_count < PAST_MOST && p->past_count == p->past_room) {
		size_t room = p->past_room ? 2 * p->past_room : 16;
		struct past *past = realloc(p->past, room * sizeof(*past));

		if (!past)
			return -ENOMEM;
		p->past = past;
		p->past_room = room;
	}
	if (p->past_count < PAST_MOST) {
		p->past_next = p->past_count++;
	} else {
		p->past_next = (p->past_next + 1) % PAST_MOST;
		free(p->past[p->past_next].file);
	}
	p->past[p->past_next] = (struct past){c->endpoint, c->sql, take_file(c), c->life};
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

	if (c->prepared - c->unprepared <= e->leakiest_open) {
		model_drop_statements(m, &c->statements);
		return;
	}
	model_drop_statements(m, &e->leakiest_statements);
	e->leakiest_statements = c->statements;
	if (e->leakiest_statements)
		e->leakiest_statements->at = &e->leakiest_statements;
	e->leakiest_closed = c->id;
	e->leakiest_ns = c->life.closed_ns;
	e->leakiest_open = c->prepared - c->unprepared;
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

void connection_free_parts(struct connection *c)
{
	free(c->file);
	free(c->ended);
	free(c->session);
}

static int connection_end(struct model *m, struct connection *c, uint64_t ns)
{
	struct endpoint *e = c->endpoint;
	int err;

	c->life.closed_ns = ns;
	c->life.asked = c->request_ns != 0;
	e->open--;
	e->closed++;
	e->begun += c->life.begun;
	e->committed += c->committed;
	e->rolled_back += c->rolled_back;
	e->abandoned += c->abandoned;
	e->prepared += c->prepared;
	e->unprepared += c->unprepared;
	err = count_held(m, c, -1);
	if (!err)
		err = past_add(c->process, c);
	end_statements(m, c);
	cut_handle(m, c, ns);
	table_remove(&m->connections, (struct table_key){c->id, 0});
	connection_free_parts(c);
	free(c);
	return err;
}

/*
 * Evidence: the stack that belongs to an object.
 *
 * Evidence that comes before its object waits, and goes when its object goes.  Records name a
 * process by pid and start, except those of connections and statements, whose ids suffice.
 */

uint64_t stack_waiting(struct model *m, const struct ev_evidence *like, uint64_t *at_ns)
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
	c->process = model_process_of(m, ev->pid, ev->start_ns);
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

int connection_move_to(struct model *m, struct connection *c, const struct ev_identity *id)
{
	struct endpoint *e = endpoint_of(c->process, c->database, id);

	if (!e)
		return -ENOMEM;
	return e == c->endpoint ? 0 : move(m, c, e);
}

/* A sweep may report a later state before the ring delivers an older one.  Bytes only grow, so
 * fewer bytes mean an older state. */
static bool is_older(const struct ev_connection *ev, const struct connection *c)
{
	return !(ev->flags & EV_CONN_CLOSED) &&
	       (ev->bytes_sent < c->bytes_sent || ev->bytes_received < c->bytes_received);
}

#define CLOCK_SECOND_NS 1000000000ULL

/* Follows a counter of a record, which wraps after some days of a busy connection.  Races in the
 * ledger may also move it back a little. */
static void count_on(uint64_t *total, uint32_t now)
{
	int64_t more = (int32_t)(now - (uint32_t)*total);

	*total = more < 0 && (uint64_t)-more > *total ? now : *total + (uint64_t)more;
}

static uint64_t more(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static void count_work(struct connection *c, const struct ev_connection *ev)
{
	uint64_t failures;

	count_on(&c->life.begun, ev->begun);
	count_on(&c->committed, ev->committed);
	count_on(&c->rolled_back, ev->rolled_back);
	count_on(&c->abandoned, ev->abandoned);
	count_on(&c->prepared, ev->prepared);
	count_on(&c->unprepared, ev->unprepared);
	if (c->unprepared > c->prepared) /* two threads may race in the ledger */
		c->unprepared = c->prepared;
	failures = c->rolled_back + c->abandoned + !!(ev->flags & EV_CONN_REFUSED);
	c->process->requests += more(c->life.requests, ev->requests);
	c->process->failures += more(c->failures, failures);
	c->failures = failures;
}

/* Notes in which seconds a process used its databases, and how many of them a connection has seen
 * at its own last use.  Of a connection that is used all the time, a look a second is reported. */
static void note_use(struct connection *c, uint64_t used_ns)
{
	struct process_model *p = c->process;

	if (used_ns > p->worked_ns) {
		p->worked_seconds += used_ns / CLOCK_SECOND_NS != p->worked_ns / CLOCK_SECOND_NS;
		p->worked_ns = used_ns;
	}
	if (used_ns > c->life.used_ns)
		c->life.worked_before = p->worked_seconds;
}

/* Before the first request, the last message is the server's that lets the client in: the opening
 * ends with it.  Of an encrypted login, the last message that was read may be another. */
static void note_creation(struct connection *c, const struct ev_connection *ev)
{
	if (c->created_ns || !(ev->flags & EV_CONN_AUTHENTICATED) ||
	    ev->flags & (EV_CONN_PRE_EXISTING | EV_CONN_TLS | EV_CONN_TRUNCATED) || ev->requests ||
	    !ev->born_ns || ev->used_ns <= ev->born_ns)
		return;
	c->created_ns = ev->used_ns - ev->born_ns;
	durations_add(&c->endpoint->created, c->created_ns);
}

int apply_connection(struct model *m, const struct ev_head *record)
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
	note_creation(c, ev);
	c->life.born_ns = ev->born_ns;
	note_use(c, ev->used_ns);
	c->life.used_ns = ev->used_ns;
	c->life.tid = ev->tid;
	c->life.user_tid = ev->user_tid;
	c->life.flags = ev->flags;
	c->life.requests = ev->requests;
	c->life.status = ev->status;
	c->request_ns = ev->request_ns;
	c->life.transaction_ns = ev->transaction_ns;
	c->hung_up_ns = ev->hung_up_ns;
	if (!(ev->flags & EV_CONN_UNREAD))
		c->unread_ns = 0;
	else if (!c->unread_ns)
		c->unread_ns = ev->head.ns;
	c->longest_gap_ns = ev->longest_gap_ns;
	c->signs = ev->signs;
	c->database = ev->database;
	if (c->longest_gap_ns > c->process->longest_gap_ns)
		c->process->longest_gap_ns = c->longest_gap_ns;
	err = endpoint_count(m, &c->endpoint->cursors, (int64_t)ev->cursors - c->cursors);
	if (err)
		return err;
	if (ev->cursors > c->cursors)
		c->life.cursor_due = true;
	c->cursors = ev->cursors;
	c->life.cursors = ev->cursors;
	return ev->flags & EV_CONN_CLOSED ? connection_end(m, c, ev->head.ns) : 0;
}

int apply_identity(struct model *m, const struct ev_head *record)
{
	const struct ev_identity *id = (const void *)record;
	struct connection *c = table_get(&m->connections, (struct table_key){id->id, 0});

	if (!c)
		return 0;
	c->local_port = id->local_port;
	return connection_move_to(m, c, id);
}

struct ev_identity endpoint_identity(const struct endpoint *e)
{
	struct ev_identity id = {.family = e->family, .port = e->port};

	memcpy(id.address, e->address, sizeof(id.address));
	if (e->path)
		memcpy(id.path, e->path, strlen(e->path));
	if (e->name)
		memcpy(id.name, e->name, strlen(e->name));
	if (e->user)
		memcpy(id.user, e->user, strlen(e->user));
	return id;
}

int apply_holder(struct model *m, const struct ev_head *record)
{
	const struct ev_holder *ev = (const void *)record;
	struct connection *c = table_get(&m->connections, (struct table_key){ev->id, 0});
	struct process_model *p;
	struct ev_identity id;
	struct endpoint *e;

	if (!c)
		return 0;
	c->shared = ev->pid != c->process->pid || ev->holders > 1;
	if (!c->orphan)
		return 0;
	p = model_process_of(m, ev->pid, ev->start_ns);
	if (!p)
		return -ENOMEM;
	id = endpoint_identity(c->endpoint);
	e = endpoint_of(p, c->endpoint->database, &id);
	if (!e)
		return -ENOMEM;
	c->orphan = false;
	c->process = p;
	p->exists = true;
	return move(m, c, e);
}

int apply_gone(struct model *m, const struct ev_head *record)
{
	const struct ev_gone *ev = (const void *)record;
	struct connection *c = table_get(&m->connections, (struct table_key){ev->id, 0});

	if (!c)
		return 0;
	if (c->life.status >= EV_STATUS_TRANSACTION)
		c->abandoned++;
	c->life.flags |= EV_CONN_MISSED;
	if (c->orphan)
		c->life.flags |= EV_CONN_EXIT;
	return connection_end(m, c, c->orphan ? c->process->exited_ns : ev->head.ns);
}

int apply_sql(struct model *m, const struct ev_head *record)
{
	const struct ev_sql *ev = (const void *)record;
	struct connection *c = table_get(&m->connections, (struct table_key){ev->id, 0});

	if (!c || !ev->length)
		return 0;
	c->sql = keep_text(m, ev->text, ev->length, c->database);
	return 0;
}

int apply_statement(struct model *m, const struct ev_head *record)
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

int apply_statement_closed(struct model *m, const struct ev_head *record)
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

bool is_of_result(const struct ev_result *r, uint64_t id, uint64_t at_ns)
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
static bool connections_goes_on(const struct ev_result *r)
{
	return r->bytes == UNKNOWN64 && !r->rows_exact;
}

static bool is_rest_of(const struct ev_result *r, const struct ev_result *before)
{
	return connections_goes_on(before) && r->id == before->id && r->rows != UNKNOWN64 &&
	       r->rows >= before->rows;
}

int apply_result(struct model *m, const struct ev_head *record)
{
	const struct ev_result *ev = (const void *)record;
	struct connection *c = table_get(&m->connections, (struct table_key){ev->id, 0});
	struct endpoint *e;

	if (!c)
		return 0;
	e = c->endpoint;
	e->results += !connections_goes_on(ev);
	if (e->result.bytes && !is_rest_of(ev, &e->result) &&
	    ev->grown_bytes <= e->result.grown_bytes)
		return 0;
	memcpy(&e->result, ev, offsetof(struct ev_result, text));
	e->result_at = result_waiting(m, &e->result);
	e->result_begun_at = c->life.begun_at;
	e->result_sql = keep_text(m, ev->text, ev->length, c->database);
	return 0;
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
		f->growth_ns = f->grown_ns = f->stack = 0;
	} else if (grew) {
		f->grown_ns = ev->head.ns;
		if (!f->growth_ns)
			f->growth_ns = ev->head.ns;
	}
	f->reading_ns = ev->reading_ns;
	f->wal_bytes = ev->wal_bytes;
	f->reading = ev->reading;
}

/* The place where the oldest unfinished statement was prepared; 0: not known.  A record names the
 * statement by its SQL text alone. */
static uint64_t stack_of_reader(const struct connection *c)
{
	for (const struct statement_model *s = c->statements; s; s = s->next)
		if (s->text == c->file->sql && s->stack)
			return s->stack;
	return 0;
}

/* Keeps what was unfinished, for its end may belong to the end of the process. */
static int file_ends(struct connection *c, uint64_t now_ns)
{
	if (!c->ended) {
		c->ended = malloc(sizeof(*c->ended));
		if (!c->ended)
			return -ENOMEM;
	}
	*c->ended = *c->file;
	c->ended->ended_ns = now_ns;
	c->ended->used_ns = c->life.used_ns;
	c->ended->worked_before = c->life.worked_before;
	return 0;
}

int apply_file(struct model *m, const struct ev_head *record)
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
	if (c->file->reading && !ev->reading)
		err = file_ends(c, ev->head.ns);
	file_follow(c->file, ev);
	c->file->sql = keep_text(m, ev->text, ev->length, EV_DB_SQLITE);
	if (ev->reading && !c->file->stack)
		c->file->stack = stack_of_reader(c);
	return err;
}
