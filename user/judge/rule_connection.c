/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rule_connection.c - connections that nobody will use again.
 *
 * A connection is "left" when its process opened another one to the same place and user after the
 * last use of this one.  It also must be unused for longer than is normal for the process.  A pool
 * that works reuses what it has before it opens more, so it leaves none behind, or a few at the end
 * of a burst.  Three proofs turn left connections into a leak:
 *
 *   in transaction  three or more are left inside a transaction, by the thread that opened the
 *                   next or for longer than --min-age; a pool would have ended it
 *   same thread     the thread that used one opened the next, again and again; workers with a
 *                   connection each do not look so, nor does a pool that fills at start
 *   growth          left connections keep coming; a pool stops at its size
 *
 * Connections that a garbage collector closes later, in bulk, are named too.  The floor of the
 * saw-tooth may be flat, but each was held long past its use.  Where it has closed more than are
 * left, it would have closed those as well: that is no more than possible.
 *
 * Each connection to a SQLite database in memory has a database of its own.  A newer one proves
 * nothing there; only growth does.  A SQLite connection that is closed already but lives on for its
 * statements is judged with them (rule_zombies).
 */
#include "user/judge/advice.h"
#include "user/judge/collected.h"
#include "user/judge/explain.h"
#include "user/judge/origin.h"
#include "user/judge/rules.h"
#include "user/judge/sessions.h"

#include <stdlib.h>
#include <string.h>

#define LEAST_LEFT   3
#define LEAST_GROWTH 5
#define GROWTH_SPAN  (8 * SECOND_NS) /* a pool has filled long before */
#define THREAD_SPAN  (3 * SECOND_NS)
#define IDLE_LEAST   SECOND_NS
#define BULK_NS	     20000000ULL /* closed within 20 ms of each other: one sweep of a collector */
#define BULK_LEAST   3
#define LEAST_WORK   8 /* requests; a pool sends fewer on one that it has just opened */

#define ADVICE_NO_GARBAGE                                                                 \
	"create one engine or pool per process; close each connection after use, not by " \
	"garbage collection"

struct tally {
	size_t left, in_transaction, own_thread, exits, farewells, worked;
	/* Of those left: the last SQL is what a pool sends when it takes one back, and another. */
	size_t returned, kept;
	size_t earlier;	  /* of those left, opened before the watch */
	size_t collected; /* not left: closed late, as by a garbage collector */
	size_t forgotten; /* in a transaction; passed over by its own thread, held to the exit, or
			     unused for --min-age */
	uint64_t first_ns, last_ns; /* births of the first and the last one left */
	uint64_t oldest_ns;	    /* of the one unused for longest */
	const struct text *sql;
	const struct place *at; /* the place that answers; NULL: all places, or not known */
};

static bool by_design(const struct life *l)
{
	return l->flags &
	       (EV_CONN_LISTENING | EV_CONN_REPLICATION | EV_CONN_CANCEL | EV_CONN_REFUSED);
}

/* The longest wait before a proper close: how long this process holds connections it is done with.
 */
static uint64_t normal_idle(const struct rule_input *s)
{
	uint64_t longest = s->process->longest_gap_ns;

	for (size_t i = 0; i < s->count; i++) {
		const struct life *l = s->conn_history[i].life;

		if (!l->closed_ns || !l->used_ns || s->conn_history[i].exit ||
		    s->conn_history[i].passes)
			continue;
		if (l->closed_ns - l->used_ns > longest)
			longest = l->closed_ns - l->used_ns;
	}
	return longest;
}

static void count_passes(struct rule_input *s, struct conn_history *x)
{
	for (size_t i = s->birth_count; i-- > 0;) {
		const struct birth *b = &s->births[i];

		if (b->ns <= x->life->used_ns)
			break;
		if (b->ns >= x->end_ns)
			continue;
		x->passes++;
		x->own_passes += b->tid == x->life->user_tid;
	}
}

/* Reasons why a connection is left, or is not. */
enum conn_fate {
	CONN_LEFT,
	CONN_CLOSED,
	CONN_BY_DESIGN,
	CONN_UNUSED,
	CONN_NEWEST,
	CONN_WAITING,
	CONN_ZOMBIE,
	CONN_FRESH,
	CONN_FATES,
};

