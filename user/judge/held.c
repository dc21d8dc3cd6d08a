/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * held.c - see held.h.
 */
#include "user/judge/held.h"

#include <stdlib.h>
#include <string.h>

#include "user/judge/describe.h"
#include "user/judge/origin.h"
#include "user/judge/taking.h"
#include "user/judge/test_name.h"

#define FRAMES_COPIED_MOST (1 << 20) /* of all stacks together: some 70 MB */
#define JUST_USED_NS	   10000000ULL

/* A stack of the model, as reports have it; shared by all that was taken under it. */
struct held_stack {
	struct frame_view *frames;
	const struct frame_view *site;
	const char *test;
	size_t count;
};

struct gathering {
	const struct model *model;
	const struct report_view *view;
	struct arena *arena;
	struct places places;
	struct table processes; /* struct process_view by pid and start */
	struct table stacks;	/* struct held_stack by stack, and whether a site is looked for */
	struct table groups;	/* struct held_view by process and stack */
	size_t copied;		/* frames */
	bool failed;		/* no memory */
};

/* The process whose holdings are gathered. */
struct holding {
	struct gathering *g;
	const struct process_model *process;
	const struct process_view *view;
	struct connection **open; /* its connections */
	size_t open_count;
};

static void frame_show(const struct code_frame *f, struct frame_view *v)
{
	*v = (struct frame_view){.language = f->language,
				 .function = f->function,
				 .file = f->file,
				 .module = f->module,
				 .build_id = f->build_id,
				 .offset = f->offset,
				 .line = f->line,
				 .column = f->column,
				 .flags = f->flags};
}

/* With too many frames in all, only the owner's line is kept. */
static void copy_frames(struct gathering *g, const struct code_stack *s,
			const struct code_frame *site, struct held_stack *out)
{
	bool whole = g->copied + s->count <= FRAMES_COPIED_MOST;
	size_t n = whole ? s->count : site != NULL;

	out->frames = n ? arena_alloc(g->arena, n * sizeof(*out->frames)) : NULL;
	if (n && !out->frames)
		g->failed = true;
	if (!out->frames)
		return;
	out->count = n;
	g->copied += n;
	for (size_t i = 0; i < n; i++) {
		const struct code_frame *f = whole ? code_frame(&g->model->code, s->frame[i])
						   : site;

		if (f)
			frame_show(f, &out->frames[i]);
		if (f && f == site && !out->site)
			out->site = &out->frames[i];
	}
	out->test = test_name(g->arena, out->frames, n);
}

/* placed: the stack leads to a line that answers for what was taken. */
static const struct held_stack *stack_show(struct gathering *g, uint64_t id, bool placed)
{
	struct table_key key = {id, placed};
	struct held_stack *s = table_get(&g->stacks, key);
	const struct code_stack *stack = s ? NULL : code_stack(&g->model->code, id);

	if (s)
		return s;
	s = arena_alloc(g->arena, sizeof(*s));
	if (!s || table_put(&g->stacks, key, s)) {
		g->failed = true;
		return NULL;
	}
	if (stack)
		copy_frames(g, stack, placed ? places_frame(&g->places, stack) : NULL, s);
	return s;
}

static struct table_key group_key(const struct holding *h, uint64_t stack)
{
	return (struct table_key){stack, h->process->number};
}

static struct held_view *group_of(const struct holding *h, uint64_t stack, bool placed,
				  const char *endpoint)
{
	struct gathering *g = h->g;
	struct held_view *v = table_get(&g->groups, group_key(h, stack));
	const struct held_stack *s = v ? NULL : stack_show(g, stack, placed);

	if (v)
		return v;
	v = s ? arena_alloc(g->arena, sizeof(*v)) : NULL;
	if (!v || table_put(&g->groups, group_key(h, stack), v)) {
		g->failed = true;
		return NULL;
	}
	v->process = h->view;
	v->endpoint = endpoint;
	v->site = s->site;
	v->stack = s->frames;
	v->stack_count = s->count;
	v->test = s->test;
	return v;
}

