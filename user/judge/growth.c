/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * growth.c - when the memory of a process that grew is a leak.
 *
 * Programs take memory when they start, fill pools and caches, keep what a large result once
 * needed, let garbage lie until it is collected, and never give all of it back.  All of that stops.
 * So the judge looks at the floor: the level below which memory does not go back.  The floor must
 *   - rise in many separate steps, not in one jump;
 *   - rise in the second half nearly as much as in the first: a cache fills ever more slowly;
 *   - rise until now: growth followed by a flat time of the same length is `bounded`, and a short
 *     flat time leaves no proof;
 *   - have a slope above zero even at the low end of its confidence interval (Theil and Sen);
 *   - rise by more than a few megabytes, and by a part of the process's size;
 *   - rise beside work: one request whose reply is read for a minute is one step.
 * The rise at the start is left out if the time after it proves the leak alone.  A short watch can
 * prove little, so it must show more growth; a language that collects garbage, much more.
 */
#include "user/judge/growth.h"

#include <string.h>

#include "user/judge/collected.h"
#include "user/judge/explain.h"
#include "user/judge/words.h"

#define MB	       (1ULL << 20)
#define LEAST_NS       (5 * SECOND_NS)
#define SHORT_NS       (8 * SECOND_NS)
#define LONG_NS	       (60 * SECOND_NS)
#define COARSE_NS      (20 * SECOND_NS)
#define IDLE_NS	       (30 * SECOND_NS)
#define STALE_NS       (2 * SECOND_NS)
#define SAMPLES_FINE   48 /* for sixteen parts */
#define SAMPLES_MEDIUM 8
#define SAMPLES_STILL  12
#define SAMPLES_COARSE 6
#define BEGINNINGS     5 /* in eighths of the time: 0 to 4 */
#define STEPS_MOST     64
#define LEAST_WORK     3 /* separate rises beside work */

static const struct collector {
	enum ev_language language;
	uint64_t grown, ns; /* the least growth, in bytes and time, while no collection was seen */
	uint64_t beyond;    /* bytes: growth beyond this, and of 3 times the first floor, is no
			       garbage; 0: any growth may be */
} collectors[] = {
	{EV_LANG_JAVA, 256 * MB, 60 * SECOND_NS, 0},
	{EV_LANG_JAVASCRIPT, 64 * MB, 15 * SECOND_NS, 128 * MB},
	{EV_LANG_GO, 64 * MB, 15 * SECOND_NS, 128 * MB},
	{EV_LANG_RUBY, 32 * MB, 10 * SECOND_NS, 96 * MB},
};

static const struct collector *collector_of(enum ev_language language)
{
	for (size_t i = 0; i < sizeof(collectors) / sizeof(collectors[0]); i++)
		if (collectors[i].language == language)
			return &collectors[i];
	return NULL;
}

bool growth_collects(enum ev_language language)
{
	return collector_of(language);
}

bool growth_may_be_garbage(const struct proven_growth *g, enum ev_language language)
{
	const struct collector *c = collector_of(language);
	double base = g->trend.floor[0] * MEMORY_UNIT;

	if (!c || g->collected)
		return false;
	return !c->beyond || g->grown < c->beyond || g->grown < 3 * base;
}

/*
 * The shape of the growth.
 */

/* Counts falls by more than a tenth of the growth. */
static unsigned falls(const struct history *h, const struct trend *t)
{
	double before = 0, least = t->grown / 10;
	unsigned n = 0;

	for (uint64_t at = t->from_ns; at < t->to_ns; at += h->width_ns) {
		double now = history_least(h, at, at + 1);

		n += now < before - least;
		before = now;
	}
	return n;
}

/* Do both halves bring enough of the growth?  A cache fills ever more slowly.  Seen from the
 * middle on, its growth looks more even than it is, so the limit is higher there. */
static bool is_even(const struct trend *t, bool whole)
{
	return t->late >= (whole ? 0.4 : 0.43) && t->late <= 0.75;
}

static bool is_steady(const struct trend *t)
{
	return t->parts >= 8 && 4 * t->rises >= 3 * (t->parts - 1) && t->since <= t->parts / 16 &&
	       t->largest <= 0.35;
}

