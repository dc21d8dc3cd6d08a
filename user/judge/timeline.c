/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * timeline.c - see timeline.h.
 */
#include "user/judge/timeline.h"

#include <stdlib.h>
#include <string.h>

#include "user/judge/describe.h"
#include "user/judge/origin.h"
#include "user/judge/rule_input.h"

_Static_assert(sizeof(((struct timeline_process *)0)->memory) / sizeof(uint64_t) == HISTORY_MOST,
	       "a timeline has room for each interval of a history");

#define JUST_USED_NS 10000000ULL /* a program that ends so closes what it used */

/* A life that may be kept: of an open connection, or of one that has ended. */
struct candidate {
	const struct connection *open;
	const struct past *past;
	size_t process; /* in the view */
	uint64_t span;
	size_t order;
	bool held; /* until now, or until its process ended */
};

struct making {
	struct timeline *t;
	struct rule_input input; /* for frames: model and arena */
	struct places places;
	struct table owners; /* timeline_process by number */
	struct table stacks, frames;
	struct table births; /* of the latest connection to each endpoint */
	struct candidate *all;
	size_t count;
	uint64_t start_ns, end_ns;
};

static const struct life *life_of(const struct candidate *c)
{
	return c->open ? &c->open->life : &c->past->life;
}

static struct timeline_process *owner_of(const struct making *k, const struct process_model *p)
{
	return table_get(&k->owners, (struct table_key){p->number, 0});
}

static int list_owners(struct making *k, const struct report_view *v)
{
	struct timeline *t = k->t;

	t->all = arena_alloc(t->arena, (v->process_count + 1) * sizeof(*t->all));
	if (!t->all)
		return -1;
	for (size_t i = 0; i < v->process_count; i++) {
		struct timeline_process *p = &t->all[t->count++];

		p->process = &v->processes[i];
		p->ended = -1;
		if (table_put(&k->owners, (struct table_key){v->processes[i].number, 0}, p))
			return -1;
	}
	return 0;
}

/*
 * Which lives are kept.
 */

static struct table_key endpoint_key(const struct endpoint *e)
{
	return (struct table_key){(uintptr_t)e, 0};
}

/* The latest birth of a connection to the endpoint. */
static void note_birth(struct making *k, const struct endpoint *e, const struct life *l)
{
	uint64_t *latest = table_get(&k->births, endpoint_key(e));

	if (!latest) {
		latest = arena_alloc(k->t->arena, sizeof(*latest));
		if (!latest || table_put(&k->births, endpoint_key(e), latest))
			return;
	}
	if (l->born_ns > *latest)
		*latest = l->born_ns;
}

static void candidate_add(struct making *k, const struct timeline_process *p,
			  const struct connection *open, const struct past *past)
{
	struct candidate c = {.open = open, .past = past, .order = k->count};
	const struct life *l = life_of(&c);
	uint64_t end = l->closed_ns ? l->closed_ns : k->end_ns;
	uint64_t born = l->born_ns ? l->born_ns : k->start_ns;

	note_birth(k, open ? open->endpoint : past->endpoint, l);
	c.process = (size_t)(p - k->t->all);
	c.span = end > born ? end - born : 0;
	k->all[k->count++] = c;
}

/* Did the end of its process close it?  An orderly end closes things itself: what comes after the
 * last work of the process belongs to that, but not a query's own connection. */
static bool is_ended(const struct making *k, const struct candidate *c)
{
	const struct life *l = life_of(c);
	const struct endpoint *e = c->open ? c->open->endpoint : c->past->endpoint;
	const uint64_t *latest = table_get(&k->births, endpoint_key(e));

	if (l->flags & EV_CONN_EXIT)
		return true;
	return e && l->closed_ns && is_shutting_down(e->process, l->closed_ns) && latest &&
	       l->closed_ns >= *latest && l->closed_ns >= l->used_ns + JUST_USED_NS;
}

static void mark_held(struct making *k)
{
	for (size_t i = 0; i < k->count; i++)
		k->all[i].held = k->all[i].open || is_ended(k, &k->all[i]);
}

static int most_telling_first(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->held != y->held)
		return x->held ? -1 : 1;
	if (x->span != y->span)
		return x->span > y->span ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