/* normal: the wait that is normal for the process. */
static enum conn_fate conn_fate_of(const struct conn_history *x, uint64_t normal)
{
	if (x->life->closed_ns && !x->exit)
		return CONN_CLOSED;
	if (by_design(x->life))
		return CONN_BY_DESIGN;
	if (!x->life->used_ns)
		return CONN_UNUSED;
	if (!x->passes)
		return CONN_NEWEST;
	if (x->life->asked || (x->open && x->open->request_ns))
		return CONN_WAITING;
	if (x->open && x->open->zombie_ns)
		return CONN_ZOMBIE;
	return x->end_ns - x->life->used_ns >= normal || (x->exit && x->passes > 1) ? CONN_LEFT
										    : CONN_FRESH;
}

static void explain_left(const struct rule_input *s, const size_t *fates, uint64_t normal)
{
	static const char *const words[CONN_FATES] = {
		[CONN_LEFT] = "idle while newer ones were opened",
		[CONN_CLOSED] = "closed",
		[CONN_BY_DESIGN] = "for listening, replication or a cancel, or refused",
		[CONN_UNUSED] = "never seen in use",
		[CONN_NEWEST] = "with no newer one opened after its last use",
		[CONN_WAITING] = "busy with a request",
		[CONN_ZOMBIE] = "closed but for its statements",
		[CONN_FRESH] = "idle too briefly",
	};

	explain_saw(s, "%llu open now, at most %llu at once; %zu reported one by one: %s",
		    (unsigned long long)s->endpoint->open, (unsigned long long)s->endpoint->peak,
		    s->count, explain_counts(s, fates, words, CONN_FATES));
	explain_saw(s,
		    "idle counts from %.1f s on: twice the longest wait that is normal here, "
		    "and at least 1 s",
		    seconds(normal));
}

static void find_left(struct rule_input *s)
{
	size_t fates[CONN_FATES] = {};
	uint64_t normal;

	for (size_t i = 0; i < s->count; i++)
		if (s->conn_history[i].life->used_ns && !by_design(s->conn_history[i].life))
			count_passes(s, &s->conn_history[i]);
	normal = 2 * normal_idle(s);
	if (normal < IDLE_LEAST)
		normal = IDLE_LEAST;
	for (size_t i = 0; i < s->count; i++) {
		enum conn_fate fate = conn_fate_of(&s->conn_history[i], normal);

		s->conn_history[i].left = fate == CONN_LEFT;
		fates[fate]++;
	}
	if (s->explanation)
		explain_left(s, fates, normal);
}

/* Did the connection do more than a pool does with one that it has just opened? */
static bool worked(const struct conn_history *x)
{
	return x->life->begun || !x->life->born_ns || x->life->requests >= LEAST_WORK ||
	       x->life->used_ns - x->life->born_ns > SECOND_NS;
}

/* SQLAlchemy's pool ends whatever transaction there may be.  What was said before the watch is not
 * known. */
static void count_returned(struct tally *t, const struct conn_history *x)
{
	bool rollback = x->sql && !strcmp(x->sql->sql, "ROLLBACK");

	if (x->life->status >= EV_STATUS_TRANSACTION || (x->sql && !rollback))
		t->kept++;
	else
		t->returned += rollback;
}

/* Counts the left connections for which that place answers. */
static void add_up(const struct rule_input *s, const struct place *at, struct tally *t)
{
	memset(t, 0, sizeof(*t));
	t->at = at;
	for (size_t i = 0; i < s->count; i++) {
		const struct conn_history *x = &s->conn_history[i];
		uint64_t born = x->life->born_ns ? x->life->born_ns : s->start_ns;

		t->collected += x->late && x->answers == at;
		if (!x->left || x->answers != at)
			continue;
		t->left++;
		t->earlier += !x->life->born_ns;
		if (x->life->status >= EV_STATUS_TRANSACTION) {
			t->in_transaction++;
			t->forgotten += x->own_passes || x->exit ||
					x->end_ns - x->life->used_ns >= s->model->begin.min_age_ns;
		}
		t->own_thread += x->own_passes > 0;
		t->worked += worked(x);
		count_returned(t, x);
		t->exits += x->exit;
		t->farewells += x->farewell;
		if (!t->first_ns || born < t->first_ns)
			t->first_ns = born;
		if (born > t->last_ns)
			t->last_ns = born;
		if (x->end_ns - x->life->used_ns > t->oldest_ns)
			t->oldest_ns = x->end_ns - x->life->used_ns;
		if (x->sql)
			t->sql = x->sql;
	}
}

