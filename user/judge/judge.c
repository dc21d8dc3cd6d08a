/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * judge.c - from the model to verdicts.
 *
 * What is a leak?  An object that its process acquired, will not use again and does not release,
 * while more of the same come.  The first half is proven by the order of events, never by age
 * alone: the process acquired a newer object although the older one lay idle.  The second half
 * separates a leak from a pool, a cache or a high-water mark, which grow and then stop.
 *
 * Objects that are held but do not grow in number are `stuck` once they exceed the process's own
 * normal; growth that stopped is `bounded`.  One look never accuses, and time under a request never
 * counts.  Where state could not be seen, the report says so instead of guessing.  Each rule_*.c
 * states its own proof.
 */
#include "user/judge/judge.h"

#include <stdarg.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>

#include "user/judge/memory_view.h"
#include "user/judge/rules.h"
#include "user/judge/site.h"
#include "user/judge/view_owner.h"

/* The flags that hide a connection's state: TLS, compression, hidden I/O.  TLS does not hide it
 * where the library's plaintext is read. */
static uint32_t unreadable(const struct life *l)
{
	uint32_t flags = l->flags & (EV_CONN_TLS | EV_CONN_COMPRESSED | EV_CONN_HIDDEN_IO);

	return l->flags & EV_CONN_DECRYPTED ? flags & ~EV_CONN_TLS : flags;
}

double seconds(uint64_t ns)
{
	return ns / 1e9;
}

struct finding_view *finding_add(struct scene *s, enum cause cause, enum resource resource)
{
	struct finding_view *f;

	if (s->finding_count == s->finding_room) {
		size_t room = s->finding_room ? 2 * s->finding_room : 4;
		struct finding_view *more = realloc(s->findings, room * sizeof(*more));

		if (!more)
			return NULL;
		s->findings = more;
		s->finding_room = room;
	}
	f = &s->findings[s->finding_count++];
	*f = (struct finding_view){.cause = cause,
				   .resource = resource,
				   .database = s->endpoint ? s->endpoint->database : EV_DB_UNKNOWN,
				   .oldest_seconds = -1,
				   .growth_per_minute = -1,
				   .bytes = UNKNOWN64,
				   .rows = UNKNOWN64};
	return f;
}

void finding_because(struct scene *s, struct finding_view *f, const char *format, ...)
{
	const char **more = arena_alloc(s->arena, (f->evidence_count + 1) * sizeof(*more));
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!more)
		return;
	for (size_t i = 0; i < f->evidence_count; i++)
		more[i] = f->evidence[i];
	more[f->evidence_count] = arena_copy(s->arena, text, strlen(text));
	f->evidence = more;
	f->evidence_count += more[f->evidence_count] != NULL;
}

enum confidence confidence_cap(const struct scene *s, enum confidence c)
{
	const __u64 *lost = s->model->loss.count;
	size_t guessed = 0, unsure = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct connection *open = s->seen[i].open;

		unsure += unreadable(s->seen[i].life) ||
			  s->seen[i].life->flags & (EV_CONN_PIPELINED | EV_CONN_TENTATIVE);
		guessed += open && open->database != EV_DB_SQLITE &&
			   !(open->signs & (EV_SIGN_HANDSHAKE | EV_SIGN_REQUEST | EV_SIGN_REPLY |
					    EV_SIGN_SERVER | EV_SIGN_LIBRARY));
	}
	if (2 * guessed > s->count)
		return CONFIDENCE_POSSIBLE;
	if (c == CONFIDENCE_CERTAIN &&
	    (lost[EV_LOSS_RING_FULL] || lost[EV_LOSS_MAP_FULL] || 2 * unsure > s->count))
		return CONFIDENCE_LIKELY;
	return c;
}

struct finding_view *finding_of(const struct scene *s, enum cause cause)
{
	struct finding_view *all = s->endpoint ? s->findings : s->view->findings;
	size_t n = s->endpoint ? s->finding_count : s->view->finding_count;

