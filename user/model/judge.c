/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * judge.c - from the model to verdicts.
 *
 * What is a leak?  Something acquired that its process will not use again and does not release,
 * and of which there come more.  The first half is seen in order of events, never in age alone: a
 * newer one was acquired although the older lay idle.  The second half separates a leak from a
 * pool, a cache or a high-water mark, which grow and then stop.  What is held but does not grow is
 * `stuck` once it exceeds the process's own normal; what grew and stopped is `bounded`.  One look
 * never accuses, time under a request never counts, and where we could not see we say so instead
 * of guessing.  Each rule_*.c states its own proof.
 */
#include "judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include "rules.h"
#include "view_owner.h"

#define UNREADABLE (EV_CONN_TLS | EV_CONN_COMPRESSED | EV_CONN_HIDDEN_IO)

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
				   .database = s->endpoint->database,
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

		unsure += !!(s->seen[i].life->flags & (UNREADABLE | EV_CONN_PIPELINED));
		guessed += open && !(open->signs & (EV_SIGN_HANDSHAKE | EV_SIGN_REQUEST |
						    EV_SIGN_REPLY | EV_SIGN_SERVER |
						    EV_SIGN_LIBRARY));
	}
	if (2 * guessed > s->count)
		return CONFIDENCE_POSSIBLE;
	if (c == CONFIDENCE_CERTAIN &&
	    (lost[EV_LOSS_RING_FULL] || lost[EV_LOSS_MAP_FULL] || 2 * unsure > s->count))
		return CONFIDENCE_LIKELY;
	return c;
}

static char *address_text(struct arena *a, const struct endpoint *e)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char text[INET6_ADDRSTRLEN] = "?";

	if (e->path)
		return arena_copy(a, e->path, strlen(e->path));
	if (!e->family)
		return arena_copy(a, "?", 1);
	if (!memcmp(e->address, mapped, sizeof(mapped))) {
		inet_ntop(2, e->address + 12, text, sizeof(text));
		return arena_format(a, "%s:%u", text, e->port);
	}
	inet_ntop(10, e->address, text, sizeof(text));
	return arena_format(a, "[%s]:%u", text, e->port);
}

static const char *endpoint_text(struct arena *a, const struct endpoint_view *v)
{
	return arena_format(a, "%s%s%s%s%s", v->address, v->name ? "/" : "",
			    v->name ? v->name : "", v->user ? " as " : "", v->user ? v->user : "");
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

/* What a process closes in its last second, opening nothing any more, is its shutdown: it was held
 * for the whole run, whoever said goodbye. */
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

/* Gathers the lives at one endpoint.  0 or -1 without memory. */
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
	v->guessed = e->open > 0;
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
		/* One whose opening was seen will say; it may be at its handshake just now. */
		silent += s->seen[i].life->status == EV_STATUS_UNKNOWN &&
			  (s->seen[i].life->flags & EV_CONN_PRE_EXISTING ||
			   s->endpoint->database == EV_DB_UNKNOWN);
	}
	/* Nothing was heard of any: idle or in a transaction, who knows. */
	if (silent && silent == e->open)
		v->connections.idle = v->connections.in_transaction = UNKNOWN64;
}

/* Brief connections are known by process only: they go to its first endpoint. */
static void add_brief(struct endpoint_view *v, const struct ev_tally *t)
{
	v->connections.opened += t->opened;
	v->connections.closed += t->opened;
	v->transactions.begun += t->begun;
	v->transactions.committed += t->committed;
	v->transactions.rolled_back += t->rolled_back;
	v->transactions.abandoned += t->abandoned;
	v->statements.prepared += t->prepared;
	v->statements.closed += t->unprepared;
}

static bool endpoint_is_empty(const struct endpoint *e)
{
	return !e->open && !e->opened && !e->closed && !e->pre_existing;
}

static bool judged(const struct scene *s)
{
	/* One look never accuses; what a pooler or a server holds is its job. */
	return s->model->begin.mode != EV_MODE_SNAPSHOT && s->process->role == EV_ROLE_CLIENT;
}

/* Did its connections grow in the window and then stay flat for as long? */
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
		flags |= s->seen[i].life->flags;
		opaque += !!(s->seen[i].life->flags & UNREADABLE);
		/* One whose opening was seen will say; it may be at its handshake just now. */
		silent += s->seen[i].life->status == EV_STATUS_UNKNOWN &&
			  (s->seen[i].life->flags & EV_CONN_PRE_EXISTING ||
			   s->endpoint->database == EV_DB_UNKNOWN);
	}
	if (!open || (opaque == 0 && silent < open))
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
	return (x->open < y->open) - (x->open > y->open);
}