static void held_add(const struct holding *h, enum held_kind kind, uint64_t stack,
		     const char *endpoint, uint64_t n)
{
	struct held_view *v = n ? group_of(h, stack, true, endpoint) : NULL;

	if (!v)
		return;
	v->count[kind] += n;
	if (!v->endpoint || !endpoint || strcmp(v->endpoint, endpoint) != 0)
		v->endpoint = NULL;
}

/* A program that closes a connection right after its last query may well close each one so: that
 * one counts only where others that were taken at its place are held. */
static bool is_just_used(const struct conn_history *x)
{
	return x->farewell && x->end_ns < x->life->used_ns + JUST_USED_NS;
}

static bool is_held(const struct conn_history *x)
{
	return (!x->life->closed_ns || x->exit) &&
	       !(x->life->flags & (EV_CONN_CANCEL | EV_CONN_REFUSED));
}

static void add_connection(const struct holding *h, const struct rule_input *s,
			   const struct conn_history *x, const char *endpoint)
{
	uint64_t stack = origin_of_life(s, x->life).stack;
	struct held_view *same = table_get(&h->g->groups, group_key(h, stack));

	if (is_just_used(x) && !(same && same->count[HELD_CONNECTIONS]))
		return;
	held_add(h, HELD_CONNECTIONS, stack, endpoint, 1);
	if (x->life->status >= EV_STATUS_TRANSACTION)
		held_add(h, HELD_TRANSACTIONS, stack, endpoint, 1);
}

/* The statements of a closed connection were held if the end of its process closed it, or if they
 * are what a finding is about. */
static bool held_to_exit(const struct holding *h, const struct rule_input *s)
{
	for (size_t i = 0; i < h->view->finding_count; i++)
		if (h->view->findings[i].cause == CAUSE_UNCLOSED_STATEMENT)
			return true;
	for (size_t i = 0; i < s->count; i++)
		if (s->conn_history[i].exit &&
		    s->conn_history[i].life->closed_ns == s->endpoint->leakiest_ns)
			return true;
	return false;
}

/* add false: only counts them. */
static uint64_t add_statements(const struct holding *h, const struct statement_model *st,
			       const char *endpoint, bool add)
{
	uint64_t n = 0;

	for (; st; st = st->next, n++)
		if (add)
			held_add(h, HELD_STATEMENTS, st->stack, endpoint, 1);
	return n;
}

static uint64_t statements_on_wire(const struct holding *h, const struct rule_input *s,
				   const char *endpoint, bool add)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->count; i++)
		if (s->conn_history[i].open)
			n += add_statements(h, s->conn_history[i].open->statements, endpoint, add);
	if (held_to_exit(h, s))
		n += add_statements(h, s->endpoint->leakiest_statements, endpoint, add);
	return n;
}

/* What client libraries handed out as statements, and have not got back.  Counted where they were
 * taken; add false: only counted. */
static uint64_t statements_of_libraries(const struct holding *h, enum ev_database database,
					bool add)
{
	uint64_t n = 0;

	for (const struct site_model *s = h->process->sites; s; s = s->next) {
		uint64_t open = s->state.acquired - s->state.released;

		if (s->state.resource != EV_RES_STATEMENT || s->state.database != database ||
		    site_is_obscure(s))
			continue;
		n += open;
		if (add)
			held_add(h, HELD_STATEMENTS, s->stack, NULL, open);
	}
	return n;
}

/* A statement is seen on the wire, in a library, or in both: the wire knows more of each, unless
 * it hides most of them. */
static bool wire_shows(const struct holding *h, const struct rule_input *s, const char *endpoint)
{
	uint64_t seen = statements_on_wire(h, s, endpoint, false);

	return seen && (s->endpoint->database == EV_DB_SQLITE ||
			2 * seen >= statements_of_libraries(h, s->endpoint->database, false));
}

#define DATABASES 8

