/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rule_memory.c - memory that a process takes and never gives back.
 *
 * Two proofs count.
 *   process  The memory of the process grows without end (growth.c says when), and most of the
 *            growth is held by what was taken at one place, or a few.
 *   place    The calls of an allocator are counted one by one, and what a place holds rises and
 *            goes on rising, as for objects (rise.c).  The size of the process is not asked then,
 *            because it may hide a small leak.
 *
 * A place that took much and gave it back holds nothing, and is not named.  Memory that is kept is
 * a cache where the language frees what nobody refers to, else memory that was not freed.  A leak
 * that another rule has found already (results never freed, connections never closed) takes its
 * memory with it: that finding then says what it costs, and nothing is accused twice.
 */
#include <string.h>

#include "user/judge/explain.h"
#include "user/judge/memory_finding.h"
#include "user/judge/memory_view.h"
#include "user/judge/rules.h"
#include "user/judge/words.h"

#define MB		(1 << 20)
#define CULPRITS_MOST	4
#define EXACT_BLOCKS	10
#define EXACT_BYTES	(64 << 10)
#define EXACT_NS	(5 * SECOND_NS)
#define SAMPLED_BYTES	(512 << 10)
#define SAMPLED_ERRORS	3
#define CERTAIN_NS	(8 * SECOND_NS)
#define CERTAIN_STEPS	6
#define PLACELESS_NS	(45 * SECOND_NS)
#define PLACELESS_BYTES (12 * MB)
#define CONNECTION_COST (2 * MB) /* of one connection, with what its library and ORM keep */
#define STATEMENT_COST	(256 << 10)
#define KEPT_LEAST	(4 * MB)

/*
 * The language.
 */

static enum ev_language language_of_comm(const char *comm)
{
	static const struct {
		const char *prefix;
		enum ev_language language;
	} names[] = {
		{"python", EV_LANG_PYTHON},
		{"pypy", EV_LANG_PYTHON},
		{"gunicorn", EV_LANG_PYTHON},
		{"uwsgi", EV_LANG_PYTHON},
		{"celery", EV_LANG_PYTHON},
		{"java", EV_LANG_JAVA},
		{"node", EV_LANG_JAVASCRIPT},
		{"ruby", EV_LANG_RUBY},
		{"puma", EV_LANG_RUBY},
		{"php", EV_LANG_PHP},
		{"perl", EV_LANG_PERL},
		{"MainThread", EV_LANG_JAVASCRIPT}, /* Node's name for its first thread */
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(comm, names[i].prefix, strlen(names[i].prefix)))
			return names[i].language;
	return EV_LANG_NATIVE;
}

/* The language of most places that take memory; native only if there is no other.  Without such
 * places the name of the process decides, last because a thread may bear any name. */
static enum ev_language language_of(const struct rule_input *s)
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

/*
 * Findings of other rules.
 */

static bool rule_memory_same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool is_at(const struct finding_view *f, const struct place *p)
{
	return p && f->site && f->site->language == p->frame->language &&
	       rule_memory_same_text(f->site->function, p->frame->function) &&
	       rule_memory_same_text(f->site->file, p->frame->file);
}

static bool is_ours(const struct finding_view *f)
{
	return f->resource == RESOURCE_MEMORY && f->memory.tier != EV_TIER_OFF && !f->object;
}

/* May the memory belong to the objects that the finding counts? */
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
	if (f->open == UNKNOWN64 || !account_grows(a))
		return false;
	if (!f->site && (f->resource == RESOURCE_RESULT || f->resource == RESOURCE_MEMORY))
		return true; /* the place of the objects was not seen */
	return a->growth->grown <= each * (f->open + 1);
}

static struct finding_view *behind(struct finding_view *all, size_t n, const struct account *a)
{
	for (size_t i = 0; i < n; i++)
		if (may_cost(&all[i], a))
			return &all[i];
	return NULL;
}

static const struct endpoint *endpoint_named(const struct rule_input *s, const char *name)
{
	for (const struct endpoint *e = s->process->endpoints; e; e = e->next)
		if (e->result.bytes && rule_memory_same_text(place_text(s, e), name))
			return e;
	return NULL;
}

/* May the growth be garbage of large results?  The process grew by at most two thirds of what all
 * results took, so some are gone already, and none is kept for good. */
static bool are_garbage(const struct rule_input *s, const struct account *a,
			const struct endpoint *e)
{
	enum ev_language language = language_of(s);

	return growth_collects(language) &&
	       (growth_may_be_garbage(a->growth, language) ||
		3.0 * a->growth->grown <= 2.0 * e->results * e->result.grown_bytes);
}

/* Does the growth belong to a large result that is reported already?  A result that is read slowly
 * rises in steps, too, and several results may be garbage.  A place that is not vague is exempt:
 * to look up which objects live says more. */
