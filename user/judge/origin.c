/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * origin.c - see origin.h.
 */
#include "user/judge/origin.h"

#include <stdio.h>
#include <string.h>

#include "user/judge/words.h"

#define AT_REQUEST_NS 10000000ULL /* a stack may be taken so long before its request */
#define NAMED_MOST    4
#define CALLERS_MOST  24

struct origin origin_of_stack(const struct rule_input *s, uint64_t stack)
{
	return (struct origin){.place = places_find(s->places, stack), .stack = stack};
}

struct origin origin_of_opening(const struct rule_input *s, const struct life *l)
{
	struct origin o = origin_of_stack(s, l->opened_at);

	if (o.place || !l->begun_at)
		return o;
	o = origin_of_stack(s, l->begun_at);
	o.stand_in = STANDS_BEGUN;
	return o;
}

/* Does the stack belong to an earlier transaction, which has ended?  Then it would name the wrong
 * line.  SQLite is exempt: its transactions are found by looking, later than they began. */
static bool is_of_before(const struct rule_input *s, const struct life *l)
{
	return l->begun_ns && l->begun_ns + AT_REQUEST_NS < l->transaction_ns && s->endpoint &&
	       s->endpoint->database != EV_DB_SQLITE;
}

struct origin origin_of_life(const struct rule_input *s, const struct life *l)
{
	struct origin o;

	if (l->status < EV_STATUS_TRANSACTION)
		return origin_of_opening(s, l);
	o = origin_of_stack(s, l->begun_at);
	if (o.place && !is_of_before(s, l))
		return o;
	o = origin_of_stack(s, l->opened_at);
	o.stand_in = STANDS_OPENED;
	return o;
}

/* A record names the oldest unfinished statement by its SQL text alone, so a statement with that
 * text gives the stack.  Without one, the transaction that the connection began last is nearest. */
struct origin origin_of_reader(const struct rule_input *s, const struct conn_history *x)
{
	const struct statement_model *st = x->open ? x->open->statements : NULL;
	struct origin o = origin_of_stack(s, x->file->stack);

	for (; st && !o.place; st = st->next)
		if (x->file->sql && st->text == x->file->sql)
			o = origin_of_stack(s, st->stack);
	if (!o.place)
		o = origin_of_stack(s, x->life->begun_at);
	return o.place ? o : origin_of_opening(s, x->life);
}

static void add_way(struct origins *o, const struct origin *from, uint64_t n)
{
	size_t i = 0;

	while (i < o->way_count &&
	       (o->ways[i].place != from->place || o->ways[i].stack != from->stack))
		i++;
	if (!from->place || i == WAYS_MOST)
		return;
	if (i == o->way_count)
		o->ways[o->way_count++] = (struct way){from->place, from->stack, 0};
	o->ways[i].count += n;
}

void origins_add(struct origins *o, struct origin from, uint64_t n)
{
	size_t i = 0;

	o->total += n;
	add_way(o, &from, n);
	while (i < o->count && o->all[i].place != from.place)
		i++;
	if (i == ORIGINS_MOST)
		return; /* counted in the total alone */
	if (i == o->count)
		o->all[o->count++] = (struct origin){
			.place = from.place, .stand_in = from.stand_in, .stack = from.stack};
	if (!o->all[i].stack)
		o->all[i].stack = from.stack;
	if (from.stand_in == STANDS_ITSELF)
		o->all[i].stand_in = STANDS_ITSELF;
	o->all[i].count += n;
}

const struct origin *origins_most(const struct origins *o)
{
	const struct origin *most = NULL;

	for (size_t i = 0; i < o->count; i++)
		if (o->all[i].place && (!most || o->all[i].count > most->count))
			most = &o->all[i];
	return most;
}

static bool origin_same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_function(const struct place *a, const struct place *b)
{
	return a->frame->language == b->frame->language &&
	       origin_same_text(a->frame->function, b->frame->function) &&
	       origin_same_text(a->frame->file, b->frame->file);
}

/* The line of the frame is only where its function begins. */
static bool is_vague(const struct place *p)
{
	return p->frame->flags & EV_FRAME_DEFINED;
}

/* The exact line of that function with the highest count; NULL: none is exact. */
static const struct origin *exact_line(const struct origins *o, const struct place *of)
{
	const struct origin *most = NULL;

	for (size_t i = 0; i < o->count; i++) {
		const struct place *p = o->all[i].place;

		if (p && !is_vague(p) && same_function(p, of) &&
		    (!most || o->all[i].count > most->count))
			most = &o->all[i];
	}
	return most;
}

const struct place *origins_line(const struct origins *o, const struct place *place)
{
	const struct origin *exact = place && is_vague(place) ? exact_line(o, place) : NULL;

	return exact ? exact->place : place;
}