static void gather_endpoint(const struct holding *h, const struct endpoint *e,
			    bool shown[DATABASES])
{
	struct endpoint_view named = {};
	struct rule_input s = {.model = h->g->model,
			       .process = h->process,
			       .endpoint = e,
			       .arena = h->g->arena,
			       .places = &h->g->places,
			       .now_ns = h->process->exited_ns ? h->process->exited_ns
							       : h->g->model->now_ns,
			       .start_ns = h->g->model->begin.head.ns};
	const char *endpoint;

	if (rule_input_fill(&s, h->open, h->open_count)) {
		h->g->failed = true;
	} else {
		endpoint_describe(&s, &named);
		endpoint = endpoint_text(h->g->arena, &named);
		for (int just_used = 0; just_used < 2; just_used++)
			for (size_t i = 0; i < s.count; i++)
				if (is_held(&s.conn_history[i]) &&
				    is_just_used(&s.conn_history[i]) == just_used)
					add_connection(h, &s, &s.conn_history[i], endpoint);
		if (e->database < DATABASES && wire_shows(h, &s, endpoint)) {
			shown[e->database] = true;
			statements_on_wire(h, &s, endpoint, true);
		}
	}
	free(s.conn_history);
	free(s.births);
}

static void gather_process(const struct holding *h)
{
	bool shown[DATABASES] = {};

	for (const struct endpoint *e = h->process->endpoints; e; e = e->next)
		if (!endpoint_is_empty(e))
			gather_endpoint(h, e, shown);
	for (int d = 0; d < DATABASES; d++)
		if (!shown[d])
			statements_of_libraries(h, (enum ev_database)d, true);
}

static struct table_key process_key(uint32_t pid, uint64_t realtime_ns)
{
	return (struct table_key){realtime_ns, pid};
}

static const struct process_view *view_of(const struct gathering *g, const struct process_model *p)
{
	return table_get(&g->processes, process_key(p->pid, process_realtime(g->model, p)));
}

static int by_holder(const void *a, const void *b)
{
	const struct connection *x = *(struct connection *const *)a;
	const struct connection *y = *(struct connection *const *)b;

	if (x->process != y->process)
		return x->process->number < y->process->number ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* All connections, those of one process side by side.  The caller frees them. */
static struct connection **connections_by_holder(const struct model *m)
{
	struct connection **all = calloc(m->connections.count + 1, sizeof(*all));
	struct table_slot *slot;
	size_t at = 0, n = 0;

	while (all && (slot = table_next(&m->connections, &at)))
		all[n++] = slot->value;
	if (all)
		qsort(all, n, sizeof(*all), by_holder);
	return all;
}

static void gather_connections(struct gathering *g)
{
	struct connection **all = connections_by_holder(g->model);
	size_t n = g->model->connections.count, at = 0;
	struct table_slot *slot;

	if (!all)
		g->failed = true;
	while (all && (slot = table_next(&g->model->processes, &at))) {
		const struct process_model *p = slot->value;
		struct holding h = {.g = g, .process = p, .view = view_of(g, p)};
		size_t low = 0, high = n;

		while (low < high) {
			size_t mid = (low + high) / 2;

			if (all[mid]->process->number < p->number)
				low = mid + 1;
			else
				high = mid;
		}
		h.open = all + low;
		while (low + h.open_count < n && h.open[h.open_count]->process == p)
			h.open_count++;
		if (h.view)
			gather_process(&h);
	}
	free(all);
}

/* The bytes of a process as each tier shows them. */
struct held_tiers {
	bool seen[EV_TIER_FULL + 1];
	uint64_t bytes[EV_TIER_FULL + 1];
};

static uint64_t held_bytes_of(const struct memory_site *site)
{
	return site->state.held_bytes == UNKNOWN64 ? 0 : site->state.held_bytes;
}

static enum ev_tier tier_of(const struct held_tiers *t)
{
	if (t->seen[EV_TIER_FULL])
		return EV_TIER_FULL;
	return t->bytes[EV_TIER_CLIENT] > t->bytes[EV_TIER_GROWTH] ? EV_TIER_CLIENT
								   : EV_TIER_GROWTH;
}

static struct table_key tiers_key(const struct memory_site *site)
{
	return (struct table_key){site->process->number, 0};
}

static void sum_tiers(struct gathering *g, struct table *tiers)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&g->model->memory_sites.all, &at))) {
		const struct memory_site *site = slot->value;
		struct held_tiers *t = table_get(tiers, tiers_key(site));

		if (site->state.tier > EV_TIER_FULL)
			continue;
		if (!t) {
			t = arena_alloc(g->arena, sizeof(*t));
			if (!t || table_put(tiers, tiers_key(site), t)) {
				g->failed = true;
				return;
			}
		}
		t->seen[site->state.tier] = true;
		t->bytes[site->state.tier] += held_bytes_of(site);
	}
}

