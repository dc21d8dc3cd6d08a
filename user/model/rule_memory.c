/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rule_memory.c - memory that a process takes and never gives back.
 *
 * Two proofs.  The process: its memory grows without end (growth.c says when), and of what it grew
 * by the most is held by what was taken at one place, or a few.  The place: where an allocator's
 * calls are counted one by one, what a place holds rises and goes on rising, as for objects
 * (rise.c); then the process's own size proves nothing more, for it may hide a small leak.
 *
 * A place that took much and gave it back holds nothing, and is not named.  What is kept is a cache
 * where the language would have freed what nobody refers to, else memory that was not freed.  What
 * another rule has found already (results never freed, connections never closed) takes its memory
 * with it: that finding then says what it costs, and nothing is accused twice.
 */
#include <string.h>

#include "advice.h"
#include "growth.h"
#include "memory_view.h"
#include "taking.h"

#define MB		(1 << 20)
#define CULPRITS_MOST	4
#define NAMED_MOST	4
#define EXACT_BLOCKS	10
#define EXACT_BYTES	(64 << 10)
#define EXACT_NS	(5 * SECOND_NS)
#define SAMPLED_BYTES	(512 << 10)
#define SAMPLED_ERRORS	3
#define CERTAIN_NS	(8 * SECOND_NS)
#define CERTAIN_STEPS	6
#define SURE_NS		(60 * SECOND_NS)
#define SURE_BYTES	(32 * MB)
#define LIKELY_NS	(18 * SECOND_NS)
#define PLACELESS_NS	(45 * SECOND_NS)
#define LIKELY_BYTES	(12 * MB)
#define CONNECTION_COST (2 * MB) /* that one may have, with what its library and ORM keep of it */
#define STATEMENT_COST	(256 << 10)
#define KEPT_LEAST	(4 * MB)

/* What of a finding's memory is known, and what follows from it. */
struct account {
	const struct growth *growth; /* of the process; proof GROWTH_NONE: by the place alone */
	const struct takings *takings;
	const struct taking *taking; /* NULL: no place is known */
};

/*
 * The language.
 */

static enum ev_language language_of_comm(const char *comm)
{
	static const struct {
		const char *prefix;
		enum ev_language language;
	} names[] = {
		{"python", EV_LANG_PYTHON}, {"pypy", EV_LANG_PYTHON}, {"gunicorn", EV_LANG_PYTHON},
		{"uwsgi", EV_LANG_PYTHON},  {"celery", EV_LANG_PYTHON}, {"java", EV_LANG_JAVA},
		{"node", EV_LANG_JAVASCRIPT}, {"ruby", EV_LANG_RUBY}, {"puma", EV_LANG_RUBY},
		{"php", EV_LANG_PHP},	    {"perl", EV_LANG_PERL},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(comm, names[i].prefix, strlen(names[i].prefix)))
			return names[i].language;
	return EV_LANG_NATIVE;
}

/* That of most of its places that take memory: a thread may bear any name. */
static enum ev_language language_of(const struct scene *s)
{
	size_t votes[EV_LANG_GO + 1] = {}, best = EV_LANG_NATIVE;

	for (size_t i = 0; i < s->memory_site_count; i++) {
		const struct place *p = places_find(s->places, s->memory_sites[i]->state.stack);

		if (p && p->frame->language <= EV_LANG_GO)
			votes[p->frame->language]++;
	}
	for (size_t i = EV_LANG_PYTHON; i <= EV_LANG_GO; i++)
		if (votes[i] && (best == EV_LANG_NATIVE || votes[i] > votes[best]))
			best = i;
	return best != EV_LANG_NATIVE || votes[best] ? best : language_of_comm(s->process->comm);
}

static bool frees_by_itself(enum ev_language language)
{
	return language >= EV_LANG_PYTHON;
}

/*
 * Until when.
 */

/* Limits are set in powers of two; what the host has is not. */
static const char *in_binary(const struct scene *s, uint64_t bytes)
{
	static const char *const units[] = {"MiB", "GiB", "TiB"};
	size_t i = 0;

	if (bytes % MB)
		return arena_format(s->arena, bytes >= 9.95e8 ? "%.0f GB" : "%.2f GB", bytes / 1e9);
	for (bytes /= MB; i < 2 && bytes >= 1024 && bytes % 1024 == 0; i++)
		bytes /= 1024;
	return arena_format(s->arena, "%llu %s", (unsigned long long)bytes, units[i]);
}