	for (size_t i = 0; i < n; i++)
		if (all[i].cause == cause)
			return &all[i];
	return NULL;
}

uint64_t open_of(const struct scene *s, enum cause cause)
{
	const struct finding_view *all = s->endpoint ? s->findings : s->view->findings;
	size_t n = s->endpoint ? s->finding_count : s->view->finding_count;
	uint64_t open = 0;

	for (size_t i = 0; i < n; i++)
		open += all[i].cause == cause ? all[i].open : 0;
	return open;
}

const struct connection *connection_of(const struct scene *s, const struct handle *h)
{
	struct table_key key = {h->parent, (uint64_t)s->process->number << 32 | EV_RES_CONNECTION};
	const struct handle *parent = h->parent ? table_get(&s->model->handles, key) : NULL;

	return parent && parent->connection ? table_get(&s->model->connections,
							(struct table_key){parent->connection, 0})
					    : NULL;
}

bool is_private(const struct endpoint *e)
{
	return e->database == EV_DB_SQLITE && (!e->path || !strcmp(e->path, ":memory:"));
}

static char *address_text(struct arena *a, const struct endpoint *e)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char text[INET6_ADDRSTRLEN] = "?";

	if (e->path)
		return arena_copy(a, e->path, strlen(e->path));
	if (e->database == EV_DB_SQLITE && e->family)
		return arena_format(a, "(temporary)");
	if (e->family != AF_INET && e->family != AF_INET6)
		return arena_copy(a, "?", 1);
	if (!memcmp(e->address, mapped, sizeof(mapped))) {
		inet_ntop(AF_INET, e->address + 12, text, sizeof(text));
		return arena_format(a, "%s:%u", text, e->port);
	}
	inet_ntop(AF_INET6, e->address, text, sizeof(text));
	return arena_format(a, "[%s]:%u", text, e->port);
}

static bool endpoint_is_empty(const struct endpoint *e)
{
	return !e->open && !e->opened && !e->closed && !e->pre_existing;
}

static const char *endpoint_text(struct arena *a, const struct endpoint_view *v)
{
	return arena_format(a, "%s%s%s%s%s", v->address, v->name ? "/" : "", v->name ? v->name : "",
			    v->user ? " as " : "", v->user ? v->user : "");
}

const char *place_text(const struct scene *s, const struct endpoint *e)
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

static int by_birth(const void *a, const void *b)
{
	const struct birth *x = a, *y = b;

	return (x->ns > y->ns) - (x->ns < y->ns);
}

static void scene_add(struct scene *s, const struct life *life, const struct connection *open,
		      const struct text *sql)
{
	struct seen *x = &s->seen[s->count++];

	x->life = life;
	x->open = open;
	x->sql = sql;
	x->exit = life->closed_ns && life->flags & EV_CONN_EXIT;
	x->end_ns = life->closed_ns ? life->closed_ns : s->now_ns;
	if (life->born_ns)
		s->births[s->birth_count++] = (struct birth){life->born_ns, life->tid};
}

/* Connections that a process closes in its last second, after its last opening, belong to its
 * shutdown.  A proper close changes nothing: they were held for the whole run. */
static void mark_shutdown(struct scene *s)
{
	uint64_t last_birth = s->birth_count ? s->births[s->birth_count - 1].ns : 0;

	if (!s->process->exited_ns)
		return;
	for (size_t i = 0; i < s->count; i++) {
		struct seen *x = &s->seen[i];

		if (!x->life->closed_ns || x->exit || x->end_ns < last_birth ||
		    x->end_ns + SECOND_NS < s->process->exited_ns)
			continue;
		x->exit = true;
		x->farewell = true;
	}
}