static int by_end(const void *a, const void *b)
{
	const struct conn_history *x = *(struct conn_history *const *)a,
				  *y = *(struct conn_history *const *)b;

	return (x->end_ns > y->end_ns) - (x->end_ns < y->end_ns);
}

/* Counts connections closed late: passed over by their own thread, then closed together with
 * others while the process went on opening.  A sweep misses several at once, whenever each closed.
 */
static size_t closed_in_bulk(struct rule_input *s)
{
	struct conn_history **late = calloc(s->count + 1, sizeof(*late));
	size_t n = 0, total = 0;

	if (!late)
		return 0;
	for (size_t i = 0; i < s->count; i++) {
		struct conn_history *x = &s->conn_history[i];

		if (x->life->closed_ns && !x->exit && x->own_passes &&
		    !(x->life->flags & EV_CONN_MISSED) &&
		    x->end_ns - x->life->used_ns > 100000000ULL)
			late[n++] = x;
	}
	qsort(late, n, sizeof(*late), by_end);
	for (size_t i = 0, j; i < n; i = j) {
		for (j = i + 1; j < n && late[j]->end_ns - late[j - 1]->end_ns < BULK_NS;)
			j++;
		if (j - i < BULK_LEAST || !s->birth_count ||
		    s->births[s->birth_count - 1].ns <= late[j - 1]->end_ns)
			continue;
		total += j - i;
		for (size_t k = i; k < j; k++)
			late[k]->late = true;
	}
	free(late);
	return total;
}

/* Returns what is lacking for left connections that keep coming, or did until the process ended;
 * NULL: nothing. */
static const char *growth_lacks(const struct rule_input *s, const struct tally *t)
{
	uint64_t span = t->last_ns - t->first_ns, watched = s->now_ns - s->start_ns;
	size_t born = 0, least = is_private(s->endpoint) ? 2 * LEAST_GROWTH : LEAST_GROWTH;

	for (size_t i = 0; i < s->count; i++)
		born += s->conn_history[i].left && s->conn_history[i].answers == t->at &&
			s->conn_history[i].life->born_ns;
	if (born < t->left && born >= 2) {
		/* Most were open before the watch: a few more in the window suffice. */
		if (watched < 5 * SECOND_NS)
			return explain_why(s, "the watch took %.1f s, less than 5 s",
					   seconds(watched));
		return s->endpoint->opened >= s->endpoint->closed + 2
			       ? NULL
			       : explain_why(s, "nearly as many were closed as opened");
	}
	if (t->left < least)
		return explain_why(s, "%zu are fewer than %zu", t->left, least);
	if (span < GROWTH_SPAN)
		return explain_why(s, "all were opened within %.1f s, less than %.0f s",
				   seconds(span), seconds(GROWTH_SPAN));
	return s->now_ns - t->last_ns <= span
		       ? NULL
		       : explain_why(s, "all were opened within %.1f s, and none for %.1f s since",
				     seconds(span), seconds(s->now_ns - t->last_ns));
}

static bool growing(const struct rule_input *s, const struct tally *t)
{
	return !growth_lacks(s, t);
}

/* Connections opened and closed from one place. */
struct balance {
	uint64_t acquired, released, pre_existing;
};

/* Connections that were reported one by one belong to the place that answers for them. rest: all
 * others are added, such as brief ones. */