static bool is_of_result(struct rule_input *s, const struct account *a)
{
	const struct finding_view *f = finding_of(s, CAUSE_UNBOUNDED_RESULT);
	const struct endpoint *e = f && account_grows(a) ? endpoint_named(s, f->endpoint) : NULL;
	const struct place *place = a->taking ? a->taking->from.place : NULL;

	if (!e || !account_is_vague(a) || (place && !is_at(f, place)))
		return false;
	return 4 * a->growth->grown <= 5 * e->result.grown_bytes || are_garbage(s, a, e);
}

/* "62 MB taken at cache.py:17 remember" */
static const char *taking_words(const struct rule_input *s, const struct taking *t)
{
	const char *name = t && t->from.place ? place_name(s, t->from.place) : NULL;

	if (!t)
		return "memory taken at unknown lines";
	return explain_words(s, "%s taken at %s and not freed", memory_words(s, t->held),
			     name ? name : "unknown lines");
}

static bool rule_memory_is_known(struct rule_input *s, const struct account *a)
{
	struct finding_view *f = behind(s->findings, s->finding_count, a);

	f = f ? f : behind(s->view->findings, s->view->finding_count, a);
	if (!f) {
		if (!is_of_result(s, a))
			return false;
		explain_not(s, "the growth may be all of the large result that a finding tells of");
		return true;
	}
	explain_proven(s, "%s: told with the finding %s", taking_words(s, a->taking),
		       cause_name(f->cause));
	if (f->memory.tier != EV_TIER_OFF)
		return true; /* the place with the most says it */
	f->memory = account_cost(a);
	if (f->bytes == UNKNOWN64 && a->taking && is_at(f, a->taking->from.place))
		f->bytes = a->taking->held;
	if (account_grows(a))
		finding_because(s, f, EVIDENCE_GREW_MEANWHILE, memory_words(s, a->growth->grown),
				a->growth->trend.seconds,
				s->process->exited_ns ? "" : ", and is still growing");
	if (a->taking && is_at(f, a->taking->from.place))
		finding_because(s, f, EVIDENCE_ALLOCATED_NOT_FREED,
				memory_words(s, a->taking->held));
	memory_exhaustion(s, f, a->growth);
	return true;
}

/*
 * Places that prove a leak alone.
 */

/* Returns what a place lacks to prove a leak alone; NULL: nothing.  Exact counts are judged by
 * blocks. Samples are judged by bytes, which must stand far above their error. */
static const char *place_lacks(const struct rule_input *s, const struct taking *t, struct rise *r,
			       bool *fell)
{
	bool exact = taking_counts_each(t);
	const char *lacks;
	double rose;

	if (!t->from.place || t->room)
		return explain_why(s, "no line of the program is known");
	*r = rise_of(s, exact ? &t->blocks : &t->size, s->now_ns, fell);
	lacks = rise_lacks(s, r);
	if (lacks)
		return lacks;
	if (r->last_ns - r->first_ns < EXACT_NS)
		return explain_why(s, "it rose for %.1f s, less than %.0f s",
				   seconds(r->last_ns - r->first_ns), seconds(EXACT_NS));
	if (exact)
		return r->held >= r->base + EXACT_BLOCKS && (t->held >= EXACT_BYTES || *fell)
			       ? NULL
			       : explain_why(s, "less than %s in %d blocks more than at first",
					     memory_words(s, EXACT_BYTES), EXACT_BLOCKS);
	rose = (r->held - r->base) * MEMORY_UNIT;
	return rose >= SAMPLED_BYTES && rose >= SAMPLED_ERRORS * t->error
		       ? NULL
		       : explain_why(s, "%s more than at first, less than %s or %d times the error",
				     memory_words(s, rose), memory_words(s, SAMPLED_BYTES),
				     SAMPLED_ERRORS);
}

static void found_alone(struct rule_input *s, const struct account *a, const struct rise *r,
			enum ev_language language)
{
	struct trend bytes = trend_of(&a->taking->size, r->first_ns, r->end_ns, TREND_PARTS);
	struct trend blocks = trend_of(&a->taking->blocks, r->first_ns, r->end_ns, TREND_PARTS);
	bool exact = taking_counts_each(a->taking);
	bool certain = exact && r->last_ns - r->first_ns >= CERTAIN_NS && r->steps >= CERTAIN_STEPS;
	struct finding_view *f = rule_memory_is_known(s, a) ? NULL : memory_found(s, a, language);