/* The limit that is nearest in time: descriptors may have been told already. */
static void exhaustion(const struct scene *s, struct finding_view *f, const struct growth *g)
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
 * What it costs.
 */

static bool is_growing(const struct account *a)
{
	return a->growth->proof != GROWTH_NONE;
}

static struct memory_cost cost_of(const struct account *a)
{
	const struct taking *t = a->taking;
	struct memory_cost c = {.tier = a->takings->count ? a->takings->tier : EV_TIER_GROWTH};

	if (t) {
		c.placed = t->from.place;
		c.held = t->held;
		c.error = t->error;
		c.at_least = t->flags & EV_MEMORY_LOWER_BOUND;
	}
	if (!is_growing(a))
		return c;
	c.grown = a->growth->grown;
	c.seconds = a->growth->trend.seconds;
	c.per_minute = a->growth->per_minute;
	if (t && c.placed && t->grown < c.grown)
		c.per_minute *= (double)t->grown / c.grown;
	return c;
}

static const char *megabytes(const struct scene *s, double bytes)
{
	if (bytes < 9.95e5)
		return arena_format(s->arena, "%.0f kB", bytes / 1e3);
	return arena_format(s->arena, bytes < 9.95e6 ? "%.1f MB" : "%.0f MB", bytes / 1e6);
}

/*
 * What the finding says.
 */

static void say_growth(struct scene *s, struct finding_view *f, const struct growth *g)
{
	const struct trend *t = &g->trend;
	double first = t->floor[0] * MEMORY_UNIT, last = t->floor[t->parts - 1] * MEMORY_UNIT;

	finding_because(s, f, "the memory below which the process does not go back rose from %s to "
			"%s in %.0f s, in %u of %u parts of that time, and still rises",
			megabytes(s, first), megabytes(s, last), t->seconds, t->rises, t->parts - 1);
	if (g->fell)
		finding_because(s, f, "it was given back only when the process ended");
	if (g->beside_failures)
		finding_because(s, f, "it rises where transactions fail, and rests where none does");
	if (g->collected)
		finding_because(s, f, "it fell several times meanwhile, each time to more than "
				"before");
}

static const char *list_others(const struct scene *s, const struct account *a, uint64_t *rest)
{
	const char *names = "";
	size_t named = 0;

	for (size_t i = 0; i < a->takings->count && named < NAMED_MOST; i++) {
		const struct taking *t = &a->takings->all[i];

		if (t == a->taking || !t->from.place || t->grown < a->growth->grown / 20)
			continue;
		names = arena_format(s->arena, "%s, %s at %s", names, megabytes(s, t->grown),
				     place_name(s, t->from.place));
		*rest -= t->grown < *rest ? t->grown : *rest;
		named++;
	}
	return names;
}

/* How much of the growth is explained, and by whom. */
static void say_shares(struct scene *s, struct finding_view *f, const struct account *a)
{
	uint64_t grown = a->growth->grown, rest = grown;
	const char *others;

	if (!is_growing(a))
		return;
	if (!a->taking || !a->taking->from.place) {
		finding_because(s, f, "who took it is not known: %s",
				a->takings->count ? "no frame of the stacks seen is the program's own"
						  : "no stack was seen");
		return;
	}
	rest -= a->taking->grown < rest ? a->taking->grown : rest;
	others = list_others(s, a, &rest);
	finding_because(s, f, "%s of %s more are held by what was taken here%s",
			megabytes(s, a->taking->grown < grown ? a->taking->grown : grown),
			megabytes(s, grown), others ? others : "");
	if (rest > grown / 10)
		finding_because(s, f, "who took the other %s was not seen, or is many",
				megabytes(s, rest));
}

static const char *const sources[] = {
	[EV_TIER_GROWTH] = "samples of the first touches of its pages",
	[EV_TIER_CLIENT] = "what client libraries take and give back",
	[EV_TIER_FULL] = "the calls of its allocator",
};