static struct balance balance_of(const struct rule_input *s, const struct place *at, bool rest)
{
	struct balance b = {}, other = {},
		       all = {
			       .acquired = s->endpoint->opened + s->endpoint->pre_existing +
					   s->short_lived->opened,
			       .released = s->endpoint->closed + s->short_lived->opened,
			       .pre_existing = s->endpoint->pre_existing,
		       };

	for (size_t i = 0; i < s->count; i++) {
		const struct conn_history *x = &s->conn_history[i];
		struct balance *to = x->answers == at ? &b : &other;

		to->acquired++;
		to->released += x->life->closed_ns && !x->exit;
		to->pre_existing += !!(x->life->flags & EV_CONN_PRE_EXISTING);
		all.released -= x->exit && all.released;
	}
	if (!rest)
		return b;
	all.acquired -= other.acquired;
	all.released -= other.released < all.released ? other.released : all.released;
	all.pre_existing -= other.pre_existing;
	return all;
}

static enum kind rule_connection_kind_of(const struct balance *b, size_t leaked, bool implicit)
{
	size_t opened = b->acquired - b->pre_existing;

	if (implicit)
		return KIND_IMPLICIT;
	if (!opened) /* how often it happens was not seen */
		return KIND_ONE_TIME;
	/* The connection opened last is not passed over yet. */
	return leaked && (leaked + 1) * 10 >= opened * 7 ? KIND_FREQUENT : KIND_SPORADIC;
}

/* Left connections that keep coming and outlive the collector are nobody's garbage, and no pool. */
static void tell_collected(struct rule_input *s, struct finding_view *f, const struct tally *t)
{
	struct collected c = {};

	for (size_t i = 0; i < s->count; i++) {
		const struct conn_history *x = &s->conn_history[i];

		if (x->left && !x->exit && x->answers == t->at)
			collected_add(s, &c, x->life->used_ns);
	}
	collected_tell(s, f, &c, c.outlived >= LEAST_GROWTH && growing(s, t));
}

/* All places together use up the process's descriptors. */
static void exhaustion(const struct rule_input *s, struct finding_view *f, double per_minute)
{
	const struct process_model *p = s->process;

	/* The number of descriptors of a SQLite connection depends on its mode. */
	if (s->endpoint->database == EV_DB_SQLITE)
		return;
	if (per_minute <= 0 || p->nofile_limit == UNKNOWN64 || p->open_files == UNKNOWN32 ||
	    p->exited_ns || p->open_files >= p->nofile_limit)
		return;
	f->exhausts_limit = arena_format(s->arena, "open files %llu",
					 (unsigned long long)p->nofile_limit);
	f->exhausts_seconds = (p->nofile_limit - p->open_files) / per_minute * 60;
}

/* A connection from before the watch has no rate: only what was opened in the watch counts. */
static double growth_of(const struct rule_input *s, const struct tally *t, bool grows)
{
	uint64_t first = t->earlier ? s->start_ns : t->first_ns;
	uint64_t span = s->now_ns > first ? s->now_ns - first : 0;
	size_t grown = t->earlier ? t->left - t->earlier : t->left - 1;

	return grows && span > SECOND_NS ? grown / seconds(span) * 60 : 0;
}

static void rule_connection_fill(struct finding_view *f, const struct tally *t,
				 const struct balance *b)
{
	f->acquired = b->acquired;
	f->released = b->released;
	f->open = t->left;
	f->earlier = b->pre_existing;
	f->oldest_seconds = seconds(t->oldest_ns);
	f->in_transaction = t->in_transaction;
	f->growth_per_minute = 0;
	f->sql = t->sql ? t->sql->sql : NULL;
}

static void name_left(struct rule_input *s, struct finding_view *f, const struct tally *t)
{
	struct sessions sessions = {};
	struct origins o = {};

	for (size_t i = 0; i < s->count; i++) {
		if (!s->conn_history[i].left || s->conn_history[i].answers != t->at)
			continue;
		origins_add(&o, s->conn_history[i].from, 1);
		sessions_add(&sessions, &s->conn_history[i]);
	}
	finding_from(s, f, &o, false);
	finding_sessions(s, f, &sessions);
}

/* Would a garbage collector have closed what is left? */
static bool is_garbage(const struct tally *t)
{
	return t->collected > t->left;
}

