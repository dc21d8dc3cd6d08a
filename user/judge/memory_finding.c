/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * memory_finding.c - see memory_finding.h.
 */
#include "user/judge/memory_finding.h"

#include "user/judge/advice.h"
#include "user/judge/collected.h"
#include "user/judge/memory_view.h"
#include "user/judge/words.h"

#define MB	     (1ULL << 20)
#define NAMED_MOST   4
#define YOUNG_NS     (45 * SECOND_NS)
#define SURE_NS	     (60 * SECOND_NS)
#define SURE_BYTES   (32 * MB)
#define LIKELY_NS    (18 * SECOND_NS)
#define LIKELY_BYTES (12 * MB)

static bool frees_by_itself(enum ev_language language)
{
	return language >= EV_LANG_PYTHON;
}

/*
 * The limit, and when it is reached.
 */

/* Limits are set in powers of two; the memory of a host is not. */
static const char *in_binary(const struct rule_input *s, uint64_t bytes)
{
	static const char *const units[] = {"MiB", "GiB", "TiB"};
	size_t i = 0;

	if (bytes % MB)
		return arena_format(s->arena, bytes >= 9.95e8 ? "%.0f GB" : "%.2f GB", bytes / 1e9);
	for (bytes /= MB; i < 2 && bytes >= 1024 && bytes % 1024 == 0; i++)
		bytes /= 1024;
	return arena_format(s->arena, "%llu %s", (unsigned long long)bytes, units[i]);
}

/* Keeps the limit that is reached first: the finding may name another one (open files) already. */
void memory_exhaustion(const struct rule_input *s, struct finding_view *f,
		       const struct proven_growth *g)
{
	const struct memory_model *m = &s->process->memory;
	uint64_t limit = m->state.limit_bytes, used = m->state.limit_used_bytes;
	const char *of = memory_limit_of(s->arena, s->process);
	double room;

	if (used == UNKNOWN64)
		used = m->end;
	if (s->process->exited_ns || g->proof == GROWTH_NONE || g->per_minute <= 0 || !of ||
	    limit == UNKNOWN64 || used == UNKNOWN64 || used >= limit)
		return;
	room = limit - used;
	if (f->exhausts_limit && f->exhausts_seconds < room / g->per_minute * 60)
		return;
	f->exhausts_limit = arena_format(s->arena, "memory %s of %s", in_binary(s, limit), of);
	f->exhausts_seconds = room / g->per_minute * 60;
	f->exhausts_earliest = g->high > 0 ? room / g->high * 60 : 0;
	f->exhausts_latest = g->low > 0 ? room / g->low * 60 : 0;
}

/*
 * The cost in memory.
 */

bool account_grows(const struct account *a)
{
	return a->growth->proof != GROWTH_NONE;
}

struct memory_cost account_cost(const struct account *a)
{
	const struct taking *t = a->taking;
	struct memory_cost c = {.tier = a->takings->count ? a->takings->tier : EV_TIER_GROWTH};

	if (t) {
		c.placed = t->from.place;
		c.held = t->held;
		c.error = t->error;
		c.at_least = t->flags & EV_MEMORY_LOWER_BOUND;
	}
	if (!account_grows(a))
		return c;
	c.grown = a->growth->grown;
	c.seconds = a->growth->trend.seconds;
	c.per_minute = a->growth->per_minute;
	if (t && c.placed && t->grown < c.grown)
		c.per_minute *= (double)t->grown / c.grown;
	return c;
}

/*
 * The evidence.
 */

static void say_growth(struct rule_input *s, struct finding_view *f, const struct proven_growth *g)
{
	const struct trend *t = &g->trend;
	double first = t->floor[0] * MEMORY_UNIT, last = t->floor[t->parts - 1] * MEMORY_UNIT;

	finding_because(s, f, EVIDENCE_LOWEST_ROSE, memory_words(s, first), memory_words(s, last),
			t->seconds, t->rises, t->parts - 1,
			s->process->exited_ns ? "" : ", and is still rising");
	if (g->fell)
		finding_because(s, f, EVIDENCE_FREED_AT_EXIT);
	if (g->beside_failures)
		finding_because(s, f, EVIDENCE_GROWS_ON_FAILURES);
	if (g->dropped)
		finding_because(s, f, EVIDENCE_DROPPED_TO_HIGHER);
	if (g->full >= COLLECTED_ENOUGH)
		finding_because(s, f, EVIDENCE_COLLECTED_MEANWHILE, (unsigned long long)g->full);
	if (g->waits)
		finding_because(s, f, EVIDENCE_NOT_COLLECTED_MEANWHILE);
}