static bool is_repeated(const struct trend *t)
{
	return t->parts >= 8 && t->rises >= 5 && t->since <= t->parts / 4 &&
	       t->since <= t->pause + 1 && t->largest <= 0.35 && t->to_ns - t->from_ns >= LONG_NS;
}

/* A saw-tooth with few teeth. */
static bool is_coarse(const struct history *h, const struct trend *t)
{
	return t->parts == 4 && falls(h, t) >= 3 && t->rises == 3 && t->largest <= 0.5 &&
	       t->to_ns - t->from_ns >= COARSE_NS;
}

/* Returns what the shape of the growth lacks for a proof; NULL: nothing, and *proof says which it
 * is. */
static const char *shape_lacks(const struct rule_input *s, const struct history *h,
			       const struct trend *t, enum growth_proof *proof)
{
	bool sure = t->slope_low > 0 && 3 * t->slope_low * t->seconds >= t->grown;

	if (t->grown <= 0)
		return explain_why(s, "its floor did not rise");
	if (!is_even(t, t->from_ns == h->first_ns))
		return explain_why(s, "not even: %.0f %% of the growth came in the second half",
				   100 * t->late);
	if (is_steady(t) && sure)
		*proof = GROWTH_STEADY;
	else if (is_repeated(t) && t->slope_low > 0)
		*proof = GROWTH_REPEATED;
	else if (is_coarse(h, t))
		*proof = GROWTH_COARSE;
	else
		return explain_why(s,
				   "not steady: %u of %u parts rose, the last %u did not, the "
				   "largest rise was %.0f %%, the slope is %ssure",
				   t->rises, t->parts - 1, t->since, 100 * t->largest,
				   sure ? "" : "not ");
	return NULL;
}

/*
 * The size of the growth.
 */

/* The growth that proves something in that time, in bytes. */
static double least_growth(const struct trend *t)
{
	uint64_t span = t->to_ns - t->from_ns;
	double base = t->floor[0] * MEMORY_UNIT, least, part;

	if (span < SHORT_NS) {
		least = 16 * MB;
		part = base / 4;
	} else if (span < LONG_NS) {
		least = 6 * MB;
		part = base / 16;
	} else { /* a log or cache may take minutes to fill */
		least = 12 * MB;
		part = base / 32;
	}
	return least > part ? least : part;
}

/* Counted collections say more than the size does. */
static bool is_more_than_garbage(const struct rule_input *s, const struct trend *t,
				 enum ev_language language)
{
	const struct collections_model *counted = &s->process->collections;
	const struct collector *c = collector_of(language);

	if (!c || falls(&s->process->memory.size, t) >= 2)
		return true;
	if (collected_language(s->process) == language) {
		if (collections_full_since(counted, t->from_ns) >= COLLECTED_ENOUGH)
			return true;
		if (collections_none_since(counted, t->from_ns))
			return false;
	}
	return t->grown * MEMORY_UNIT >= c->grown && t->to_ns - t->from_ns >= c->ns;
}

/*
 * The work done meanwhile.
 */

/* Requests measure work only where each request is seen; TLS, compression and io_uring hide them.
 * SQLite shows none either (shows_its_work): a statement that is prepared once is run many times.
 */
static bool is_hidden(const struct life *l)
{
	uint32_t hidden = l->flags & (EV_CONN_TLS | EV_CONN_COMPRESSED | EV_CONN_HIDDEN_IO);

	return hidden && !(l->flags & EV_CONN_DECRYPTED);
}

static bool shows_its_work(const struct process_model *p)
{
	for (const struct endpoint *e = p->endpoints; e; e = e->next)
		if ((e->database == EV_DB_SQLITE || e->database == EV_DB_UNKNOWN) &&
		    (e->open || e->closed))
			return false;
	for (size_t i = 0; i < p->past_count; i++)
		if (is_hidden(&p->past[i].life))
			return false;
	return true;
}

/* Has the connection been reading one reply since the first half of the span, a reply large enough
 * to explain the growth? */