static void gather_bytes(struct gathering *g)
{
	const struct moving_collector *moved;
	struct table tiers = {};
	struct table_slot *slot;
	size_t at = 0;

	sum_tiers(g, &tiers);
	while (!g->failed && (slot = table_next(&g->model->memory_sites.all, &at))) {
		const struct memory_site *site = slot->value;
		const struct rule_input s = {.model = g->model, .places = &g->places};
		struct holding h = {
			.g = g, .process = site->process, .view = view_of(g, site->process)};
		struct held_view *v;

		if (!h.view || !held_bytes_of(site) ||
		    site->state.tier != tier_of(table_get(&tiers, tiers_key(site))))
			continue;
		taking_place(&s, &site->state, &moved);
		v = group_of(&h, site->state.stack, !moved, NULL);
		if (v)
			v->count[HELD_BYTES] += held_bytes_of(site);
	}
	table_free(&tiers);
}

static void list_processes(struct gathering *g)
{
	for (size_t i = 0; i < g->view->process_count; i++) {
		struct process_view *p = &g->view->processes[i];

		if (table_put(&g->processes, process_key(p->pid, p->start_realtime_ns), p))
			g->failed = true;
	}
}

static int most_held_first(const void *a, const void *b)
{
	const struct held_view *x = a, *y = b;

	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	for (int kind = 0; kind < HELD_KINDS; kind++)
		if (x->count[kind] != y->count[kind])
			return x->count[kind] > y->count[kind] ? -1 : 1;
	if (!x->site != !y->site)
		return x->site ? -1 : 1;
	if (x->site && x->site->line != y->site->line)
		return x->site->line < y->site->line ? -1 : 1;
	return (x->stack_count > y->stack_count) - (x->stack_count < y->stack_count);
}

static struct held *arrange(struct gathering *g)
{
	struct held *h = arena_alloc(g->arena, sizeof(*h));
	struct table_slot *slot;
	size_t at = 0;

	if (h)
		h->all = arena_alloc(g->arena, (g->groups.count + 1) * sizeof(*h->all));
	if (!h || !h->all)
		return NULL;
	h->arena = g->arena;
	while ((slot = table_next(&g->groups, &at)))
		h->all[h->count++] = *(struct held_view *)slot->value;
	if (h->count)
		qsort(h->all, h->count, sizeof(*h->all), most_held_first);
	return h;
}

struct held *held_open(const struct model *m, const struct report_view *v,
		       const struct site_patterns *library)
{
	struct gathering g = {.model = m, .view = v, .arena = arena_open()};
	struct held *h = NULL;

	if (!g.arena)
		return NULL;
	g.places = (struct places){.code = &m->code, .more = library, .arena = g.arena};
	list_processes(&g);
	gather_connections(&g);
	gather_bytes(&g);
	if (!g.failed)
		h = arrange(&g);
	places_free(&g.places);
	table_free(&g.processes);
	table_free(&g.stacks);
	table_free(&g.groups);
	if (!h)
		arena_close(g.arena);
	return h;
}

void held_close(struct held *h)
{
	if (h)
		arena_close(h->arena);
}