/* Where the process has ended, what lay idle outside of a transaction may have been garbage to
 * which no collection had come. */
static enum confidence confidence_of_left(const struct rule_input *s, const struct tally *t)
{
	enum confidence c = CONFIDENCE_LIKELY;

	if (is_garbage(t))
		return confidence_cap(s, CONFIDENCE_POSSIBLE);
	if (t->left >= 5 && (t->in_transaction >= LEAST_LEFT || t->own_thread >= 5) &&
	    (t->in_transaction || !t->exits))
		c = CONFIDENCE_CERTAIN;
	return confidence_cap(s, c);
}

/* What each pool had back, and nobody took again, came from pools of their own. */
static enum advice missing_call(const struct rule_input *s, const struct finding_view *f,
				const struct tally *t)
{
	return t->returned && !t->kept && advice_has(s, f, ADVICE_POOL) ? ADVICE_POOL
									: ADVICE_CLOSE;
}

/* all_per_minute: the growth of all places together. */
static void found_left(struct rule_input *s, const struct tally *t, const struct balance *b,
		       double all_per_minute)
{
	struct finding_view *f = finding_add(s, CAUSE_UNCLOSED_CONNECTION, RESOURCE_CONNECTION);

	if (!f)
		return;
	rule_connection_fill(f, t, b);
	f->growth_per_minute = growth_of(s, t, growing(s, t) || t->last_ns > t->first_ns);
	exhaustion(s, f, all_per_minute);
	f->verdict = VERDICT_LEAKING;
	f->kind = rule_connection_kind_of(b, t->left - t->earlier, 2 * t->farewells > t->left);
	f->confidence = confidence_of_left(s, t);
	finding_because(s, f, EVIDENCE_IDLE_WHILE_NEWER, t->left);
	if (t->in_transaction)
		finding_because(s, f, EVIDENCE_IN_TRANSACTION, t->in_transaction);
	if (t->own_thread)
		finding_because(s, f, EVIDENCE_SAME_THREAD, t->own_thread,
				t->own_thread == 1 ? "" : "s");
	if (t->exits)
		finding_because(s, f, EVIDENCE_CLOSED_AT_EXIT, t->exits);
	if (t->collected)
		finding_because(s, f, EVIDENCE_OTHERS_COLLECTED, t->collected);
	name_left(s, f, t);
	if (!is_garbage(t))
		tell_collected(s, f, t);
	f->advice = is_garbage(t) ? ADVICE_NO_GARBAGE : advice_for(s, f, missing_call(s, f, t));
}

static void name_late(struct rule_input *s, struct finding_view *f)
{
	struct origins o = {};

	for (size_t i = 0; i < s->count; i++)
		if (s->conn_history[i].late)
			origins_add(&o, origin_of_opening(s, s->conn_history[i].life), 1);
	finding_from(s, f, &o, false);
}

static void found_late(struct rule_input *s, const struct tally *t, size_t late)
{
	struct balance b = balance_of(s, NULL, true);
	struct finding_view *f = finding_add(s, CAUSE_UNCLOSED_CONNECTION, RESOURCE_CONNECTION);

	if (!f)
		return;
	rule_connection_fill(f, t, &b);
	f->verdict = VERDICT_LEAKING;
	f->kind = rule_connection_kind_of(&b, late, false);
	f->open = s->endpoint->open;
	f->confidence = confidence_cap(s, CONFIDENCE_POSSIBLE);
	finding_because(s, f, EVIDENCE_CLOSED_BY_COLLECTOR, late);
	finding_because(s, f, EVIDENCE_MOST_AT_ONCE, (unsigned long long)s->endpoint->peak);
	name_late(s, f);
	f->advice = ADVICE_NO_GARBAGE;
}

/* Returns what is lacking for the proof by transactions; NULL: nothing. */
static const char *forgetting_lacks(const struct rule_input *s, const struct tally *t)
{
	if (is_private(s->endpoint))
		return explain_why(s, "each connection has a database of its own");
	return t->forgotten >= LEAST_LEFT
		       ? NULL
		       : explain_why(s,
				     "%zu inside one, %zu of them for long or with a thread that "
				     "has gone on: fewer than %d",
				     t->in_transaction, t->forgotten, LEAST_LEFT);
}