/* A tier's figure is worth what it is taken from. */
static void say_source(struct scene *s, struct finding_view *f, const struct account *a)
{
	const struct taking *t = a->taking;

	if (!t || a->takings->tier >= sizeof(sources) / sizeof(sources[0]) ||
	    !sources[a->takings->tier])
		return;
	if (t->error >= 1)
		finding_because(s, f, "%s held, give or take %s: from %s", megabytes(s, t->held),
				megabytes(s, t->error), sources[a->takings->tier]);
	else
		finding_because(s, f, "%s held: from %s", megabytes(s, t->held),
				sources[a->takings->tier]);
	if (a->takings->tier == EV_TIER_GROWTH)
		finding_because(s, f, "a line that needs much for a moment may stand there for one "
				"that keeps a little each time");
	if (t->flags & EV_MEMORY_LOWER_BOUND)
		finding_because(s, f, "at least so much: there was no room to note all of it");
	if (t->flags & EV_MEMORY_WINDOWS)
		finding_because(s, f, "seen in short windows, and reckoned up to the whole time");
}

/* The last request of a connection that is gone, where there was but one endpoint. */
static const struct endpoint *endpoint_of_past(const struct scene *s, const struct text **sql)
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

static void name_connection(struct scene *s, struct finding_view *f, uint64_t id)
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

/* Rows of a reply, if half of it was taken while one was read. */
static void say_reply(struct scene *s, struct finding_view *f, const struct taking *t)
{
	if (!t || !t->connection || 2 * t->reply_bytes < t->taken_bytes)
		return;
	name_connection(s, f, t->connection);
	finding_because(s, f, "%s of the %s taken there went into replies and their rows",
			megabytes(s, t->reply_bytes), megabytes(s, t->taken_bytes));
}

/*
 * Its kind, its cause, and how sure we are.
 */

static bool counts_each(const struct taking *t)
{
	return t->taken != UNKNOWN64 && t->freed != UNKNOWN64 && t->error < 1 &&
	       !(t->flags & (EV_MEMORY_ESTIMATED | EV_MEMORY_WINDOWS));
}

static enum kind kind_of(const struct account *a)
{
	const struct taking *t = a->taking;

	if (a->growth->fell)
		return KIND_IMPLICIT;
	if (is_growing(a) && a->growth->sporadic)
		return KIND_SPORADIC;
	if (!t || a->takings->tier != EV_TIER_FULL)
		return KIND_FREQUENT;
	if (counts_each(t) && t->taken && t->freed <= t->taken)
		return 10 * (t->taken - t->freed) >= 7 * t->taken ? KIND_FREQUENT : KIND_SPORADIC;
	return 10 * t->held >= 7 * t->taken_bytes ? KIND_FREQUENT : KIND_SPORADIC;
}

static double explained(const struct account *a)
{
	return a->taking && a->growth->grown ? (double)a->taking->grown / a->growth->grown : 0;
}

/* Line and size agree: a minute and more, nearly all of it is held there, and rises evenly. */
static bool agree_strongly(const struct account *a)
{
	const struct trend *t = &a->growth->trend;

	return a->growth->proof == GROWTH_STEADY && t->seconds >= seconds(SURE_NS) &&
	       a->growth->grown >= SURE_BYTES && explained(a) >= 0.75 && explained(a) <= 1.5 &&
	       t->slope_low >= 0.7 * t->slope && a->taking->error <= a->taking->held / 8.0;
}

static enum confidence sure_of_growth(const struct account *a, enum ev_language language)
{
	const struct growth *g = a->growth;

	if (g->proof == GROWTH_COARSE || (growth_collects(language) && !g->collected))
		return CONFIDENCE_POSSIBLE;
	if (agree_strongly(a))
		return CONFIDENCE_CERTAIN;
	/* One of two lines that touch new pages may be innocent. */
	if (g->trend.to_ns - g->trend.from_ns < LIKELY_NS || g->grown < LIKELY_BYTES ||
	    explained(a) < (a->takings->tier == EV_TIER_GROWTH ? 0.55 : 0.3))
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
	bool known = t && a->takings->tier == EV_TIER_FULL && counts_each(t) && t->taken &&
		     t->freed <= t->taken;

	f->acquired = known ? t->taken : UNKNOWN64;
	f->released = known ? t->freed : UNKNOWN64;
	f->open = known ? t->taken - t->freed : UNKNOWN64;
}

static struct finding_view *found(struct scene *s, const struct account *a,
				  enum ev_language language)
{
	struct finding_view *f = finding_add(s, cause_of(a->taking, language), RESOURCE_MEMORY);
	struct origins from = {};

