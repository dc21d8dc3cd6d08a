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

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/judge/advice.h"
#include "user/judge/aspects.h"
#include "user/judge/describe.h"
#include "user/judge/fingerprint.h"
#include "user/judge/gaps.h"
#include "user/judge/line.h"
#include "user/judge/memory_view.h"
#include "user/judge/now.h"
#include "user/judge/rules.h"
#include "user/judge/site.h"
#include "user/judge/test_name.h"
#include "user/judge/view_owner.h"
#include "user/judge/words.h"

#define AHEAD_MOST 3e9 /* seconds: what lies further ahead has no date */

/* The reason why no rule is asked; NULL: all are. */
static const char *why_not_judged(const struct rule_input *s)
{
	if (s->model->begin.mode == EV_MODE_SNAPSHOT)
		return "a snapshot is one look, and one look cannot prove a leak";
	return s->process->role == EV_ROLE_CLIENT
		       ? NULL
		       : "a pooler or a server holds connections because that is its job";
}

static bool judged(const struct rule_input *s)
{
	return !why_not_judged(s);
}

/* Did the number of connections grow in the window and then stay flat for as long? */
static const char *bounded_reason(const struct rule_input *s)
{
	uint64_t first, last;

	if (s->birth_count < 2 || s->endpoint->open < 2)
		return NULL;
	first = s->births[0].ns;
	last = s->births[s->birth_count - 1].ns;
	if (s->now_ns - last < last - first || s->now_ns - last < SECOND_NS)
		return NULL;
	return arena_format(s->arena, "grew to %s connections, then stable for %.0f s",
			    count_words(s->arena, s->endpoint->peak), seconds(s->now_ns - last));
}

static const char *unknown_reason(const struct rule_input *s)
{
	size_t opaque = 0, silent = 0, open = 0;
	uint32_t flags = 0;

	for (size_t i = 0; i < s->count; i++) {
		if (!s->conn_history[i].open)
			continue;
		open++;
		flags |= life_unreadable(s->conn_history[i].life);
		opaque += life_unreadable(s->conn_history[i].life) != 0;
		/* A connection whose opening was seen will show its status; it may be in its
		 * handshake now. */
		silent += s->conn_history[i].life->status == EV_STATUS_UNKNOWN &&
			  (s->conn_history[i].life->flags & EV_CONN_PRE_EXISTING ||
			   s->endpoint->database == EV_DB_UNKNOWN);
	}
	/* A few unreadable connections hide nothing of what the others show. */
	if (!open || (2 * opaque < open && silent < open))
		return NULL;
	if (flags & EV_CONN_TLS)
		return "encrypted (TLS): connections are counted, transactions and statements are "
		       "not visible";
	if (flags & EV_CONN_COMPRESSED)
		return "compressed: connections are counted, transactions and statements are not "
		       "visible";
	if (flags & EV_CONN_HIDDEN_IO)
		return "io_uring or 32-bit program: connections are counted, their traffic is not "
		       "visible";
	if (s->endpoint->database == EV_DB_UNKNOWN)
		return "a database port, but the traffic is neither PostgreSQL nor MySQL";
	return "idle since before dbleak started: cannot tell whether a transaction is open";
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

/* Connections whose sockets are closed already take none, nor do statements of a library alone. */
static bool takes_server(const struct finding_view *f)
{
	return !f->object &&
	       (f->resource == RESOURCE_STATEMENT ||
		(f->cause == CAUSE_UNCLOSED_CONNECTION && f->resource == RESOURCE_CONNECTION));
}

/* e: what they are about; NULL: the process as a whole. */
static int keep_findings(struct rule_input *s, struct process_view *v,
			 const struct endpoint_view *e)
{
	const char *endpoint = e ? endpoint_text(s->arena, e) : NULL;

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
		f->server = e && takes_server(f) ? e->address : NULL;
		if (!f->site)
			f->to_get_line = line_to_get(f, advice_language(s, f));
		if (f->sql)
			f->sql = arena_copy(s->arena, f->sql, strlen(f->sql));
		if (f->verdict > v->verdict)
			v->verdict = f->verdict;
	}
	v->findings = all;
	v->finding_count += s->finding_count;
	return 0;
}