/* Returns what is lacking for the proof by threads; NULL: nothing. */
static const char *thread_lacks(const struct rule_input *s, const struct tally *t)
{
	uint64_t span = t->last_ns - t->first_ns, least = THREAD_SPAN;

	if (is_private(s->endpoint))
		return explain_why(s, "each connection has a database of its own");
	if (t->own_thread < LEAST_LEFT)
		return explain_why(s,
				   "%zu times the thread that used one opened the next, fewer "
				   "than %d",
				   t->own_thread, LEAST_LEFT);
	if (t->worked >= LEAST_LEFT) {
		if (t->exits)
			return NULL;
		least = SECOND_NS;
	}
	return span >= least ? NULL
			     : explain_why(s,
					   "all were opened within %.1f s, less than %.0f s, as "
					   "a pool does that fills",
					   seconds(span), seconds(least));
}

static bool rule_connection_proves(const struct rule_input *s, const struct tally *t)
{
	return t->left >= LEAST_LEFT &&
	       (growing(s, t) || !forgetting_lacks(s, t) || !thread_lacks(s, t));
}

/* Do the connections of one place prove the leak without the others? */
static bool rule_connection_proves_alone(void *context, const struct place *place)
{
	struct rule_input *s = context;
	struct tally t;

	for (size_t i = 0; i < s->count; i++)
		s->conn_history[i].answers = s->conn_history[i].from.place;
	add_up(s, place, &t);
	return rule_connection_proves(s, &t);
}

/* The place that answers for a connection.  If the connection was not left, and its own place is
 * no culprit, its last transaction's place decides. */
static const struct place *answers_for(const struct rule_input *s, const struct conn_history *x,
				       const struct place *const *culprits, size_t n)
{
	const struct place *begun = places_find(s->places, x->life->begun_at);
	const struct place *at = culprit_of(culprits, n, x->from.place);

	return n < 2 || x->left || at == x->from.place ? at : culprit_of(culprits, n, begun);
}

static void found_by_place(struct rule_input *s, const struct tally *all)
{
	const struct place *culprits[ORIGINS_MOST];
	double per_minute = growth_of(s, all, growing(s, all) || all->last_ns > all->first_ns);
	struct origins o = {};
	size_t n;

	for (size_t i = 0; i < s->count; i++) {
		s->conn_history[i].from = origin_of_life(s, s->conn_history[i].life);
		if (s->conn_history[i].left)
			origins_add(&o, s->conn_history[i].from, 1);
	}
	for (size_t i = 0; i < s->count; i++)
		s->conn_history[i].from.place = origins_line(&o, s->conn_history[i].from.place);
	n = origins_culprits(&o, rule_connection_proves_alone, s, culprits);
	for (size_t i = 0; i < s->count; i++)
		s->conn_history[i].answers = answers_for(s, &s->conn_history[i], culprits, n);
	for (size_t i = 0; i < n || i == 0; i++) {
		const struct place *at = n ? culprits[i] : NULL;
		struct balance b = balance_of(s, at, i == 0);
		struct tally t;

		add_up(s, at, &t);
		found_left(s, &t, &b, per_minute);
	}
}

static void explain_proof(const struct rule_input *s, const char *by, const char *lacks,
			  const char *words)
{
	if (lacks)
		explain_not(s, "%s: %s", by, lacks);
	else
		explain_proven(s, "%s: %s", by, words);
}

static void explain_proofs(const struct rule_input *s, const struct tally *t)
{
	if (t->left < LEAST_LEFT) {
		explain_not(s, "%zu idle while newer ones were opened, fewer than %d", t->left,
			    LEAST_LEFT);
		return;
	}
	explain_saw(s,
		    "the %zu idle ones: opened over %.1f s, the last %.1f s ago; idle for up to "
		    "%.1f s; %zu inside a transaction; %zu released by the end of the process",
		    t->left, seconds(t->last_ns - t->first_ns), seconds(s->now_ns - t->last_ns),
		    seconds(t->oldest_ns), t->in_transaction, t->exits);
	explain_proof(s, "growth", growth_lacks(s, t), "such connections keep coming");
	explain_proof(s, "open transactions", forgetting_lacks(s, t),
		      explain_words(s, "%zu are open for long, or their thread has gone on",
				    t->forgotten));
	explain_proof(s, "threads", thread_lacks(s, t),
		      explain_words(s, "%zu times the thread that used one opened the next",
				    t->own_thread));
}