/* Gathers the connections of one endpoint, open and closed.  Returns 0, or -1 without memory. */
static int scene_fill(struct scene *s, struct connection **open, size_t open_count)
{
	size_t room = s->process->past_count + open_count + 1;

	s->seen = calloc(room, sizeof(*s->seen));
	s->births = calloc(room, sizeof(*s->births));
	if (!s->seen || !s->births)
		return -1;
	for (size_t i = 0; i < s->process->past_count; i++)
		if (s->process->past[i].endpoint == s->endpoint)
			scene_add(s, &s->process->past[i].life, NULL, s->process->past[i].sql);
	for (size_t i = 0; i < open_count; i++)
		if (open[i]->endpoint == s->endpoint)
			scene_add(s, &open[i]->life, open[i], open[i]->sql);
	qsort(s->births, s->birth_count, sizeof(*s->births), by_birth);
	mark_shutdown(s);
	return 0;
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

static void describe(const struct scene *s, struct endpoint_view *v)
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
	v->transactions.begun = e->begun;
	v->transactions.committed = e->committed;
	v->transactions.rolled_back = e->rolled_back;
	v->transactions.abandoned = e->abandoned;
	v->statements.prepared = e->prepared;
	v->statements.closed = e->unprepared;
	for (size_t i = 0; i < s->count; i++) {
		if (!s->seen[i].open)
			continue;
		count_open(v, s->seen[i].open, s->now_ns);
		/* A connection whose opening was seen will show its status; it may be in its
		 * handshake now. */
		silent += s->seen[i].life->status == EV_STATUS_UNKNOWN &&
			  (s->seen[i].life->flags & EV_CONN_PRE_EXISTING ||
			   unreadable(s->seen[i].life) || s->endpoint->database == EV_DB_UNKNOWN);
	}
	/* No open connection has shown its status: idle or in a transaction is not known. */
	if (silent && silent == e->open)
		v->connections.idle = v->connections.in_transaction = UNKNOWN64;
}

/* Brief connections are counted by process only: the counts go to its first endpoint of their kind
 * (SQLite or not). */
static void add_brief(struct process_view *process, const struct ev_tally *t, bool sqlite)
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

static bool judged(const struct scene *s)
{
	/* A snapshot never accuses; a pooler or a server holds connections because that is its
	 * job. */
	return s->model->begin.mode != EV_MODE_SNAPSHOT && s->process->role == EV_ROLE_CLIENT;
}

/* Did the number of connections grow in the window and then stay flat for as long? */
static const char *bounded_reason(const struct scene *s)
{
	uint64_t first, last;

	if (s->birth_count < 2 || s->endpoint->open < 2)
		return NULL;
	first = s->births[0].ns;
	last = s->births[s->birth_count - 1].ns;
	if (s->now_ns - last < last - first || s->now_ns - last < SECOND_NS)
		return NULL;
	return arena_format(s->arena, "grew to %llu connections, flat for %.0f s",
			    (unsigned long long)s->endpoint->peak, seconds(s->now_ns - last));
}

static const char *unknown_reason(const struct scene *s)
{
	size_t opaque = 0, silent = 0, open = 0;
	uint32_t flags = 0;

	for (size_t i = 0; i < s->count; i++) {
		if (!s->seen[i].open)
			continue;
		open++;
		flags |= unreadable(s->seen[i].life);
		opaque += unreadable(s->seen[i].life) != 0;
		/* A connection whose opening was seen will show its status; it may be in its
		 * handshake now. */
		silent += s->seen[i].life->status == EV_STATUS_UNKNOWN &&
			  (s->seen[i].life->flags & EV_CONN_PRE_EXISTING ||
			   s->endpoint->database == EV_DB_UNKNOWN);
	}
	/* A few unreadable connections hide nothing of what the others show. */
	if (!open || (2 * opaque < open && silent < open))
		return NULL;
	if (flags & EV_CONN_TLS)
		return "TLS: connections are counted, their state is not readable";
	if (flags & EV_CONN_COMPRESSED)
		return "compressed: connections are counted, their state is not readable";
	if (flags & EV_CONN_HIDDEN_IO)
		return "io_uring: connections are counted, their bytes pass unseen";
	if (s->endpoint->database == EV_DB_UNKNOWN)
		return "a database's port, but its bytes are of no protocol we know";
	return "silent since before we came: whether a transaction is open is not known";
}