static int by_process_and_birth(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	uint64_t x_born = life_of(x)->born_ns, y_born = life_of(y)->born_ns;

	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	if (x_born != y_born)
		return x_born < y_born ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

/* Tables have no order, and a report has one: by identity. */
static int by_id(const void *a, const void *b)
{
	const struct connection *x = *(struct connection *const *)a;
	const struct connection *y = *(struct connection *const *)b;

	return (x->id > y->id) - (x->id < y->id);
}

static int gather_open(struct making *k, const struct model *m)
{
	const struct connection **all = calloc(m->connections.count + 1, sizeof(*all));
	struct table_slot *slot;
	size_t at = 0, n = 0;

	if (!all)
		return -1;
	while ((slot = table_next(&m->connections, &at)))
		all[n++] = slot->value;
	qsort(all, n, sizeof(*all), by_id);
	for (size_t i = 0; i < n; i++) {
		const struct timeline_process *p = owner_of(k, all[i]->process);

		if (p)
			candidate_add(k, p, all[i], NULL);
	}
	free(all);
	return 0;
}

static void gather_past(struct making *k, const struct model *m)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&m->processes, &at))) {
		const struct process_model *p = slot->value;
		struct timeline_process *owner = owner_of(k, p);

		for (size_t i = 0; owner && i < p->past_count; i++)
			candidate_add(k, owner, NULL, &p->past[i]);
	}
}

static int gather(struct making *k, const struct model *m)
{
	size_t room = m->connections.count + 1, at = 0;
	struct table_slot *slot;

	while ((slot = table_next(&m->processes, &at)))
		room += ((const struct process_model *)slot->value)->past_count;
	k->all = calloc(room, sizeof(*k->all));
	if (!k->all || gather_open(k, m))
		return -1;
	gather_past(k, m);
	mark_held(k);
	return 0;
}

/*
 * What is told of a life.
 */

static double time_of(const struct making *k, uint64_t ns)
{
	if (!ns)
		return -1;
	return ns > k->start_ns ? seconds(ns - k->start_ns) : 0;
}

static const struct frame_view *timeline_frame(struct making *k, uint64_t id)
{
	const struct code_frame *f = code_frame(&k->input.model->code, id);
	struct table_key key = {id, 0};
	struct frame_view *v = table_get(&k->frames, key);

	if (v)
		return v;
	v = arena_alloc(k->t->arena, sizeof(*v));
	if (!v)
		return NULL;
	frame_copy(&k->input, f, v);
	return table_put(&k->frames, key, v) ? NULL : v;
}

static struct timeline_stack *stack_make(struct making *k, const struct code_stack *s)
{
	const struct code_frame *site = places_frame(&k->places, s);
	struct timeline_stack *v = arena_alloc(k->t->arena, sizeof(*v));
	const struct frame_view **frames = arena_alloc(
		k->t->arena, (s->count + 1) * sizeof(const struct frame_view *));

	for (uint32_t i = 0; v && frames && i < s->count; i++) {
		frames[i] = timeline_frame(k, s->frame[i]);
		if (!frames[i])
			return NULL;
		if (site && !v->site && code_frame(&k->input.model->code, s->frame[i]) == site)
			v->site = frames[i];
	}
	if (!v || !frames)
		return NULL;
	v->frames = frames;
	v->count = s->count;
	return v;
}

/* NULL also without memory: the life then has no place. */
static const struct timeline_stack *stack_of(struct making *k, uint64_t id)
{
	const struct code_stack *s = id ? code_stack(&k->input.model->code, id) : NULL;
	struct table_key key = {id, 0};
	struct timeline_stack *v = s ? table_get(&k->stacks, key) : NULL;

	if (v || !s || k->t->stack_count == TIMELINE_STACKS_MOST)
		return v;
	v = stack_make(k, s);
	if (!v || table_put(&k->stacks, key, v))
		return NULL;
	v->number = k->t->stack_count++;
	return v;
}

static bool is_inside(const struct life *l)
{
	return l->status >= EV_STATUS_TRANSACTION;
}

/* At the latest, a transaction began with the last use. */
static double transaction_of(const struct making *k, const struct life *l)
{
	if (!is_inside(l))
		return -1;
	if (l->transaction_ns)
		return time_of(k, l->transaction_ns);
	return l->used_ns ? time_of(k, l->used_ns) : 0;
}

static uint32_t flags_of(const struct candidate *c)
{
	const struct life *l = life_of(c);

	return (c->open ? LIFE_OPEN : 0) | (l->flags & EV_CONN_PRE_EXISTING ? LIFE_EARLIER : 0) |
	       (c->held && !c->open ? LIFE_EXIT : 0) |
	       (is_inside(l) && l->flags & EV_CONN_WROTE ? LIFE_WROTE : 0) |
	       (is_inside(l) && !l->transaction_ns ? LIFE_BEGUN : 0) |
	       (life_unreadable(l) ? LIFE_HIDDEN : 0) |
	       (c->open && c->open->hung_up_ns ? LIFE_HUNG_UP : 0);
}