static const char *list_others(const struct rule_input *s, const struct account *a, uint64_t *rest)
{
	const char *names = "";
	size_t named = 0;

	for (size_t i = 0; i < a->takings->count && named < NAMED_MOST; i++) {
		const struct taking *t = &a->takings->all[i];

		if (t == a->taking || !t->from.place || t->grown < a->growth->grown / 20)
			continue;
		names = arena_format(s->arena, "%s, %s from %s", names, memory_words(s, t->grown),
				     place_name(s, t->from.place));
		*rest -= t->grown < *rest ? t->grown : *rest;
		named++;
	}
	return names;
}

static const char *why_unknown(const struct takings *t)
{
	if (!t->count)
		return "no call stack was recorded";
	for (size_t i = 0; i < t->count; i++)
		if (t->all[i].from.place)
			return "no single line explains enough of it";
	return "no line of the program is on the recorded stacks";
}

/* A page does not show which line keeps objects that a collector has moved there. */
static void say_unknown(struct rule_input *s, struct finding_view *f, const struct account *a)
{
	uint64_t rest = a->growth->grown;
	const char *others = list_others(s, a, &rest);

	for (size_t i = 0; i < a->takings->count; i++) {
		const struct taking *t = &a->takings->all[i];

		if (!t->moved || 4 * t->grown < a->growth->grown)
			continue;
		finding_because(s, f, EVIDENCE_COLLECTOR_MOVED, t->moved->name,
				memory_words(s, t->grown), others);
		finding_because(s, f, EVIDENCE_TO_SEE, t->moved->tells);
		return;
	}
	finding_because(s, f, EVIDENCE_LINE_UNKNOWN, why_unknown(a->takings), others);
}

/* Says how much of the growth is explained, and by which places. */
static void say_shares(struct rule_input *s, struct finding_view *f, const struct account *a)
{
	uint64_t grown = a->growth->grown, rest = grown;
	const char *others;

	if (!account_grows(a))
		return;
	if (!a->taking || !a->taking->from.place) {
		say_unknown(s, f, a);
		return;
	}
	rest -= a->taking->grown < rest ? a->taking->grown : rest;
	others = list_others(s, a, &rest);
	finding_because(s, f, EVIDENCE_OF_THE_GROWTH,
			memory_words(s, a->taking->grown < grown ? a->taking->grown : grown),
			memory_words(s, grown), others ? others : "");
	if (rest > grown / 10)
		finding_because(s, f, EVIDENCE_REST_UNKNOWN, memory_words(s, rest));
}

/* The growth tier samples the first touch of a page.  The line that comes first may not be the one
 * that keeps memory there.  For Python, dbleak looks up whether the objects live. */
bool account_is_vague(const struct account *a)
{
	const struct taking *t = a->taking;

	return a->takings->tier == EV_TIER_GROWTH &&
	       !(t && t->from.place && t->from.place->frame->language == EV_LANG_PYTHON);
}

static const char *const sources[] = {
	[EV_TIER_GROWTH] = "sampled page faults",
	[EV_TIER_CLIENT] = "calls of the client libraries",
	[EV_TIER_FULL] = "calls of the allocator",
};

/* Does the place give back more than a fifth of what it takes? */
static bool memory_finding_gives_back(const struct taking *t)
{
	return 4 * t->taken_bytes > 5 * t->held;
}

static double held_at_most(const struct taking *t)
{
	return t->held + t->error < t->taken_bytes ? t->held + t->error : t->taken_bytes;
}