static int worst_first(const void *a, const void *b)
{
	const struct finding_view *x = a, *y = b;

	if (x->verdict != y->verdict)
		return x->verdict > y->verdict ? -1 : 1;
	if (x->cause != y->cause)
		return x->cause < y->cause ? -1 : 1;
	if (x->open != y->open)
		return x->open > y->open ? -1 : 1;
	if (x->acquired != y->acquired)
		return x->acquired > y->acquired ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

static int keep_findings(struct scene *s, struct process_view *v, const char *endpoint)
{
	struct finding_view *all = arena_alloc(s->arena, (v->finding_count + s->finding_count + 1) *
								 sizeof(*all));

	if (!all)
		return -1;
	if (v->finding_count)
		memcpy(all, v->findings, v->finding_count * sizeof(*all));
	for (size_t i = 0; i < s->finding_count; i++) {
		struct finding_view *f = &all[v->finding_count + i];

		*f = s->findings[i];
		f->order = v->finding_count + i;
		if (!f->endpoint)
			f->endpoint = endpoint;
		if (f->sql)
			f->sql = arena_copy(s->arena, f->sql, strlen(f->sql));
		if (f->verdict > v->verdict)
			v->verdict = f->verdict;
	}
	v->findings = all;
	v->finding_count += s->finding_count;
	return 0;
}

static int judge_endpoint(struct scene *s, struct process_view *v)
{
	static int (*const rules[])(struct scene *) = {
		rule_connections, rule_hung_up, rule_transactions, rule_statements, rule_zombies,
		rule_results,	  rule_halves,	rule_wal,	   rule_cursors};
	struct endpoint_view *e = &v->endpoints[v->endpoint_count++];
	const char *reason;

	describe(s, e);
	for (size_t i = 0; judged(s) && i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i](s))
			return -1;
	if (s->finding_count)
		return keep_findings(s, v, endpoint_text(s->arena, e));
	reason = unknown_reason(s);
	if (reason && v->verdict <= VERDICT_UNKNOWN) {
		v->verdict = VERDICT_UNKNOWN;
		v->verdict_reason = reason;
	}
	reason = judged(s) ? bounded_reason(s) : NULL;
	if (reason && v->verdict < VERDICT_BOUNDED) {
		v->verdict = VERDICT_BOUNDED;
		v->verdict_reason = reason;
	}
	return 0;
}

/* Judges the process as a whole, whatever its endpoints: objects of its libraries, and memory. */
static int judge_libraries(struct scene *s, struct process_view *v)
{
	static int (*const rules[])(struct scene *) = {rule_unread, rule_sites, rule_memory};
	int err = memory_describe(s);

	for (size_t i = 0; judged(s) && !err && i < sizeof(rules) / sizeof(rules[0]); i++)
		err = rules[i](s);
	if (!err && s->finding_count)
		err = keep_findings(s, v, NULL);
	free(s->findings);
	return err;
}

/* The part of a sorted table that belongs to one process. */
struct part {
	void *first;
	size_t count;
};

static int judge_process(const struct model *m, struct places *places,
			 const struct process_model *p, struct part connections,
			 struct part handles, struct part memory, struct process_view *v)
{
	struct arena *a = places->arena;
	struct scene whole = {.model = m,
			      .places = places,
			      .process = p,
			      .brief = &p->brief[0],
			      .arena = a,
			      .view = v,
			      .handles = handles.first,
			      .handle_count = handles.count,
			      .memory_sites = memory.first,
			      .memory_site_count = memory.count,
			      .now_ns = p->exited_ns ? p->exited_ns : m->now_ns,
			      .start_ns = m->begin.head.ns};
	size_t n = 0;
	int err = 0;