int rule_connections(struct rule_input *s)
{
	struct tally t;
	size_t late;

	find_left(s);
	late = is_private(s->endpoint) ? 0 : closed_in_bulk(s);
	add_up(s, NULL, &t);
	if (s->explanation)
		explain_proofs(s, &t);
	if (rule_connection_proves(s, &t)) {
		found_by_place(s, &t);
		return 0;
	}
	if (late < LEAST_GROWTH || 2 * late < s->endpoint->opened / 2) {
		explain_not(s,
			    "garbage collector: %zu of %llu were closed late and in bulk, "
			    "fewer than %d or than a quarter",
			    late, (unsigned long long)s->endpoint->opened, LEAST_GROWTH);
		return 0;
	}
	explain_proven(s, "garbage collector: %zu of %llu were closed late and in bulk", late,
		       (unsigned long long)s->endpoint->opened);
	found_late(s, &t, late);
	return 0;
}

int rule_hung_up(struct rule_input *s)
{
	uint64_t longest = 0, first = UINT64_MAX, last = 0, ended;
	struct origins from = {};
	struct finding_view *f;
	size_t n = 0, young = 0;

	if (finding_of(s, CAUSE_UNCLOSED_CONNECTION)) {
		explain_not(s, "an earlier rule has a finding on these connections already");
		return 0;
	}
	for (size_t i = 0; i < s->count; i++) {
		const struct connection *c = s->conn_history[i].open;

		if (!c || !c->hung_up_ns)
			continue;
		if (s->now_ns - c->hung_up_ns < s->model->begin.min_age_ns) {
			young++;
			continue;
		}
		n++;
		origins_add(&from, origin_of_opening(s, &c->life), 1);
		if (s->now_ns - c->hung_up_ns > longest)
			longest = s->now_ns - c->hung_up_ns;
		/* Those from before the watch prove no growth: a server that closes what is idle
		 * for long ends the connections of a pool one by one. */
		ended = c->hung_up_ns > s->start_ns ? c->hung_up_ns : s->start_ns;
		first = ended < first ? ended : first;
		last = ended > last ? ended : last;
	}
	explain_saw(s,
		    "%zu closed by the server alone, %zu of them for %g s or longer "
		    "(--min-age)",
		    n + young, n, seconds(s->model->begin.min_age_ns));
	if (!n) {
		explain_not(s, "none is closed by the server alone for so long");
		return 0;
	}
	f = finding_add(s, CAUSE_UNCLOSED_CONNECTION, RESOURCE_CONNECTION);
	if (!f)
		return 0;
	f->verdict = n >= LEAST_LEFT && last - first >= GROWTH_SPAN ? VERDICT_LEAKING
								    : VERDICT_STUCK;
	explain_proven(s,
		       "%zu for up to %.1f s; leaking would take %d over %.0f s, these came "
		       "within %.1f s",
		       n, seconds(longest), LEAST_LEFT, seconds(GROWTH_SPAN),
		       seconds(last - first));
	f->confidence = confidence_cap(s, CONFIDENCE_LIKELY);
	f->kind = n == 1 ? KIND_ONE_TIME : KIND_SPORADIC;
	f->earlier = s->endpoint->pre_existing;
	f->acquired = s->endpoint->opened + f->earlier;
	f->released = s->endpoint->closed;
	f->open = n;
	f->oldest_seconds = seconds(longest);
	finding_because(s, f, EVIDENCE_HUNG_UP, n, n == 1 ? "" : "s");
	finding_from(s, f, &from, false);
	f->advice = advice_for(s, f, ADVICE_TEST);
	return 0;
}