static int judge_endpoint(struct rule_input *s, struct process_view *v)
{
	struct endpoint_view *e = &v->endpoints[v->endpoint_count++];
	const char *reason;

	endpoint_describe(s, e);
	if (judged(s) && rules_run(rules_of_endpoint, s))
		return -1;
	if (s->finding_count)
		return keep_findings(s, v, e);
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
static int judge_libraries(struct rule_input *s, struct process_view *v)
{
	int err = memory_describe(s);

	if (!err && judged(s))
		err = rules_run(rules_of_process, s);
	if (!err && s->finding_count)
		err = keep_findings(s, v, NULL);
	free(s->findings);
	return err;
}

/* The part of a sorted table that belongs to one process. */
struct judge_part {
	void *first;
	size_t count;
};

/* Puts the findings into their order, and tells what each is part of and what to do about it. */
static void arrange_findings(struct arena *a, struct process_view *v)
{
	if (v->finding_count)
		qsort(v->findings, v->finding_count, sizeof(*v->findings), worst_first);
	aspects_find(v);
	for (size_t i = 0; i < v->finding_count; i++) {
		v->findings[i].now = now_for(a, v, &v->findings[i]);
		fingerprint_set(v, &v->findings[i]);
		v->findings[i].test = test_name(a, v->findings[i].stack,
						v->findings[i].stack_count);
	}
}

static int judge_process(const struct model *m, struct places *places,
			 const struct process_model *p, struct judge_part connections,
			 struct judge_part handles, struct judge_part memory,
			 struct process_view *v)
{
	struct arena *a = places->arena;
	struct rule_input whole = {.model = m,
				   .places = places,
				   .process = p,
				   .short_lived = &p->short_lived[0],
				   .arena = a,
				   .view = v,
				   .explanation = v->explanation,
				   .handles = handles.first,
				   .handle_count = handles.count,
				   .memory_sites = memory.first,
				   .memory_site_count = memory.count,
				   .now_ns = p->exited_ns ? p->exited_ns : m->now_ns,
				   .start_ns = m->begin.head.ns};
	size_t n = 0;
	int err = 0;

	if (v->explanation)
		v->explanation->not_judged = why_not_judged(&whole);
	for (const struct endpoint *e = p->endpoints; e; e = e->next)
		n += !endpoint_is_empty(e);
	v->endpoints = arena_alloc(a, (n + 1) * sizeof(*v->endpoints));
	if (!v->endpoints)
		return -1;
	for (const struct endpoint *e = p->endpoints; e && !err; e = e->next) {
		struct rule_input s = whole;

		if (endpoint_is_empty(e))
			continue;
		s.endpoint = e;
		s.short_lived = &p->short_lived[e->database == EV_DB_SQLITE];
		err = rule_input_fill(&s, connections.first, connections.count);
		if (!err)
			err = judge_endpoint(&s, v);
		free(s.conn_history);
		free(s.births);
		free(s.findings);
	}
	if (!err)
		err = judge_libraries(&whole, v);
	for (int sqlite = 0; sqlite < 2; sqlite++)
		endpoint_add_short_lived(v, &p->short_lived[sqlite], sqlite);
	arrange_findings(a, v);
	if (v->verdict > VERDICT_BOUNDED)
		v->verdict_reason = NULL;
	return err;
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

static struct judge_part judge_part_of(void **all, size_t n, uint32_t owner,
				       uint32_t (*owner_of)(const void *))
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
	return (struct judge_part){all + low, end - low};
}

/* The values of the tables, sorted so that those of one process are side by side; and the classes
 * of frames, which processes of one program have in common. */
struct sorts {
	void **connections, **handles, **memory;
	struct table classes;
};

static void sorts_free(struct sorts *s)
{
	free(s->connections);
	free(s->handles);
	free(s->memory);
	table_free(&s->classes);
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
static int judge_one(const struct model *m, struct sorts *s, struct arena *a,
		     const struct site_patterns *library, const struct process_model *p,
		     struct process_view *v)
{
	struct places places = {
		.code = &m->code, .more = library, .arena = a, .shared = &s->classes};
	int err = judge_process(
		m, &places, p,
		judge_part_of(s->connections, m->connections.count, p->number, owner_of_connection),
		judge_part_of(s->handles, m->handles.count, p->number, owner_of_handle),
		judge_part_of(s->memory, m->memory_sites.all.count, p->number, owner_of_memory), v);

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

/* Had it a database, even if no connection lived until a look at them? */
static bool was_brief(const struct process_model *p)
{
	return p->short_lived[0].opened || p->short_lived[1].opened;
}

/* explained: the pid of the processes to explain; 0: none. */
static int judge_each(const struct model *m, struct sorts *sorts, struct arena *a,
		      const struct site_patterns *library, uint32_t explained,
		      struct report_view *v)
{
	struct table_slot *slot;
	size_t at = 0;
	int err = 0;

	while (!err && (slot = table_next(&m->processes, &at))) {
		const struct process_model *p = slot->value;
		struct process_view *pv = &v->processes[v->process_count];

		if (!p->exists)
			continue;
		process_describe(a, p, m->now_ns, pv);
		pv->start_realtime_ns = process_realtime(m, p);
		if (explained && p->pid == explained)
			pv->explanation = arena_alloc(a, sizeof(*pv->explanation));
		err = judge_one(m, sorts, a, library, p, pv);
		if (pv->endpoint_count || pv->finding_count || pv->explanation || was_brief(p))
			v->process_count++;
		else
			memset(pv, 0, sizeof(*pv));
	}
	return err;
}

static int judge_all(const struct model *m, struct arena *a, const struct site_patterns *library,
		     uint32_t explained, struct report_view *v)
{
	struct sorts sorts = {};
	int err = -1;

	v->processes = arena_alloc(a, (m->processes.count + 1) * sizeof(*v->processes));
	if (sorts_fill(&sorts, m) && v->processes)
		err = judge_each(m, &sorts, a, library, explained, v);
	sorts_free(&sorts);
	if (v->processes && v->process_count)
		qsort(v->processes, v->process_count, sizeof(*v->processes), worst_process_first);
	return err;
}

static int list_libraries(const struct model *m, struct arena *a, struct report_view *v)
{
	v->libraries = arena_alloc(a, (m->libraries.count + 1) * sizeof(*v->libraries));
	if (!v->libraries)
		return -1;
	for (const struct library_model *l = m->first_library; l; l = l->next) {
		const struct ev_library *state = &l->state;

		v->libraries[v->library_count++] = (struct library_view){
			.path = arena_string(a, state->path),
			.build_id = *state->build_id ? arena_string(a, state->build_id) : NULL,
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

static void describe_host(const struct model *m, struct arena *a, struct report_view *v)
{
	const struct ev_host *host = &m->host;
	bool known = host->head.kind == EV_HOST;

	v->host_name = known ? arena_string(a, host->name) : NULL;
	v->version = known ? arena_string(a, host->version) : NULL;
	v->selection = known ? arena_string(a, host->selection) : NULL;
	v->budget_percent = known && host->budget != UNKNOWN32 ? host->budget / 1000.0 : -1;
}

static void account(const struct model *m, struct arena *a, struct report_view *v)
{
	uint64_t window = m->now_ns - m->begin.head.ns;

	v->mode = m->begin.mode;
	v->start_realtime_ns = m->begin.realtime_ns;
	v->seconds = seconds(window);
	v->kernel = arena_string(a, m->begin.kernel);
	v->arch = arena_string(a, m->begin.arch);
	v->cut = !m->ended;
	describe_host(m, a, v);
	memcpy(v->losses, m->loss.count, sizeof(v->losses));
	/* A snapshot has no duration worth dividing by; a view may begin before the first cost. */
	v->cpu_percent = -1;
	if (m->cost.head.ns && window && m->begin.mode != EV_MODE_SNAPSHOT)
		v->cpu_percent = 100.0 * (m->cost.cpu_ns + m->cost.bpf_ns) / window;
	v->events = m->cost.events;
	v->rss_bytes = m->cost.rss_bytes;
	v->kernel_bytes = m->cost.kernel_bytes;
	v->stepped_down = m->cost.stepped_down;
	v->forgotten_processes = m->forgotten.processes;
	v->forgotten_connections = m->forgotten.connections;
}

/* Limits that lie ahead, on the clock of the host. */
static void date_limits(struct report_view *v)
{
	if (!v->start_realtime_ns)
		return;
	for (size_t i = 0; i < v->process_count; i++)
		for (size_t k = 0; k < v->processes[i].finding_count; k++) {
			struct finding_view *f = &v->processes[i].findings[k];

			if (f->exhausts_limit && f->exhausts_seconds >= 0 &&
			    f->exhausts_seconds < AHEAD_MOST)
				f->exhausts_realtime_ns =
					v->start_realtime_ns +
					(uint64_t)((v->seconds + f->exhausts_seconds) * 1e9);
		}
}

struct report_view *judge_explain(const struct model *m, const struct site_patterns *library,
				  uint32_t pid)
{
	struct arena *a = arena_open();
	struct view_owner *owner = a ? arena_alloc(a, sizeof(*owner)) : NULL;

	if (!owner) {
		arena_close(a);
		return NULL;
	}
	owner->arena = a;
	account(m, a, &owner->view);
	if (judge_all(m, a, library, pid, &owner->view) || list_gaps(m, a, &owner->view) ||
	    list_libraries(m, a, &owner->view)) {
		arena_close(a);
		return NULL;
	}
	date_limits(&owner->view);
	owner->view.exit_status = view_exit_status(&owner->view);
	return &owner->view;
}

struct report_view *judge_view(const struct model *m, const struct site_patterns *library)
{
	return judge_explain(m, library, 0);
}