	for (const struct endpoint *e = p->endpoints; e; e = e->next)
		n += !endpoint_is_empty(e);
	v->endpoints = arena_alloc(a, (n + 1) * sizeof(*v->endpoints));
	if (!v->endpoints)
		return -1;
	for (const struct endpoint *e = p->endpoints; e && !err; e = e->next) {
		struct scene s = whole;

		if (endpoint_is_empty(e))
			continue;
		s.endpoint = e;
		s.brief = &p->brief[e->database == EV_DB_SQLITE];
		err = scene_fill(&s, connections.first, connections.count);
		if (!err)
			err = judge_endpoint(&s, v);
		free(s.seen);
		free(s.births);
		free(s.findings);
	}
	if (!err)
		err = judge_libraries(&whole, v);
	for (int sqlite = 0; sqlite < 2; sqlite++)
		add_brief(v, &p->brief[sqlite], sqlite);
	if (v->finding_count)
		qsort(v->findings, v->finding_count, sizeof(*v->findings), worst_first);
	if (v->verdict > VERDICT_BOUNDED)
		v->verdict_reason = NULL;
	return err;
}

static char *copy(struct arena *a, const char *s)
{
	return s ? arena_copy(a, s, strlen(s)) : NULL;
}

static void describe_process(struct arena *a, const struct process_model *p, struct process_view *v)
{
	v->pid = p->pid;
	v->comm = copy(a, p->comm);
	v->cmdline = p->cmdline ? copy(a, p->cmdline) : copy(a, "");
	v->exited = p->exited_ns != 0;
	v->role = p->role;
	v->runtime = copy(a, p->runtime);
	v->container_id = copy(a, p->container_id);
	v->container_name = copy(a, p->container_name);
	v->rss_start = p->rss_start;
	v->rss_end = p->rss_end;
	v->rss_peak = p->rss_peak;
}

static int worst_process_first(const void *a, const void *b)
{
	const struct process_view *x = a, *y = b;

	if (x->verdict != y->verdict)
		return x->verdict > y->verdict ? -1 : 1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

static int by_owner(const void *a, const void *b)
{
	const struct connection *x = *(struct connection *const *)a;
	const struct connection *y = *(struct connection *const *)b;

	if (x->process != y->process)
		return x->process->number < y->process->number ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* Sorts handles by process, resource, site and birth. */
static int by_place(const void *a, const void *b)
{
	const struct handle *x = *(struct handle *const *)a;
	const struct handle *y = *(struct handle *const *)b;

	if (x->process != y->process)
		return x->process->number < y->process->number ? -1 : 1;
	if (x->resource != y->resource)
		return x->resource < y->resource ? -1 : 1;
	if (x->site != y->site)
		return x->site < y->site ? -1 : 1;
	if (x->born_ns != y->born_ns)
		return x->born_ns < y->born_ns ? -1 : 1;
	return (x->address > y->address) - (x->address < y->address);
}

static int by_taker(const void *a, const void *b)
{
	const struct memory_site *x = *(struct memory_site *const *)a;
	const struct memory_site *y = *(struct memory_site *const *)b;

	if (x->process != y->process)
		return x->process->number < y->process->number ? -1 : 1;
	if (x->state.tier != y->state.tier)
		return x->state.tier < y->state.tier ? -1 : 1;
	return (x->state.site > y->state.site) - (x->state.site < y->state.site);
}

/* Returns all values of a table in that order; the caller frees the array.  NULL without memory. */
static void **sorted(const struct table *t, int (*order)(const void *, const void *))
{
	void **all = calloc(t->count + 1, sizeof(*all));
	struct table_slot *slot;
	size_t at = 0, n = 0;

	while (all && (slot = table_next(t, &at)))
		all[n++] = slot->value;
	if (all)
		qsort(all, n, sizeof(*all), order);
	return all;
}

static uint32_t owner_of_connection(const void *value)
{
	return ((const struct connection *)value)->process->number;
}

static uint32_t owner_of_handle(const void *value)
{
	return ((const struct handle *)value)->process->number;
}

static uint32_t owner_of_memory(const void *value)
{
	return ((const struct memory_site *)value)->process->number;
}

static struct part part_of(void **all, size_t n, uint32_t owner, uint32_t (*owner_of)(const void *))
{
	size_t low = 0, high = n, end;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (owner_of(all[mid]) < owner)
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < n && owner_of(all[end]) == owner;)
		end++;
	return (struct part){all + low, end - low};
}

/* The values of the tables, sorted so that those of one process are side by side. */
struct sorts {
	void **connections, **handles, **memory;
};

static void sorts_free(struct sorts *s)
{
	free(s->connections);
	free(s->handles);
	free(s->memory);
}

static bool sorts_fill(struct sorts *s, const struct model *m)
{
	s->connections = sorted(&m->connections, by_owner);
	s->handles = sorted(&m->handles, by_place);
	s->memory = sorted(&m->memory_sites.all, by_taker);
	return s->connections && s->handles && s->memory;
}

/* Places are found anew for each process.  A place keeps one stack that leads to it, and the stack
 * of another process would show callers that this process does not have. */
static int judge_one(const struct model *m, const struct sorts *s, struct arena *a,
		     const struct site_patterns *library, const struct process_model *p,
		     struct process_view *v)
{
	struct places places = {.code = &m->code, .more = library, .arena = a};
	int err = judge_process(
		m, &places, p,
		part_of(s->connections, m->connections.count, p->number, owner_of_connection),
		part_of(s->handles, m->handles.count, p->number, owner_of_handle),
		part_of(s->memory, m->memory_sites.all.count, p->number, owner_of_memory), v);

	places_free(&places);
	return err;
}

int judge_accused(const struct model *m, const struct process_model *const *which, size_t n,
		  bool *accused)
{
	struct sorts sorts = {};
	int err = sorts_fill(&sorts, m) ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && !err; i++) {
		struct arena *a = arena_open();
		struct process_view v = {};

		err = a && !judge_one(m, &sorts, a, NULL, which[i], &v) ? 0 : -ENOMEM;
		accused[i] = v.finding_count > 0;
		arena_close(a);
	}
	sorts_free(&sorts);
	return err;
}