/* Adds the count of a function to that of its exact line.  One call may be known by its line at
 * one time and by its function only at another, when its code was compiled meanwhile. */
static void settle(struct origins *o)
{
	for (size_t i = 0; i < o->count;) {
		const struct place *p = o->all[i].place;
		const struct origin *exact = p && is_vague(p) ? exact_line(o, p) : NULL;

		if (!exact) {
			i++;
			continue;
		}
		o->all[exact - o->all].count += o->all[i].count;
		for (size_t w = 0; w < o->way_count; w++)
			if (o->ways[w].place == p)
				o->ways[w].place = exact->place;
		memmove(&o->all[i], &o->all[i + 1], (--o->count - i) * sizeof(o->all[0]));
	}
}

size_t origins_culprits(const struct origins *all,
			bool (*proves)(void *context, const struct place *place), void *context,
			const struct place **out)
{
	struct origins o = *all;
	const struct origin *most;
	uint64_t first = 0;
	size_t n = 0;

	settle(&o);
	most = origins_most(&o);
	for (size_t i = 0; i < o.count; i++) {
		const struct place *place = o.all[i].place;

		/* A single origin need not prove it alone: no other place can answer. */
		if (!place || (o.count > 1 && !proves(context, place)))
			continue;
		out[n++] = place;
		if (o.all[i].count <= first)
			continue;
		first = o.all[i].count;
		out[n - 1] = out[0];
		out[0] = place;
	}
	if (!n && most)
		out[n++] = most->place;
	return n;
}

const struct place *culprit_of(const struct place *const *culprits, size_t n,
			       const struct place *from)
{
	for (size_t i = 0; i < n; i++)
		if (culprits[i] == from)
			return from;
	for (size_t i = 0; i < n && from; i++)
		if (same_function(culprits[i], from))
			return culprits[i];
	return n ? culprits[0] : NULL;
}

static const char *copy(const struct rule_input *s, const char *text)
{
	return text ? arena_copy(s->arena, text, strlen(text)) : NULL;
}

void frame_copy(const struct rule_input *s, const struct code_frame *f, struct frame_view *v)
{
	if (!f)
		return; /* no record described the frame, or there were too many */
	v->language = f->language;
	v->function = copy(s, f->function);
	v->file = copy(s, f->file);
	v->module = copy(s, f->module);
	v->build_id = copy(s, f->build_id);
	v->offset = f->offset;
	v->line = f->line;
	v->column = f->column;
	v->flags = f->flags;
}

static void copy_stack(const struct rule_input *s, struct finding_view *f,
		       const struct code_stack *stack, const struct code_frame *site)
{
	struct frame_view *frames = arena_alloc(s->arena, (stack->count + 1) * sizeof(*frames));

	if (!frames)
		return;
	for (uint32_t i = 0; i < stack->count; i++) {
		const struct code_frame *frame = code_frame(&s->model->code, stack->frame[i]);

		frame_copy(s, frame, &frames[i]);
		if (frame && frame == site && !f->site)
			f->site = &frames[i];
	}
	f->stack = frames;
	f->stack_count = stack->count;
	f->stack_flags = stack->flags;
}

/* Many callers reach one line by different stacks: shown is a stack by which these objects came. */
static void show(const struct rule_input *s, struct finding_view *f, const struct origin *o)
{
	const struct code_stack *own = code_stack(&s->model->code, o->stack);

	if (own && places_find(s->places, o->stack) == o->place)
		copy_stack(s, f, own, places_frame(s->places, own));
	else
		copy_stack(s, f, o->place->stack, o->place->frame);
}

static const char *frame_name(const struct rule_input *s, const struct code_frame *f)
{
	const char *file = f->file ? f->file : f->module ? f->module : "?";
	char line[32] = "";

	if (f->line)
		snprintf(line, sizeof(line), ":%u", f->line);
	else if (!f->file)
		snprintf(line, sizeof(line), "+0x%llx", (unsigned long long)f->offset);
	return arena_format(s->arena, "%s%s%s%s", file, line, f->function ? " " : "",
			    f->function ? f->function : "");
}

const char *place_name(const struct rule_input *s, const struct place *p)
{
	return frame_name(s, p->frame);
}

static void say_elsewhere(struct rule_input *s, struct finding_view *f, const struct origins *o,
			  const struct origin *most)
{
	uint64_t rest = o->total - most->count;
	const char *names = "";
	size_t named = 0;

	for (size_t i = 0; i < o->count; i++) {
		const struct origin *from = &o->all[i];
		const char *name = from->place ? place_name(s, from->place) : NULL;

		if (from == most || !name || named == NAMED_MOST)
			continue;
		names = arena_format(s->arena, "%s, %s at %s", names,
				     count_words(s->arena, from->count), name);
		rest -= from->count;
		if (!names)
			return;
		named++;
	}
	if (rest)
		names = arena_format(s->arena, "%s, %s at unknown lines%s", names,
				     count_words(s->arena, rest),
				     named == NAMED_MOST ? " or other lines" : "");
	if (names)
		finding_because(s, f, EVIDENCE_AT_THIS_LINE, (unsigned long long)most->count,
				names);
}