/* Says what the figure was measured from, because tiers differ in how exact they are. */
static void say_source(struct rule_input *s, struct finding_view *f, const struct account *a)
{
	const struct taking *t = a->taking;

	if (!t || a->takings->tier >= sizeof(sources) / sizeof(sources[0]) ||
	    !sources[a->takings->tier])
		return;
	if (t->error >= t->held && t->error >= 1) /* the error is as large as the figure */
		finding_because(s, f, EVIDENCE_NOT_FREED_AT_MOST, memory_words(s, held_at_most(t)),
				sources[a->takings->tier]);
	else if (t->error >= 1)
		finding_because(s, f, EVIDENCE_NOT_FREED_ABOUT, memory_words(s, t->held),
				memory_words(s, t->error), sources[a->takings->tier]);
	else
		finding_because(s, f, EVIDENCE_NOT_FREED, memory_words(s, t->held),
				sources[a->takings->tier]);
	if (account_is_vague(a) && !a->reported && memory_finding_gives_back(t))
		finding_because(s, f, EVIDENCE_MAY_BE_MOMENTARY,
				f->cause == CAUSE_UNFREED_MEMORY ? "; --heap full can tell" : "");
	if (t->elsewhere)
		finding_because(s, f, EVIDENCE_REALLOC_MOVED, memory_words(s, t->elsewhere));
	if (t->flags & EV_MEMORY_LOWER_BOUND)
		finding_because(s, f, EVIDENCE_AT_LEAST);
	if (t->flags & EV_MEMORY_WINDOWS)
		finding_because(s, f, EVIDENCE_SCALED_UP);
}

/* The only endpoint of the process, with the SQL text of the connection that closed last.  NULL:
 * there is none, or more than one. */
static const struct endpoint *endpoint_of_past(const struct rule_input *s, const struct text **sql)
{
	const struct process_model *p = s->process;
	const struct endpoint *only = NULL;

	for (const struct endpoint *e = p->endpoints; e; e = e->next) {
		if (!e->opened && !e->closed && !e->pre_existing)
			continue;
		if (only)
			return NULL;
		only = e;
	}
	*sql = p->past_count ? p->past[p->past_next].sql : NULL;
	return only;
}

static void name_connection(struct rule_input *s, struct finding_view *f, uint64_t id)
{
	const struct connection *c = table_get(&s->model->connections, (struct table_key){id, 0});
	const struct text *sql = c ? c->sql : NULL;
	const struct endpoint *e;

	e = c && c->process == s->process ? c->endpoint : endpoint_of_past(s, &sql);
	if (!e)
		return;
	f->database = e->database;
	f->endpoint = place_text(s, e);
	f->sql = sql ? sql->sql : NULL;
}

/* Names the reply, if at least half of the memory was taken while one was read. */
static void say_reply(struct rule_input *s, struct finding_view *f, const struct taking *t)
{
	if (!t || !t->connection || 2 * t->reply_bytes < t->taken_bytes)
		return;
	name_connection(s, f, t->connection);
	finding_because(s, f, EVIDENCE_ARE_RESULTS, memory_words(s, t->reply_bytes),
			memory_words(s, t->taken_bytes));
}

/*
 * The kind, the cause and the confidence.
 */

bool taking_counts_each(const struct taking *t)
{
	return t->taken != UNKNOWN64 && t->freed != UNKNOWN64 && t->error < 1 &&
	       !(t->flags & (EV_MEMORY_ESTIMATED | EV_MEMORY_WINDOWS));
}

static enum kind memory_finding_kind_of(const struct account *a)
{
	const struct taking *t = a->taking;

	if (a->growth->fell)
		return KIND_IMPLICIT;
	if (account_grows(a) && a->growth->sporadic)
		return KIND_SPORADIC;
	if (!t || a->takings->tier != EV_TIER_FULL)
		return KIND_FREQUENT;
	if (taking_counts_each(t) && t->taken && t->freed <= t->taken)
		return 10 * (t->taken - t->freed) >= 7 * t->taken ? KIND_FREQUENT : KIND_SPORADIC;
	return 10 * t->held >= 7 * t->taken_bytes ? KIND_FREQUENT : KIND_SPORADIC;
}

double account_explains(const struct account *a)
{
	return a->taking && a->growth->grown ? (double)a->taking->grown / a->growth->grown : 0;
}

/* Line and process agree.  The process grew steadily for SURE_NS or longer, and nearly all of the
 * growth is held at the line.  Both figures have small errors. */
static bool agree_strongly(const struct account *a)
{
	const struct trend *t = &a->growth->trend;

	return a->growth->proof == GROWTH_STEADY && t->seconds >= seconds(SURE_NS) &&
	       a->growth->grown >= SURE_BYTES && account_explains(a) >= 0.75 &&
	       account_explains(a) <= 1.5 && t->slope_low >= 0.7 * t->slope &&
	       a->taking->error <= a->taking->held / 8.0;
}