	if (!f)
		return NULL;
	f->verdict = VERDICT_LEAKING;
	f->kind = kind_of(a);
	f->memory = cost_of(a);
	f->bytes = a->taking ? a->taking->held : UNKNOWN64;
	count_blocks(f, a);
	if (is_growing(a))
		say_growth(s, f, a->growth);
	say_shares(s, f, a);
	say_source(s, f, a);
	say_reply(s, f, a->taking);
	if (a->taking && a->taking->from.stack) {
		origins_add(&from, a->taking->from, 1);
		finding_from(s, f, &from, true);
	}
	f->advice = advice_in(s, f, f->cause == CAUSE_CACHE_GROWTH ? ADVICE_BOUND : ADVICE_FREE,
			      f->site ? f->site->language : language);
	exhaustion(s, f, a->growth);
	return f;
}

/*
 * What other rules have found.
 */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool is_at(const struct finding_view *f, const struct place *p)
{
	return p && f->site && f->site->language == p->frame->language &&
	       same_text(f->site->function, p->frame->function) &&
	       same_text(f->site->file, p->frame->file);
}

static bool is_ours(const struct finding_view *f)
{
	return f->resource == RESOURCE_MEMORY && f->memory.tier != EV_TIER_OFF && !f->object;
}

/* May what it counts be what the memory is of? */
static bool may_cost(const struct finding_view *f, const struct account *a)
{
	uint64_t each = f->resource == RESOURCE_CONNECTION  ? CONNECTION_COST
			: f->resource == RESOURCE_STATEMENT ? STATEMENT_COST
							    : 0;

	if (f->verdict != VERDICT_LEAKING || f->resource == RESOURCE_TRANSACTION)
		return false;
	if (is_ours(f)) /* two lines of one function stay two */
		return a->taking && is_at(f, a->taking->from.place) &&
		       f->site->line == a->taking->from.place->frame->line;
	if (a->taking && is_at(f, a->taking->from.place))
		return true;
	if (f->open == UNKNOWN64 || !is_growing(a))
		return false;
	if (!f->site && (f->resource == RESOURCE_RESULT || f->resource == RESOURCE_MEMORY))
		return true; /* where they come from was not seen */
	return a->growth->grown <= each * (f->open + 1);
}

static struct finding_view *behind(struct finding_view *all, size_t n, const struct account *a)
{
	for (size_t i = 0; i < n; i++)
		if (may_cost(&all[i], a))
			return &all[i];
	return NULL;
}

static bool is_known(struct scene *s, const struct account *a)
{
	struct finding_view *f = behind(s->findings, s->finding_count, a);

	f = f ? f : behind(s->view->findings, s->view->finding_count, a);
	if (!f)
		return false;
	if (f->memory.tier != EV_TIER_OFF)
		return true; /* the place with most has told */
	f->memory = cost_of(a);
	if (f->bytes == UNKNOWN64 && a->taking && is_at(f, a->taking->from.place))
		f->bytes = a->taking->held;
	if (is_growing(a))
		finding_because(s, f, "with them the process grew by %s in %.0f s, and still does",
				megabytes(s, a->growth->grown), a->growth->trend.seconds);
	if (a->taking && is_at(f, a->taking->from.place))
		finding_because(s, f, "%s taken there are still held",
				megabytes(s, a->taking->held));
	exhaustion(s, f, a->growth);
	return true;
}

/*
 * Places that prove it alone.
 */

/* Of samples the bytes held are worth more than the blocks, and must stand far above their error. */
static bool rises_alone(const struct scene *s, const struct taking *t, struct rise *r, bool *fell)
{
	bool exact = counts_each(t);

	if (!t->from.place)
		return false;
	*r = rise_of(s, exact ? &t->blocks : &t->size, s->now_ns, fell);
	if (!rise_goes_on(s, r) || r->last_ns - r->first_ns < EXACT_NS)
		return false;
	if (exact)
		return r->held >= r->base + EXACT_BLOCKS && (t->held >= EXACT_BYTES || *fell);
	return (r->held - r->base) * MEMORY_UNIT >= SAMPLED_BYTES &&
	       (r->held - r->base) * MEMORY_UNIT >= SAMPLED_ERRORS * t->error;
}