static bool is_reading(const struct connection *c, const struct trend *t)
{
	uint64_t middle = t->from_ns + (t->to_ns - t->from_ns) / 2;

	return c->request_ns && c->request_ns <= middle &&
	       !(c->life.flags & (EV_CONN_LISTENING | EV_CONN_REPLICATION)) &&
	       c->bytes_received >= t->grown * MEMORY_UNIT / 4;
}

static uint64_t at_part(const struct history *h, const struct trend *t, unsigned i)
{
	return history_least(h, trend_start(t, i), trend_start(t, i + 1));
}

/* Counts the rises before each of which new requests were made. */
static unsigned rises_beside(const struct history *work, const struct trend *t)
{
	uint64_t before = at_part(work, t, 0);
	unsigned n = 0;

	for (unsigned i = 1; i < t->parts; i++) {
		uint64_t now = at_part(work, t, i);

		if (!t->rose[i] || now <= before)
			continue;
		before = now;
		n++;
	}
	return n;
}

/* Returns what is lacking for growth beside work; NULL: nothing. */
static const char *work_lacks(const struct rule_input *s, const struct trend *t)
{
	const struct history *requests = &s->process->memory.requests;
	bool known = shows_its_work(s->process), waits = false;
	struct table_slot *slot;
	size_t at = 0;
	unsigned rises;

	while ((slot = table_next(&s->model->connections, &at))) {
		const struct connection *c = slot->value;

		if (c->process != s->process)
			continue;
		known = known && !is_hidden(&c->life);
		waits = waits || c->life.flags & (EV_CONN_LISTENING | EV_CONN_REPLICATION);
		if (is_reading(c, t))
			return explain_why(s, "one result was being read, and may be all of it");
	}
	if (!known || waits)
		return NULL;
	/* No request was made: the growth has nothing to do with requests, and must last longer. */
	if (at_part(requests, t, t->parts - 1) == at_part(requests, t, 0))
		return t->to_ns - t->from_ns >= IDLE_NS
			       ? NULL
			       : explain_why(s, "no request was made, and it took less than %.0f s",
					     seconds(IDLE_NS));
	rises = rises_beside(requests, t);
	return rises >= LEAST_WORK
		       ? NULL
		       : explain_why(s, "%u parts rose after new requests, fewer than %d", rises,
				     LEAST_WORK);
}

/*
 * All conditions together.
 */

static double samples_in(const struct memory_model *m, uint64_t span)
{
	uint64_t whole = m->state.head.ns - m->size.first_ns;

	return whole ? (double)m->samples * span / whole : 0;
}

static unsigned parts_for(const struct memory_model *m, uint64_t span)
{
	double samples = samples_in(m, span);

	return samples >= SAMPLES_FINE ? TREND_PARTS : samples >= SAMPLES_MEDIUM ? 8 : 4;
}

/* Returns what growth of that shape lacks to be a leak; NULL: nothing. */
static const char *growth_size_lacks(const struct rule_input *s, const struct trend *t,
				     enum ev_language language)
{
	double grown = t->grown * MEMORY_UNIT;

	if (t->to_ns - t->from_ns < LEAST_NS)
		return explain_why(s, "shorter than %g s", seconds(LEAST_NS));
	if (grown < least_growth(t))
		return explain_why(s, "grew by %s, less than the %s that count in such a time",
				   memory_words(s, grown), memory_words(s, least_growth(t)));
	if (!is_more_than_garbage(s, t, language))
		return explain_why(s, "garbage that was not collected yet may be all of it");
	return work_lacks(s, t);
}

/* Tells of a span of time: the attempt in most parts, and one that proves something. */
static void explain_span(const struct rule_input *s, const struct trend *t, const char *lacks)
{
	if (lacks && t->parts && t->parts < parts_for(&s->process->memory, t->to_ns - t->from_ns))
		return;
	if (!t->parts) {
		explain_saw(s, "from second %.0f on: too few sizes are known",
			    seconds(t->from_ns - s->start_ns));
		return;
	}
	explain_saw(s, "from second %.0f to %.0f, in %u parts: floor from %s to %s; %s",
		    seconds(t->from_ns - s->start_ns), seconds(t->to_ns - s->start_ns), t->parts,
		    memory_words(s, t->floor[0] * MEMORY_UNIT),
		    memory_words(s, t->floor[t->parts - 1] * MEMORY_UNIT),
		    lacks ? lacks : "grows without end");
}