/* A young program still fills its caches. */
static bool is_young(const struct rule_input *s)
{
	return !s->process->exited_ns && s->now_ns < s->process->start_ns + YOUNG_NS;
}

enum confidence account_sure(const struct rule_input *s, const struct account *a,
			     enum ev_language language)
{
	const struct proven_growth *g = a->growth;

	if (g->proof == GROWTH_COARSE || (growth_collects(language) && !g->collected))
		return CONFIDENCE_POSSIBLE;
	if (agree_strongly(a)) /* Python frees most by counting references: cycles alone wait */
		return g->waits ? CONFIDENCE_LIKELY : CONFIDENCE_CERTAIN;
	if (is_young(s) || g->trend.to_ns - g->trend.from_ns < LIKELY_NS ||
	    g->grown < LIKELY_BYTES ||
	    account_explains(a) < (account_is_vague(a) ? ALONE_SHARE : 0.3))
		return CONFIDENCE_POSSIBLE;
	return CONFIDENCE_LIKELY;
}

static enum cause cause_of(const struct taking *t, enum ev_language language)
{
	if (t && t->from.place)
		language = t->from.place->frame->language;
	return frees_by_itself(language) ? CAUSE_CACHE_GROWTH : CAUSE_UNFREED_MEMORY;
}

static void count_blocks(struct finding_view *f, const struct account *a)
{
	const struct taking *t = a->taking;
	bool known = t && a->takings->tier == EV_TIER_FULL && taking_counts_each(t) && t->taken &&
		     t->freed <= t->taken;

	f->acquired = known ? t->taken : UNKNOWN64;
	f->released = known ? t->freed : UNKNOWN64;
	f->open = known ? t->taken - t->freed : UNKNOWN64;
}

/* The stacks that lead to the place, weighted by the bytes that each holds; the first is shown. */
static struct origins ways_to(const struct rule_input *s, const struct account *a)
{
	const struct taking *t = a->taking;
	struct origins o = {.in_bytes = true};

	origins_add(&o, t->from, t->largest);
	for (size_t i = 0; i < s->memory_site_count; i++) {
		const struct ev_memory_site *ev = &s->memory_sites[i]->state;
		const struct moving_collector *moved;

		if (ev->tier == a->takings->tier && ev->stack != t->from.stack && t->from.place &&
		    ev->held_bytes && ev->held_bytes != UNKNOWN64 &&
		    taking_place(s, ev, &moved) == t->from.place)
			origins_add(&o, origin_of_stack(s, ev->stack), ev->held_bytes);
	}
	return o;
}

struct finding_view *memory_found(struct rule_input *s, const struct account *a,
				  enum ev_language language)
{
	struct finding_view *f = finding_add(s, cause_of(a->taking, language), RESOURCE_MEMORY);
	struct origins from;

	if (!f)
		return NULL;
	f->verdict = VERDICT_LEAKING;
	f->kind = memory_finding_kind_of(a);
	f->memory = account_cost(a);
	f->bytes = a->taking ? a->taking->held : UNKNOWN64;
	count_blocks(f, a);
	if (account_grows(a) && !a->reported)
		say_growth(s, f, a->growth);
	say_shares(s, f, a);
	say_source(s, f, a);
	say_reply(s, f, a->taking);
	if (a->taking && a->taking->from.stack) {
		from = ways_to(s, a);
		finding_from(s, f, &from, true);
	}
	f->advice = advice_in(s, f, f->cause == CAUSE_CACHE_GROWTH ? ADVICE_BOUND : ADVICE_FREE,
			      f->site ? f->site->language : language);
	memory_exhaustion(s, f, a->growth);
	return f;
}

void memory_doubt(struct rule_input *s, struct finding_view *f)
{
	if (f->cause != CAUSE_CACHE_GROWTH || f->kind != KIND_FREQUENT || s->process->exited_ns ||
	    f->confidence == CONFIDENCE_CERTAIN)
		return;
	if (is_young(s))
		finding_because(s, f, EVIDENCE_YOUNG, seconds(s->now_ns - s->process->start_ns));
	else
		finding_because(s, f, EVIDENCE_MAY_BE_FILLING);
}