static void found_alone(struct scene *s, const struct account *a, const struct rise *r,
			enum ev_language language)
{
	struct trend bytes = trend_of(&a->taking->size, r->first_ns, r->end_ns, TREND_PARTS);
	struct trend blocks = trend_of(&a->taking->blocks, r->first_ns, r->end_ns, TREND_PARTS);
	bool exact = counts_each(a->taking);
	bool certain = exact && r->last_ns - r->first_ns >= CERTAIN_NS && r->steps >= CERTAIN_STEPS;
	struct finding_view *f = is_known(s, a) ? NULL : found(s, a, language);

	if (!f)
		return;
	f->confidence = confidence_cap(s, certain ? CONFIDENCE_CERTAIN : CONFIDENCE_LIKELY);
	f->oldest_seconds = seconds(r->end_ns - r->first_ns);
	if (f->open != UNKNOWN64)
		f->growth_per_minute = blocks.slope > 0 ? blocks.slope * 60 : 0;
	f->memory.per_minute = bytes.slope > 0 ? bytes.slope * MEMORY_UNIT * 60 : 0;
	if (exact)
		finding_because(s, f, "of the blocks taken there %llu more are held than at first, "
				"and in %.1f s there came ever more",
				(unsigned long long)(r->held - r->base),
				seconds(r->last_ns - r->first_ns));
	else
		finding_because(s, f, "of what is taken there %s more are held than at first, and "
				"in %.1f s there came ever more",
				megabytes(s, (double)(r->held - r->base) * MEMORY_UNIT),
				seconds(r->last_ns - r->first_ns));
}

/* How much of the process's growth they explain. */
static uint64_t judge_places(struct scene *s, const struct growth *g, enum ev_language language)
{
	struct trend window = takings_window(s);
	struct account a = {.growth = g};
	struct takings all;
	uint64_t grown = 0;
	size_t n = 0;
	struct rise r;

	if (!takings_find(s, EV_TIER_FULL, &window, &all)) {
		a.takings = &all;
		for (size_t i = 0; i < all.count && n < CULPRITS_MOST; i++) {
			struct growth own = *g;

			a.taking = &all.all[i];
			a.growth = &own;
			if (!rises_alone(s, a.taking, &r, &own.fell))
				continue;
			found_alone(s, &a, &r, language);
			n++;
			grown += all.all[i].grown;
		}
	}
	takings_free(&all);
	return grown;
}

/*
 * The process.
 */

/* Of what grew by as much or nearly so, that which rises in several steps of its own. */
static bool proves_itself(const struct account *a, const struct taking *t)
{
	const struct trend *whole = &a->growth->trend;
	struct trend own = trend_of(&t->size, whole->from_ns, whole->to_ns, 8);

	return t->from.place && t->grown > t->error && own.parts && own.rises >= 2 &&
	       own.largest <= 0.7 && 2 * own.since <= own.parts &&
	       (5 * t->grown >= a->growth->grown || 3 * t->grown >= a->takings->grown);
}

static void accuse(struct scene *s, struct account *a, enum ev_language language)
{
	struct finding_view *f = is_known(s, a) ? NULL : found(s, a, language);

	if (f)
		f->confidence = confidence_cap(s, sure_of_growth(a, language));
}

/* Without a place the growth must be beyond doubt. */
static void accuse_nobody(struct scene *s, struct account *a, enum ev_language language)
{
	const struct growth *g = a->growth;

	a->taking = NULL;
	if (is_known(s, a))
		return;
	if (g->proof < GROWTH_REPEATED || g->trend.to_ns - g->trend.from_ns < PLACELESS_NS ||
	    g->grown < LIKELY_BYTES || (growth_collects(language) && !g->collected))
		return;
	accuse(s, a, language);
}

static void judge_growth(struct scene *s, const struct growth *g, const struct takings *t,
			 enum ev_language language)
{
	struct account a = {.growth = g, .takings = t};
	const struct taking *most = NULL;
	size_t n = 0;

	for (size_t i = 0; i < t->count && n < CULPRITS_MOST; i++) {
		const struct taking *x = &t->all[i];

		if (!most && x->from.place && x->grown > x->error)
			most = x;
		if (!proves_itself(&a, x))
			continue;
		a.taking = x;
		accuse(s, &a, language);
		n++;
	}
	if (n)
		return;
	a.taking = most;
	/* None proves it alone, but one has much of it. */
	if (most && 5 * most->grown >= 2 * g->grown)
		accuse(s, &a, language);
	else
		accuse_nobody(s, &a, language);
}