static int keep_findings(struct scene *s, struct process_view *v, const char *endpoint)
{
	struct finding_view *all =
		arena_alloc(s->arena, (v->finding_count + s->finding_count + 1) * sizeof(*all));

	if (!all)
		return -1;
	if (v->finding_count)
		memcpy(all, v->findings, v->finding_count * sizeof(*all));
	for (size_t i = 0; i < s->finding_count; i++) {
		struct finding_view *f = &all[v->finding_count + i];

		*f = s->findings[i];
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
	static int (*const rules[])(struct scene *) = {rule_connections, rule_hung_up,
						       rule_transactions, rule_statements,
						       rule_results};
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

static int judge_process(const struct model *m, struct arena *a, const struct process_model *p,
			 struct connection **open, size_t open_count, struct process_view *v)
{
	size_t n = 0;
	int err = 0;

	for (const struct endpoint *e = p->endpoints; e; e = e->next)
		n += !endpoint_is_empty(e);
	v->endpoints = arena_alloc(a, (n + 1) * sizeof(*v->endpoints));
	if (!v->endpoints)
		return -1;
	for (const struct endpoint *e = p->endpoints; e && !err; e = e->next) {
		struct scene s = {.model = m, .process = p, .endpoint = e, .arena = a};

		if (endpoint_is_empty(e))
			continue;
		s.now_ns = p->exited_ns ? p->exited_ns : m->now_ns;
		s.start_ns = m->begin.head.ns;
		err = scene_fill(&s, open, open_count);
		if (!err)
			err = judge_endpoint(&s, v);
		free(s.seen);
		free(s.births);
		free(s.findings);
	}
	if (p->brief.opened && v->endpoint_count)
		add_brief(&v->endpoints[0], &p->brief);
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

static void describe_process(struct arena *a, const struct process_model *p,
			     struct process_view *v)
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
		return (uintptr_t)x->process < (uintptr_t)y->process ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* Open connections, those of one process side by side. */
static struct connection **open_connections(const struct model *m)
{
	struct connection **all = calloc(m->connections.count + 1, sizeof(*all));
	struct table_slot *slot;
	size_t at = 0, n = 0;

	while (all && (slot = table_next(&m->connections, &at)))
		all[n++] = slot->value;
	if (all)
		qsort(all, n, sizeof(*all), by_owner);
	return all;
}

static size_t first_of(struct connection **all, size_t n, const struct process_model *p)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if ((uintptr_t)all[mid]->process < (uintptr_t)p)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int judge_all(const struct model *m, struct arena *a, struct report_view *v)
{
	struct connection **all = open_connections(m);
	struct table_slot *slot;
	size_t at = 0;
	int err = all ? 0 : -1;

	v->processes = arena_alloc(a, (m->processes.count + 1) * sizeof(*v->processes));
	if (!v->processes)
		err = -1;
	while (!err && (slot = table_next(&m->processes, &at))) {
		const struct process_model *p = slot->value;
		struct process_view *pv = &v->processes[v->process_count];
		size_t first = first_of(all, m->connections.count, p), n = 0;

		while (first + n < m->connections.count && all[first + n]->process == p)
			n++;
		if (!p->exists)
			continue;
		describe_process(a, p, pv);
		err = judge_process(m, a, p, all + first, n, pv);
		v->process_count += pv->endpoint_count > 0;
		if (!pv->endpoint_count)
			memset(pv, 0, sizeof(*pv));
	}
	free(all);
	if (v->process_count)
		qsort(v->processes, v->process_count, sizeof(*v->processes), worst_process_first);
	return err;
}

static int list_gaps(const struct model *m, struct arena *a, struct report_view *v)
{
	v->gaps = arena_alloc(a, (m->gap_count + 1) * sizeof(*v->gaps));
	if (!v->gaps)
		return -1;
	for (size_t i = 0; i < m->gap_count; i++) {
		const struct gap *g = &m->gaps[i];
		const struct process_model *p =
			table_get(&m->processes, (struct table_key){g->pid, g->start_ns});

		v->gaps[i].pid = g->pid;
		v->gaps[i].comm = p ? copy(a, p->comm) : NULL;
		v->gaps[i].reason = copy(a, g->text);
	}
	v->gap_count = m->gap_count;
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
	/* One look has no duration worth dividing by. */
	v->cpu_percent = -1;
	if (window && m->begin.mode != EV_MODE_SNAPSHOT)
		v->cpu_percent = 100.0 * (m->cost.cpu_ns + m->cost.bpf_ns) / window;
	v->events = m->cost.events;
	v->rss_bytes = m->cost.rss_bytes;
	v->kernel_bytes = m->cost.kernel_bytes;
	v->stepped_down = m->cost.stepped_down;
}

struct report_view *judge_view(const struct model *m)
{
	struct arena *a = arena_open();
	struct view_owner *owner = a ? arena_alloc(a, sizeof(*owner)) : NULL;

	if (!owner) {
		arena_close(a);
		return NULL;
	}
	owner->arena = a;
	account(m, a, &owner->view);
	if (judge_all(m, a, &owner->view) || list_gaps(m, a, &owner->view)) {
		arena_close(a);
		return NULL;
	}
	return &owner->view;
}