static int judge_each(const struct model *m, const struct sorts *sorts, struct arena *a,
		      const struct site_patterns *library, struct report_view *v)
{
	struct table_slot *slot;
	size_t at = 0;
	int err = 0;

	while (!err && (slot = table_next(&m->processes, &at))) {
		const struct process_model *p = slot->value;
		struct process_view *pv = &v->processes[v->process_count];

		if (!p->exists)
			continue;
		describe_process(a, p, pv);
		err = judge_one(m, sorts, a, library, p, pv);
		if (pv->endpoint_count || pv->finding_count)
			v->process_count++;
		else
			memset(pv, 0, sizeof(*pv));
	}
	return err;
}

static int judge_all(const struct model *m, struct arena *a, const struct site_patterns *library,
		     struct report_view *v)
{
	struct sorts sorts = {};
	int err = -1;

	v->processes = arena_alloc(a, (m->processes.count + 1) * sizeof(*v->processes));
	if (sorts_fill(&sorts, m) && v->processes)
		err = judge_each(m, &sorts, a, library, v);
	sorts_free(&sorts);
	if (v->process_count)
		qsort(v->processes, v->process_count, sizeof(*v->processes), worst_process_first);
	return err;
}

static struct gap_view *gap_add(struct arena *a, struct report_view *v,
				const struct process_model *p)
{
	struct gap_view *g = &v->gaps[v->gap_count++];

	g->pid = p ? p->pid : 0;
	g->comm = p ? copy(a, p->comm) : NULL;
	return g;
}

/* The names of the numbers in signal.h. */
static const char *signal_name(uint32_t number)
{
	static const char *const names[] = {
		[4] = "SIGILL", [5] = "SIGTRAP", [6] = "SIGABRT", [11] = "SIGSEGV"};
	const size_t n = sizeof(names) / sizeof(names[0]);

	return number < n && names[number] ? names[number] : "a signal";
}