/* The closest tier that explains half of the growth; else the one that explains most. */
static int judge_process_growth(struct scene *s, const struct growth *g, enum ev_language language)
{
	static const enum ev_tier tiers[] = {EV_TIER_FULL, EV_TIER_CLIENT, EV_TIER_GROWTH};
	struct takings best = {.tier = EV_TIER_GROWTH};
	int err = 0;

	for (size_t i = 0; i < sizeof(tiers) / sizeof(tiers[0]) && 2 * best.grown < g->grown; i++) {
		struct takings t;

		err = takings_find(s, tiers[i], &g->trend, &t);
		if (!err && t.count && (!best.all || t.grown > best.grown)) {
			takings_free(&best);
			best = t;
		} else {
			takings_free(&t);
		}
		if (err)
			break;
	}
	if (!err)
		judge_growth(s, g, &best, language);
	takings_free(&best);
	return err;
}

/*
 * What a large result still costs.
 */

static const struct endpoint *endpoint_named(const struct scene *s, const char *name)
{
	for (const struct endpoint *e = s->process->endpoints; e; e = e->next)
		if (e->result.bytes && same_text(place_text(s, e), name))
			return e;
	return NULL;
}

static void tell_result(struct scene *s, struct finding_view *f, const struct takings *all)
{
	const struct endpoint *e = endpoint_named(s, f->endpoint);

	for (size_t i = 0; i < all->count; i++) {
		const struct taking *t = &all->all[i];
		bool same = e && t->connection && t->connection == e->result.id;

		if (!t->held || (!is_at(f, t->from.place) && !same))
			continue;
		f->memory = (struct memory_cost){.tier = all->tier,
						 .placed = true,
						 .held = t->held,
						 .error = t->error,
						 .at_least = t->flags & EV_MEMORY_LOWER_BOUND,
						 .per_minute = -1};
		finding_because(s, f, "%s of what was taken for it are still held",
				megabytes(s, t->held));
		return;
	}
}

/* Where no stack says who took it: the process has more than before, and keeps it. */
static void tell_kept(struct scene *s, struct finding_view *f)
{
	const struct memory_model *m = &s->process->memory;
	struct rise r = history_rise(&m->size, s->now_ns);
	uint64_t kept = r.held > r.base ? (r.held - r.base) * MEMORY_UNIT : 0;

	if (f->memory.tier == EV_TIER_OFF && kept >= KEPT_LEAST && !s->process->exited_ns)
		finding_because(s, f, "the process keeps %s more than at first, for good",
				megabytes(s, kept));
}

static int tell_results(struct scene *s)
{
	static const enum ev_tier tiers[] = {EV_TIER_FULL, EV_TIER_CLIENT, EV_TIER_GROWTH};
	struct finding_view *f = finding_of(s, CAUSE_UNBOUNDED_RESULT);
	struct trend window = takings_window(s);
	int err = 0;

	if (!f || !s->process->memory.samples)
		return 0;
	for (size_t i = 0; i < sizeof(tiers) / sizeof(tiers[0]) && !err; i++) {
		struct takings all;

		err = takings_find(s, tiers[i], &window, &all);
		if (!err && f->memory.tier == EV_TIER_OFF)
			tell_result(s, f, &all);
		takings_free(&all);
	}
	tell_kept(s, f);
	return err;
}

static void tell_bounded(struct scene *s)
{
	struct process_view *v = s->view;
	const char *reason = v->verdict == VERDICT_OK && !s->finding_count ? growth_bounded(s) : NULL;

	if (!reason)
		return;
	v->verdict = VERDICT_BOUNDED;
	v->verdict_reason = reason;
}

/* What has nothing to do with a database is not ours to judge. */
static bool uses_database(const struct scene *s)
{
	return s->view->endpoint_count || s->process->sites;
}

int rule_memory(struct scene *s)
{
	enum ev_language language = language_of(s);
	struct growth g = growth_of(s, language);
	uint64_t explained_alone;

	if (!uses_database(s))
		return 0;
	explained_alone = judge_places(s, &g, language);
	if (tell_results(s))
		return -1;
	if (g.proof != GROWTH_NONE && 2 * explained_alone < g.grown)
		return judge_process_growth(s, &g, language);
	if (g.proof == GROWTH_NONE)
		tell_bounded(s);
	return 0;
}