	if (!f)
		return;
	f->confidence = confidence_cap(s, certain ? CONFIDENCE_CERTAIN : CONFIDENCE_LIKELY);
	f->oldest_seconds = seconds(r->end_ns - r->first_ns);
	if (f->open != UNKNOWN64)
		f->growth_per_minute = blocks.slope > 0 ? blocks.slope * 60 : 0;
	f->memory.per_minute = bytes.slope > 0 ? bytes.slope * MEMORY_UNIT * 60 : 0;
	if (exact)
		finding_because(s, f, EVIDENCE_MORE_BLOCKS, (unsigned long long)(r->held - r->base),
				seconds(r->last_ns - r->first_ns));
	else
		finding_because(s, f, EVIDENCE_MORE_BYTES,
				memory_words(s, (double)(r->held - r->base) * MEMORY_UNIT),
				seconds(r->last_ns - r->first_ns));
}

/* Judges the places that prove a leak alone.  Returns how much of the process's growth they
 * explain, in bytes. */
static uint64_t judge_places(struct rule_input *s, const struct proven_growth *g,
			     enum ev_language language)
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
			struct proven_growth own = *g;
			const char *lacks;

			a.taking = &all.all[i];
			a.growth = &own;
			lacks = place_lacks(s, a.taking, &r, &own.fell);
			if (lacks) {
				explain_not(s, "%s: not alone: %s", taking_words(s, a.taking),
					    lacks);
				continue;
			}
			explain_proven(s, "%s: rises for %.1f s, in %u steps",
				       taking_words(s, a.taking), seconds(r.last_ns - r.first_ns),
				       r.steps);
			found_alone(s, &a, &r, language);
			a.reported = true;
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

/* The place's share of the growth, less where it gives back most of what it takes.  Its pages may
 * stay for objects that other lines have put there since. */
static double share_of(const struct account *a, const struct taking *t)
{
	double kept = t->taken_bytes > t->held ? (double)t->held / t->taken_bytes : 1;

	return kept * t->grown / a->growth->grown;
}

/* Does the place have a third of the growth?  A fifth suffices where the places together have 60 %
 * of it, and so does four fifths of what they have.  With less, the lines that keep memory were
 * not seen taking it, and the line that was seen is not to blame. */
static bool explains(const struct account *a, const struct taking *t)
{
	double seen = (double)a->takings->grown / a->growth->grown, share = share_of(a, t);

	return share >= 1 / 3.0 || (share >= 0.2 && seen >= 0.6) ||
	       (seen >= 0.6 && 5 * t->grown >= 4 * a->takings->grown);
}

/* Returns what a place lacks to answer for the growth of the process; NULL: nothing.  It must
 * explain enough of the growth, and rise in several steps of its own. */
static const char *answer_lacks(const struct rule_input *s, const struct account *a,
				const struct taking *t)
{
	const struct trend *whole = &a->growth->trend;
	struct trend own = trend_of(&t->size, whole->from_ns, whole->to_ns, 8);

	if (!t->from.place || t->room)
		return explain_why(s, "no line of the program is known");
	if (t->grown <= t->error)
		return explain_why(s, "it grew by no more than its error");
	if (!own.parts || own.rises < 2 || own.largest > 0.7 || 2 * own.since > own.parts)
		return explain_why(s,
				   "it rose in %u of %u parts, by %.0f %% in one, and the last %u "
				   "did not rise",
				   own.rises, own.parts, 100 * own.largest, own.since);
	return explains(a, t) ? NULL
			      : explain_why(s, "it explains %.0f %% of the growth, too little",
					    100 * share_of(a, t));
}

static void accuse(struct rule_input *s, struct account *a, enum ev_language language)
{
	struct finding_view *f = rule_memory_is_known(s, a) ? NULL : memory_found(s, a, language);

	if (!f)
		return;
	f->confidence = confidence_cap(s, account_sure(s, a, language));
	if (!a->reported)
		memory_doubt(s, f);
}

/* Without a place the growth must be beyond doubt. */
static void accuse_nobody(struct rule_input *s, struct account *a, enum ev_language language)
{
	const struct proven_growth *g = a->growth;

	a->taking = NULL;
	if (rule_memory_is_known(s, a))
		return;
	if (g->proof < GROWTH_REPEATED || g->trend.to_ns - g->trend.from_ns < PLACELESS_NS ||
	    g->grown < PLACELESS_BYTES || growth_may_be_garbage(g, language)) {
		explain_not(s,
			    "no line explains the growth, and without one it must be steady, of "
			    "%.0f s and %s, and no garbage",
			    seconds(PLACELESS_NS), memory_words(s, PLACELESS_BYTES));
		return;
	}
	explain_proven(s, "no line explains the growth, but it is beyond doubt");
	accuse(s, a, language);
}