static void list_withdrawn(const struct model *m, struct arena *a, struct report_view *v)
{
	const struct ev_withdrawn *w = &m->withdrawn;
	struct gap_view *g;

	if (!w->pid)
		return;
	g = gap_add(a, v, NULL);
	g->pid = w->pid;
	g->comm = copy(a, w->comm);
	g->withdrawn = true;
	g->reason = arena_format(
		a,
		"died of %s at a probe of ours or inside a probed call, %.1f s after "
		"the start: all probes were taken out of all processes at once and "
		"stay out; what libraries hand out is not seen from then on",
		signal_name(w->signal), seconds(w->head.ns - m->begin.head.ns));
}

static void list_told_gaps(const struct model *m, struct arena *a, struct report_view *v)
{
	for (size_t i = 0; i < m->gap_count; i++) {
		const struct gap *g = &m->gaps[i];
		struct gap_view *gap = gap_add(a, v, model_process(m, g->pid, g->start_ns));

		gap->pid = g->pid;
		gap->reason = copy(a, g->text);
	}
}

#define OBSCURE_LEAST 10 /* fewer would not have been judged anyway */

static bool is_told(const struct report_view *v, const struct gap_view *g)
{
	for (const struct gap_view *other = v->gaps; other < g; other++)
		if (other->pid == g->pid && other->reason && !strcmp(other->reason, g->reason))
			return true;
	return false;
}

/* Lists sites where too many objects are freed by calls that no probe sees. */
static void list_obscure_sites(const struct model *m, struct arena *a, struct report_view *v)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&m->processes, &at))) {
		const struct process_model *p = slot->value;

		for (const struct site_model *site = p->sites; site; site = site->next) {
			const struct ev_site *state = &site->state;
			struct gap_view *g;

			if (state->acquired - state->released < OBSCURE_LEAST ||
			    !site_is_obscure(site))
				continue;
			g = gap_add(a, v, p);
			g->reason = arena_format(a,
						 "some %s are freed by means we do not see: how "
						 "many are kept is not known",
						 *state->object ? state->object : "objects");
			if (!g->reason || is_told(v, g))
				v->gap_count--;
		}
	}
}

/* Names what the probes of a library count, in words for the report. */
static const char *counted_of(uint32_t library)
{
	switch (library) {
	case EV_LIBRARY_LIBPQ:
		return "results";
	case EV_LIBRARY_MYSQL:
		return "results and statements";
	case EV_LIBRARY_SQLITE:
		return "connections and statements";
	default:
		return "calls";
	}
}

/* Says how many places and stacks were beyond what the model keeps. */
static void list_refused(const struct model *m, struct arena *a, struct report_view *v)
{
	struct gap_view *g;

	if (!m->code.refused)
		return;
	g = gap_add(a, v, NULL);
	g->subject = "source lines";
	g->reason = arena_format(a,
				 "source lines: %llu places and stacks were too many to keep, so "
				 "some findings may lack theirs",
				 (unsigned long long)m->code.refused);
}

/* Says how many SQL texts and gaps were beyond what the model keeps. */
static void list_left_out(const struct model *m, struct arena *a, struct report_view *v)
{
	struct gap_view *g;

	if (m->texts_refused) {
		g = gap_add(a, v, NULL);
		g->subject = "SQL texts";
		g->reason = arena_format(a,
					 "SQL texts: %llu were too many to keep, so some findings "
					 "may lack theirs",
					 (unsigned long long)m->texts_refused);
	}
	if (m->gaps_refused) {
		g = gap_add(a, v, NULL);
		g->subject = "gaps";
		g->reason = arena_format(a, "gaps: %llu more were told than are listed here",
					 (unsigned long long)m->gaps_refused);
	}
}

/* Says how many processes with findings were dropped because there were too many to keep. */
static void list_forgotten(const struct model *m, struct arena *a, struct report_view *v)
{
	struct gap_view *g;

	if (!m->forgotten.accused)
		return;
	g = gap_add(a, v, NULL);
	g->subject = "processes that ended";
	g->reason = arena_format(a,
				 "processes that ended: %llu had findings, which were too many to "
				 "keep",
				 (unsigned long long)m->forgotten.accused);
}