/* The callers of a place, each once. */
struct callers {
	struct caller {
		const struct code_frame *frame;
		uint64_t count;
	} all[CALLERS_MOST];
	size_t count;
	uint64_t total; /* with callers that are not known, or too many */
};

static void add_caller(struct callers *c, const struct code_frame *f, uint64_t n)
{
	size_t i = 0;

	c->total += n;
	if (!f)
		return;
	while (i < c->count &&
	       (c->all[i].frame->line != f->line || c->all[i].frame->offset != f->offset ||
		!origin_same_text(c->all[i].frame->function, f->function) ||
		!origin_same_text(c->all[i].frame->file, f->file)))
		i++;
	if (i == CALLERS_MOST)
		return;
	if (i == c->count)
		c->all[c->count++] = (struct caller){f, 0};
	c->all[i].count += n;
}

/* Removes and returns the caller with the highest count. */
static struct caller next_caller(struct callers *c)
{
	struct caller most = c->all[0];
	size_t at = 0;

	for (size_t i = 1; i < c->count; i++)
		if (c->all[i].count > most.count)
			most = c->all[at = i];
	memmove(&c->all[at], &c->all[at + 1], (--c->count - at) * sizeof(c->all[0]));
	c->total -= most.count;
	return most;
}

static const char *amount(const struct rule_input *s, const struct origins *o, uint64_t n)
{
	return o->in_bytes ? memory_words(s, n) : count_words(s->arena, n);
}

static struct callers callers_of(const struct rule_input *s, const struct origins *o,
				 const struct place *place)
{
	struct callers c = {};

	for (size_t i = 0; i < o->way_count; i++) {
		const struct code_stack *stack = code_stack(&s->model->code, o->ways[i].stack);

		if (o->ways[i].place == place)
			add_caller(&c, stack ? places_caller(s->places, stack) : NULL,
				   o->ways[i].count);
	}
	return c;
}

/* A caller at which a program begins says nothing. */
static bool is_beginning(const struct code_frame *f)
{
	return origin_same_text(f->function, "main") || origin_same_text(f->function, "<module>");
}

/* Several callers of one line say more than the line.  A line that takes memory for its callers
 * seldom keeps it, so for memory even a single caller is named. */
static void say_callers(struct rule_input *s, struct finding_view *f, const struct origins *o,
			const struct place *place)
{
	struct callers c = callers_of(s, o, place);
	const char *names = "";

	if (c.count == 1 && o->in_bytes && !is_beginning(c.all[0].frame))
		finding_because(s, f, EVIDENCE_CALLED_FROM, frame_name(s, c.all[0].frame));
	if (c.count < 2)
		return;
	for (size_t named = 0; named < NAMED_MOST && c.count && names; named++) {
		struct caller next = next_caller(&c);

		names = arena_format(s->arena, "%s%s %s from %s", names, named ? "," : "",
				     amount(s, o, next.count), frame_name(s, next.frame));
	}
	if (names && c.total)
		names = arena_format(s->arena, "%s, %s from other callers", names,
				     amount(s, o, c.total));
	if (names)
		finding_because(s, f, EVIDENCE_CALLED_FROM_MANY, names);
}

static bool any_known_elsewhere(const struct origins *o, const struct origin *most)
{
	for (size_t i = 0; i < o->count; i++)
		if (o->all[i].place && &o->all[i] != most)
			return true;
	return false;
}

void finding_from(struct rule_input *s, struct finding_view *f, const struct origins *all,
		  bool sampled)
{
	const struct code_stack *stack = NULL;
	struct origins o = *all;
	const struct origin *most;

	settle(&o);
	most = origins_most(&o);
	for (size_t i = 0; !most && !stack && i < o.count; i++)
		stack = code_stack(&s->model->code, o.all[i].stack);
	if (stack)
		copy_stack(s, f, stack, NULL);
	if (!most)
		return;
	show(s, f, most);
	if (most->stand_in == STANDS_OPENED && f->resource == RESOURCE_STATEMENT)
		finding_because(s, f, EVIDENCE_LINE_OPENED_FIRST);
	else if (most->stand_in == STANDS_OPENED)
		finding_because(s, f, EVIDENCE_LINE_OPENED);
	else if (most->stand_in == STANDS_BEGUN)
		finding_because(s, f, EVIDENCE_LINE_BEGAN);
	if (any_known_elsewhere(&o, most) || (!sampled && most->count < o.total))
		say_elsewhere(s, f, &o, most);
	say_callers(s, f, &o, most->place);
}