static void growth_proves(const struct rule_input *s, struct proven_growth *g,
			  enum ev_language language, uint64_t from, uint64_t to, unsigned parts)
{
	const struct history *h = &s->process->memory.size;
	struct trend t = trend_of(h, from, to, parts);
	enum growth_proof proof = GROWTH_NONE;
	const char *lacks = t.parts ? shape_lacks(s, h, &t, &proof) : "";

	if (!lacks && proof <= g->proof)
		return;
	if (!lacks)
		lacks = growth_size_lacks(s, &t, language);
	if (s->explanation)
		explain_span(s, &t, lacks);
	if (lacks)
		return;
	g->proof = proof;
	g->trend = t;
}

/* Counts of intervals by what happened in them: a rise, a request, a failure.  Intervals are as
 * short as the samples of the size allow.  A part of the trend is too long: it may hold both a
 * failure and a quiet time. */
struct steps {
	unsigned rose, worked;	      /* with a rise of the size; with requests */
	unsigned beside, alone, idle; /* rises with failures, and without; neither */
};

static bool came(const struct history *h, uint64_t at, uint64_t width)
{
	return history_least(h, at, at + width) > history_least(h, at - width, at);
}

static struct steps steps_of(const struct memory_model *m, const struct trend *t)
{
	uint64_t span = t->to_ns - t->from_ns, width = span / STEPS_MOST;
	double samples = samples_in(m, span), high, least;
	struct steps s = {};

	if (samples < STEPS_MOST)
		width = samples > 1 ? span / samples : span;
	width = width > m->size.width_ns ? width : m->size.width_ns;
	least = t->grown * width / span / 4;
	high = history_least(&m->size, t->from_ns, t->from_ns + 2 * width);
	for (uint64_t at = t->from_ns + 2 * width; at + width <= t->to_ns; at += width) {
		double now = history_least(&m->size, at, at + width);
		bool rose = now > high + least;
		bool failed = came(&m->failures, at, width) ||
			      came(&m->failures, at - width, width);

		high = rose ? now : high;
		s.rose += rose;
		s.worked += came(&m->requests, at, width);
		s.beside += rose && failed;
		s.alone += rose && !failed;
		s.idle += !rose && !failed;
	}
	return s;
}

/* Do nearly all rises come with failures, and are there intervals with neither? */
static bool are_beside_failures(const struct steps *s)
{
	return s->beside >= 3 && s->idle >= 2 && 8 * s->alone <= s->beside;
}

static bool are_rare(const struct steps *s)
{
	return s->worked >= 8 && 2 * s->rose < s->worked;
}

/* The end of the time for which sizes are known.  A process that ended at most STALE_NS after its
 * last sample: the time of that sample. */
static uint64_t end_of(const struct rule_input *s, const struct memory_model *m)
{
	uint64_t last = m->state.head.ns;

	if (s->process->exited_ns && s->now_ns > last && s->now_ns - last <= STALE_NS)
		return last;
	return s->now_ns;
}

/* A trend of few, large parts hides that the growth stopped within the last one.  So does the size
 * still rise in small parts? */
static bool still_rises(const struct memory_model *m, uint64_t from, uint64_t to)
{
	struct trend t = trend_of(&m->size, from, to, TREND_PARTS);

	return !t.parts || samples_in(m, to - from) < SAMPLES_STILL ||
	       t.since <= (t.pause > 1 ? t.pause : 1);
}

/* Growth that slows down looks even for a while when it is seen from a late beginning, so its
 * slope is compared with the slope before.  The first eighth is left out: there a program warms
 * up. */
static bool has_slackened(const struct memory_model *m, uint64_t from, uint64_t to)
{
	uint64_t first = m->size.first_ns, warm = first + (to - first) / 8;
	struct trend before, after;

	if (from <= warm)
		return false;
	before = trend_of(&m->size, warm, from, 4);
	after = trend_of(&m->size, from, to, 8);
	return before.parts && after.parts && before.slope > 1.25 * after.slope;
}