static void list_detached(const struct model *m, struct arena *a, struct report_view *v)
{
	for (const struct library_model *l = m->first_library; l; l = l->next) {
		const char *slash = strrchr(l->state.path, '/');
		const char *name = slash ? slash + 1 : l->state.path;
		struct gap_view *g;

		if (!l->detached_ns)
			continue;
		g = gap_add(a, v, NULL);
		g->subject = arena_format(a, "%s of %.*s", counted_of(l->state.library),
					  (int)strcspn(name, "."), name);
		g->reason = arena_format(a,
					 "%s: not counted after %.0f s, to stay within the "
					 "budget",
					 g->subject ? g->subject : "",
					 seconds(l->detached_ns - m->begin.head.ns));
	}
}

static int list_gaps(const struct model *m, struct arena *a, struct report_view *v)
{
	v->gaps = arena_alloc(a, (m->gap_count + m->sites.count + m->libraries.count + 6) *
					 sizeof(*v->gaps));
	if (!v->gaps)
		return -1;
	list_withdrawn(m, a, v);
	list_told_gaps(m, a, v);
	list_obscure_sites(m, a, v);
	list_detached(m, a, v);
	list_refused(m, a, v);
	list_left_out(m, a, v);
	list_forgotten(m, a, v);
	return 0;
}

static int list_libraries(const struct model *m, struct arena *a, struct report_view *v)
{
	v->libraries = arena_alloc(a, (m->libraries.count + 1) * sizeof(*v->libraries));
	if (!v->libraries)
		return -1;
	for (const struct library_model *l = m->first_library; l; l = l->next) {
		const struct ev_library *state = &l->state;

		v->libraries[v->library_count++] = (struct library_view){
			.path = copy(a, state->path),
			.build_id = *state->build_id ? copy(a, state->build_id) : NULL,
			.probes = state->probes,
			.cheap = state->cheap,
			.hits = state->hits,
			.attach_seconds = state->attached_ns >= state->seen_ns && state->attached_ns
						  ? seconds(state->attached_ns - state->seen_ns)
						  : -1,
			.detached = l->detached_ns != 0,
		};
	}
	return 0;
}

static void account(const struct model *m, struct arena *a, struct report_view *v)
{
	uint64_t window = m->now_ns - m->begin.head.ns;

	v->mode = m->begin.mode;
	v->start_realtime_ns = m->begin.realtime_ns;
	v->seconds = seconds(window);
	v->kernel = copy(a, m->begin.kernel);
	v->arch = copy(a, m->begin.arch);
	v->cut = !m->ended;
	memcpy(v->losses, m->loss.count, sizeof(v->losses));
	/* A snapshot has no duration worth dividing by. */
	v->cpu_percent = -1;
	if (window && m->begin.mode != EV_MODE_SNAPSHOT)
		v->cpu_percent = 100.0 * (m->cost.cpu_ns + m->cost.bpf_ns) / window;
	v->events = m->cost.events;
	v->rss_bytes = m->cost.rss_bytes;
	v->kernel_bytes = m->cost.kernel_bytes;
	v->stepped_down = m->cost.stepped_down;
	v->forgotten_processes = m->forgotten.processes;
	v->forgotten_connections = m->forgotten.connections;
}

struct report_view *judge_view(const struct model *m, const struct site_patterns *library)
{
	struct arena *a = arena_open();
	struct view_owner *owner = a ? arena_alloc(a, sizeof(*owner)) : NULL;

	if (!owner) {
		arena_close(a);
		return NULL;
	}
	owner->arena = a;
	account(m, a, &owner->view);
	if (judge_all(m, a, library, &owner->view) || list_gaps(m, a, &owner->view) ||
	    list_libraries(m, a, &owner->view)) {
		arena_close(a);
		return NULL;
	}
	return &owner->view;
}