static void judge_growth(struct rule_input *s, const struct proven_growth *g,
			 const struct takings *t, enum ev_language language)
{
	struct account a = {.growth = g, .takings = t};
	const struct taking *most = NULL;
	size_t n = 0;

	for (size_t i = 0; i < t->count && n < CULPRITS_MOST; i++) {
		const struct taking *x = &t->all[i];
		const char *lacks;

		if (!most && x->from.place && !x->room && x->grown > x->error)
			most = x;
		lacks = answer_lacks(s, &a, x);
		if (lacks) {
			explain_not(s, "%s: %s", taking_words(s, x), lacks);
			continue;
		}
		explain_proven(s, "%s: explains %.0f %% of the growth", taking_words(s, x),
			       100 * share_of(&a, x));
		a.taking = x;
		accuse(s, &a, language);
		a.reported = true;
		n++;
	}
	if (n)
		return;
	a.taking = most;
	/* No place proves it alone, but one has much of the growth. */
	if (most && 5 * most->grown >= 2 * g->grown && explains(&a, most)) {
		explain_proven(s, "%s: explains %.0f %% of the growth, if not by steps of its own",
			       taking_words(s, most), 100 * share_of(&a, most));
		accuse(s, &a, language);
	} else {
		accuse_nobody(s, &a, language);
	}
}

/* The client tier knows what a library holds, but seldom the stack that took it.  A tier that
 * knows the place says more. */
static bool is_better(const struct takings *t, const struct takings *than)
{
	bool placed = t->count && t->all[0].from.place,
	     other = than->count && than->all[0].from.place;

	if (!t->count || !than->count)
		return t->count;
	return placed != other && t->grown ? placed : t->grown > than->grown;
}

static bool tells_most(const struct takings *t, const struct proven_growth *g)
{
	return t->count && t->all[0].from.place && 2 * t->grown >= g->grown;
}

/* Uses the most exact tier that explains half of the growth; else the one that explains most. */
static int judge_process_growth(struct rule_input *s, const struct proven_growth *g,
				enum ev_language language)
{
	static const enum ev_tier tiers[] = {EV_TIER_FULL, EV_TIER_CLIENT, EV_TIER_GROWTH};
	struct takings best = {.tier = EV_TIER_GROWTH};
	int err = 0;

	for (size_t i = 0; i < sizeof(tiers) / sizeof(tiers[0]) && !tells_most(&best, g); i++) {
		struct takings t;

		err = takings_find(s, tiers[i], &g->trend, &t);
		if (!err && is_better(&t, &best)) {
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
 * Memory that a large result still costs.
 */

static void tell_result(struct rule_input *s, struct finding_view *f, const struct takings *all)
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
		finding_because(s, f, EVIDENCE_ITS_MEMORY, memory_words(s, t->held));
		return;
	}
}

/* For results without a known stack: the process keeps more memory than before. */
static void tell_kept(struct rule_input *s, struct finding_view *f)
{
	const struct memory_model *m = &s->process->memory;
	struct rise r = history_rise(&m->size, s->now_ns);
	uint64_t kept = r.held > r.base ? (r.held - r.base) * MEMORY_UNIT : 0;

	if (f->memory.tier == EV_TIER_OFF && kept >= KEPT_LEAST && !s->process->exited_ns)
		finding_because(s, f, EVIDENCE_USES_MORE, memory_words(s, kept));
}

static int tell_results(struct rule_input *s)
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

static void tell_bounded(struct rule_input *s)
{
	struct process_view *v = s->view;
	const char *reason = v->verdict == VERDICT_OK && !s->finding_count ? growth_bounded(s)
									   : NULL;

	if (!reason)
		return;
	v->verdict = VERDICT_BOUNDED;
	v->verdict_reason = reason;
}

/* A process that uses no database is not judged. */
static bool uses_database(const struct rule_input *s)
{
	return s->view->endpoint_count || s->process->sites;
}

int rule_memory(struct rule_input *s)
{
	const struct memory_model *m = &s->process->memory;
	enum ev_language language = language_of(s);
	struct proven_growth g;
	uint64_t explained_alone;

	if (!uses_database(s)) {
		explain_not(s, "the process uses no database");
		return 0;
	}
	if (m->samples)
		explain_saw(s, "%llu sizes known, from %s to %s; language: %s",
			    (unsigned long long)m->samples, memory_words(s, m->start),
			    memory_words(s, m->end), language_name(language));
	g = growth_of(s, language);
	if (g.proof == GROWTH_NONE)
		explain_not(s, m->samples ? "growth: not without end in any span of time"
					  : "growth: the memory was not measured");
	explained_alone = judge_places(s, &g, language);
	if (tell_results(s))
		return -1;
	if (g.proof != GROWTH_NONE && 2 * explained_alone < g.grown)
		return judge_process_growth(s, &g, language);
	if (g.proof == GROWTH_NONE)
		tell_bounded(s);
	return 0;
}