/* Finds the longest span that gives the strongest proof. */
static void growth_look_at_page(const struct rule_input *s, struct proven_growth *g,
				enum ev_language language, uint64_t to)
{
	const struct memory_model *m = &s->process->memory;
	uint64_t first = m->size.first_ns;

	for (unsigned i = 0; i < BEGINNINGS && to > first; i++) {
		uint64_t from = first + (to - first) / 8 * i;
		unsigned parts = parts_for(m, to - from);

		if (!still_rises(m, from, to) || has_slackened(m, from, to)) {
			explain_saw(s, "from second %.0f on: rises %s", seconds(from - s->start_ns),
				    still_rises(m, from, to) ? "more slowly than before"
							     : "no more");
			continue;
		}
		if (parts > 8)
			growth_proves(s, g, language, from, to, parts);
		if (parts >= 8)
			growth_proves(s, g, language, from, to, 8);
		if (m->samples >= SAMPLES_COARSE && !i)
			growth_proves(s, g, language, from, to, 4);
	}
}

static void describe(const struct memory_model *m, struct proven_growth *g)
{
	const struct trend *t = &g->trend;
	struct steps steps = steps_of(m, t);

	g->grown = t->grown * MEMORY_UNIT;
	g->per_minute = t->slope * MEMORY_UNIT * 60;
	g->low = t->slope_low * MEMORY_UNIT * 60;
	g->high = t->slope_high * MEMORY_UNIT * 60;
	g->beside_failures = are_beside_failures(&steps);
	g->sporadic = g->beside_failures || are_rare(&steps);
	g->dropped = falls(&m->size, t) >= 2;
	g->collected = g->dropped;
}

/* The collections of the language that most of the process is written in. */
static void ask_collector(const struct rule_input *s, struct proven_growth *g,
			  enum ev_language language)
{
	const struct collections_model *c = &s->process->collections;

	if (collected_language(s->process) != language)
		return;
	g->full = collections_full_since(c, g->trend.from_ns);
	g->waits = collections_none_since(c, g->trend.from_ns);
	g->collected |= g->full >= COLLECTED_ENOUGH;
}

struct proven_growth growth_of(const struct rule_input *s, enum ev_language language)
{
	const struct memory_model *m = &s->process->memory;
	struct proven_growth g = {};
	uint64_t fall;

	if (!m->samples)
		return g;
	growth_look_at_page(s, &g, language, end_of(s, m));
	if (g.proof == GROWTH_NONE && s->process->exited_ns) {
		fall = history_fall(&m->size, s->now_ns);
		if (fall)
			growth_look_at_page(s, &g, language, fall);
		g.fell = g.proof != GROWTH_NONE;
	}
	if (g.proof != GROWTH_NONE) {
		describe(m, &g);
		ask_collector(s, &g, language);
	}
	return g;
}

#define BOUNDED_LEAST (32 * MB)
#define WARM_NS	      (3 * SECOND_NS)

const char *growth_bounded(const struct rule_input *s)
{
	const struct memory_model *m = &s->process->memory;
	uint64_t from = s->process->start_ns + WARM_NS, flat;
	struct rise r;

	if (!m->samples || s->process->exited_ns || s->now_ns <= from)
		return NULL;
	r = history_rise(&m->size, s->now_ns);
	if (r.held < r.base || (r.held - r.base) * MEMORY_UNIT < BOUNDED_LEAST ||
	    r.held - r.base < r.base / 4 || r.last_ns < from || r.first_ns + SECOND_NS < from)
		return NULL;
	flat = s->now_ns - r.last_ns;
	if (flat < r.last_ns - r.first_ns || flat < 2 * SECOND_NS)
		return NULL;
	return arena_format(s->arena, "memory grew by %.0f MB to %.0f MB, then stable for %.0f s",
			    (r.held - r.base) * MEMORY_UNIT / 1e6, r.held * MEMORY_UNIT / 1e6,
			    seconds(flat));
}