/* The view has the endpoints that are not empty, in the order of the model. */
static size_t endpoint_index(const struct process_model *p, const struct endpoint *e)
{
	size_t i = 0;

	for (const struct endpoint *at = p ? p->endpoints : NULL; at; at = at->next) {
		if (endpoint_is_empty(at))
			continue;
		if (at == e)
			return i;
		i++;
	}
	return SIZE_MAX;
}

static void fill_life(struct making *k, const struct candidate *c, struct life_view *v)
{
	const struct endpoint *e = c->open ? c->open->endpoint : c->past->endpoint;
	const struct text *sql = c->open ? c->open->sql : c->past->sql;
	const struct life *l = life_of(c);

	*v = (struct life_view){
		.born = l->born_ns ? time_of(k, l->born_ns) : 0,
		.used = time_of(k, l->used_ns),
		.closed = time_of(k, l->closed_ns),
		.transaction = transaction_of(k, l),
		.waiting = c->open ? time_of(k, c->open->request_ns) : -1,
		.tid = l->tid,
		.flags = flags_of(c),
		.requests = l->requests,
		.endpoint = endpoint_index(e ? e->process : NULL, e),
		.opened_at = stack_of(k, l->opened_at),
		.begun_at = stack_of(k, l->begun_at),
		.sql = sql ? sql->sql : NULL,
		.sql_length = sql ? sql->length : 0,
	};
}

static int keep_lives(struct making *k)
{
	size_t kept = k->count < TIMELINE_MOST ? k->count : TIMELINE_MOST;

	qsort(k->all, k->count, sizeof(*k->all), most_telling_first);
	for (size_t i = kept; i < k->count; i++)
		k->t->all[k->all[i].process].left_out++;
	k->t->left_out += k->count - kept;
	qsort(k->all, kept, sizeof(*k->all), by_process_and_birth);
	for (size_t from = 0, to; from < kept; from = to) {
		struct timeline_process *p = &k->t->all[k->all[from].process];

		for (to = from; to < kept && k->all[to].process == k->all[from].process;)
			to++;
		p->life_count = to - from;
		p->lives = arena_alloc(k->t->arena, p->life_count * sizeof(*p->lives));
		if (!p->lives)
			return -1;
		for (size_t i = from; i < to; i++)
			fill_life(k, &k->all[i], &p->lives[i - from]);
	}
	return 0;
}

static void fill_process(struct making *k, const struct process_model *p,
			 struct timeline_process *v)
{
	const struct history *h = &p->memory.size;
	uint64_t known = 0;

	v->ended = time_of(k, p->exited_ns);
	for (const struct endpoint *e = p->endpoints; e; e = e->next)
		known += e->closed;
	/* the closed ones that the model no longer has */
	if (known > p->past_count)
		v->left_out += known - p->past_count;
	k->t->left_out += known > p->past_count ? known - p->past_count : 0;
	if (!h->width_ns)
		return;
	v->memory_start = h->first_ns > k->start_ns ? seconds(h->first_ns - k->start_ns)
						    : -seconds(k->start_ns - h->first_ns);
	v->memory_width = seconds(h->width_ns);
	v->memory_count = h->used < HISTORY_MOST ? h->used : HISTORY_MOST;
	for (size_t i = 0; i < v->memory_count; i++)
		v->memory[i] = h->least[i] * MEMORY_UNIT;
}

static int fill(struct making *k, const struct model *m, const struct report_view *v)
{
	struct table_slot *slot;
	size_t at = 0;

	if (list_owners(k, v) || gather(k, m) || keep_lives(k))
		return -1;
	while ((slot = table_next(&m->processes, &at))) {
		struct timeline_process *p = owner_of(k, slot->value);

		if (p)
			fill_process(k, slot->value, p);
	}
	return 0;
}

struct timeline *timeline_open(const struct model *m, const struct report_view *v,
			       const struct site_patterns *library)
{
	struct arena *a = arena_open();
	struct timeline *t = a ? arena_alloc(a, sizeof(*t)) : NULL;
	struct making k = {.t = t,
			   .input = {.model = m, .arena = a},
			   .places = {.code = &m->code, .more = library, .arena = a},
			   .start_ns = m->begin.head.ns,
			   .end_ns = m->now_ns};
	int err = t ? 0 : -1;

	if (t) {
		t->arena = a;
		err = fill(&k, m, v);
	}
	places_free(&k.places);
	table_free(&k.owners);
	table_free(&k.stacks);
	table_free(&k.frames);
	table_free(&k.births);
	free(k.all);
	if (!err)
		return t;
	arena_close(a);
	return NULL;
}

void timeline_close(struct timeline *t)
{
	if (t)
		arena_close(t->arena);
}
