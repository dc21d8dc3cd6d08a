/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rule_statement.c - prepared statements never closed, and caches of them without bound.
 *
 * A cache is keyed by text, so it never prepares one text twice on one connection.  Ten open
 * statements with the same text on one connection are therefore a leak, whatever their number.
 * Distinct texts are a leak only beyond what any well-known cache keeps (pgjdbc 256, pgx 512,
 * ActiveRecord 1000).  Either they have one fingerprint, so that they differ in literals alone, or
 * there are so many that no cache is meant.  mysql2's default of 16,000 is such a number by intent;
 * it is named by its growth.
 *
 * Threads may share a SQLite connection and run one text each.  There equal texts must go on
 * coming, and a statement younger than two seconds counts as being run.  A SQLite connection that
 * was closed and lives on has unfinished statements, whatever their number; it is named after
 * --min-age.
 */
#include "user/judge/advice.h"
#include "user/judge/explain.h"
#include "user/judge/origin.h"
#include "user/judge/rules.h"

#include <stdlib.h>
#include <string.h>

#define SAME_TEXT  10
#define ONE_SHAPE  520
#define ANY_SHAPE  1100
#define LEAST_OPEN SAME_TEXT

struct rule_shape {
	size_t open;			      /* statements that were reported one by one */
	size_t same;			      /* the most with one text on one connection */
	uint64_t same_first_ns, same_last_ns; /* births of the first and the last of those */
	size_t distinct; /* distinct texts among those with the most common fingerprint */
	size_t shaped;	 /* statements with that fingerprint */
	uint64_t first_ns, last_ns;
	uint64_t most; /* the most open on one connection */
	const struct text *sql;
};

struct rule_entry {
	uint64_t connection, fingerprint, hash, born_ns;
	const struct text *text;
	struct origin from;
	const struct place *answers; /* NULL: all places, or not known */
};

/* The statements of an endpoint. */
struct entries {
	const struct rule_input *rule_input;
	struct rule_entry *all, *some; /* some: room for the entries of one place */
	size_t count;
	struct origins from;
};

static int by_shape(const void *a, const void *b)
{
	const struct rule_entry *x = a, *y = b;

	if (x->connection != y->connection)
		return x->connection < y->connection ? -1 : 1;
	if (x->fingerprint != y->fingerprint)
		return x->fingerprint < y->fingerprint ? -1 : 1;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (x->born_ns > y->born_ns) - (x->born_ns < y->born_ns);
}

/* A SQLite statement as young as this may be running. */
static bool is_young(const struct rule_input *s, const struct statement_model *st)
{
	return s->endpoint->database == EV_DB_SQLITE && !s->process->exited_ns &&
	       st->born_ns + 2 * SECOND_NS > s->now_ns;
}

/* The origin of a statement of a connection of that life; NULL: not known.  If the stack of the
 * prepare has libraries alone, as where a task of the driver sends for all, the opening stands in.
 */
static struct origin origin_of_statement(const struct rule_input *s,
					 const struct statement_model *st, const struct life *l)
{
	struct origin o = origin_of_stack(s, st->stack), opening;

	if (o.place || !l || !code_stack(s->places->code, st->stack))
		return o;
	opening = origin_of_opening(s, l);
	opening.stand_in = STANDS_OPENED;
	return opening.place ? opening : o;
}

static size_t collect_list(const struct rule_input *s, const struct statement_model *st,
			   const struct life *l, struct rule_entry *out, size_t n)
{
	for (; st; st = st->next) {
		if (!st->text || is_young(s, st))
			continue;
		if (out)
			out[n] = (struct rule_entry){.connection = st->key.a,
						     .fingerprint = st->text->fingerprint,
						     .hash = st->text_hash,
						     .born_ns = st->born_ns,
						     .text = st->text,
						     .from = origin_of_statement(s, st, l)};
		n++;
	}
	return n;
}

/* The statements of this endpoint; out NULL: only how many. */
static size_t rule_statement_collect(const struct rule_input *s, struct rule_entry *out)
{
	size_t n = collect_list(s, s->endpoint->leakiest_statements, NULL, out, 0);

	for (size_t i = 0; i < s->count; i++)
		if (s->conn_history[i].open)
			n = collect_list(s, s->conn_history[i].open->statements,
					 s->conn_history[i].life, out, n);
	return n;
}

/* Looks at a run of entries with the same connection and fingerprint. */
static void look_at_run(const struct rule_entry *run, size_t n, struct rule_shape *shape)
{
	size_t distinct = 0, same = 0, most = 0;
	uint64_t first = 0, last = 0;

	for (size_t i = 0; i < n; i++) {
		if (i == 0 || run[i].hash != run[i - 1].hash) {
			distinct++;
			same = 0;
		}
		if (++same > most) {
			most = same;
			first = run[i + 1 - same].born_ns;
			last = run[i].born_ns;
		}
	}
	if (most > shape->same) {
		shape->same = most;
		shape->same_first_ns = first;
		shape->same_last_ns = last;
	}
	if (n > shape->shaped) {
		shape->shaped = n;
		shape->distinct = distinct;
		shape->sql = run->text;
	}
}

static uint64_t most_of_one_connection(const struct rule_entry *entries, size_t n)
{
	uint64_t most = 0;

	for (size_t i = 0, j; i < n; i = j) {
		for (j = i + 1; j < n && entries[j].connection == entries[i].connection;)
			j++;
		most = j - i > most ? j - i : most;
	}
	return most;
}

/* Looks at the entries for which that place answers, in the order of by_shape. */
static void rule_statement_look(struct entries *e, const struct place *at, struct rule_shape *shape)
{
	struct rule_entry *entries = e->some;
	size_t n = 0;

	memset(shape, 0, sizeof(*shape));
	for (size_t i = 0; i < e->count; i++)
		if (e->all[i].answers == at)
			entries[n++] = e->all[i];
	for (size_t i = 0, j; i < n; i = j) {
		for (j = i + 1; j < n && entries[j].connection == entries[i].connection &&
				entries[j].fingerprint == entries[i].fingerprint;)
			j++;
		look_at_run(entries + i, j - i, shape);
	}
	for (size_t i = 0; i < n; i++) {
		if (!shape->first_ns || entries[i].born_ns < shape->first_ns)
			shape->first_ns = entries[i].born_ns;
		if (entries[i].born_ns > shape->last_ns)
			shape->last_ns = entries[i].born_ns;
	}
	shape->open = n;
	shape->most = most_of_one_connection(entries, n);
}

static int entries_open(struct entries *e, const struct rule_input *s)
{
	e->rule_input = s;
	e->count = rule_statement_collect(s, NULL);
	e->all = calloc(e->count + 1, sizeof(*e->all));
	e->some = calloc(e->count + 1, sizeof(*e->some));
	if (!e->all || !e->some)
		return -1;
	rule_statement_collect(s, e->all);
	qsort(e->all, e->count, sizeof(*e->all), by_shape);
	for (size_t i = 0; i < e->count; i++)
		origins_add(&e->from, e->all[i].from, 1);
	for (size_t i = 0; i < e->count; i++)
		e->all[i].from.place = origins_line(&e->from, e->all[i].from.place);
	return 0;
}

static void entries_close(struct entries *e)
{
	free(e->all);
	free(e->some);
}

/* Statements open on the connection that has, or had at its end, most of them. */
static uint64_t most_open(const struct rule_input *s)
{
	uint64_t most = s->endpoint->leakiest_open;

	for (size_t i = 0; i < s->count; i++) {
		const struct connection *c = s->conn_history[i].open;

		if (c && c->prepared - c->unprepared > most)
			most = c->prepared - c->unprepared;
	}
	return most;
}

/* Fills in the counts of all places together. */
static void rule_statement_fill(const struct rule_input *s, struct finding_view *f,
				const struct rule_shape *shape)
{
	uint64_t span = s->now_ns - shape->first_ns;

	f->acquired = s->endpoint->prepared + s->short_lived->prepared;
	f->released = s->endpoint->unprepared + s->short_lived->unprepared;
	for (size_t i = 0; i < s->count; i++) {
		if (!s->conn_history[i].open)
			continue;
		f->acquired += s->conn_history[i].open->prepared;
		f->released += s->conn_history[i].open->unprepared;
	}
	f->open = f->acquired - f->released;
	f->kind = 10 * f->open >= 7 * f->acquired ? KIND_FREQUENT : KIND_SPORADIC;
	f->oldest_seconds = seconds(span);
	f->sql = shape->sql ? shape->sql->sql : NULL;
}

/* The part of the open statements that is of one place.  The number prepared and closed at each
 * place is not known. */
struct share {
	bool only;
	uint64_t elsewhere; /* open statements for which other places answer */
	bool rest;	    /* this place also takes those without a place */
};

static void take_share(const struct rule_input *s, struct finding_view *f,
		       const struct rule_shape *shape, const struct share *share)
{
	uint64_t span = s->now_ns - shape->first_ns;

	if (!share->only) {
		f->open = !share->rest		       ? shape->open
			  : f->open > share->elsewhere ? f->open - share->elsewhere
						       : shape->open;
		f->acquired = f->released = UNKNOWN64;
	}
	f->growth_per_minute = span > SECOND_NS ? f->open / seconds(span) * 60 : 0;
}

static struct finding_view *found_same(struct rule_input *s, const struct rule_shape *shape)
{
	struct finding_view *f = finding_add(s, CAUSE_UNCLOSED_STATEMENT, RESOURCE_STATEMENT);

	if (!f)
		return NULL;
	rule_statement_fill(s, f, shape);
	f->verdict = VERDICT_LEAKING;
	f->confidence = confidence_cap(s, CONFIDENCE_CERTAIN);
	finding_because(s, f, EVIDENCE_SAME_TEXT, shape->same);
	return f;
}

static struct finding_view *found_many(struct rule_input *s, const struct rule_shape *shape)
{
	bool literals = shape->distinct > shape->shaped / 2 && shape->shaped > shape->open / 2;
	struct finding_view *f = finding_add(
		s, literals ? CAUSE_CACHE_GROWTH : CAUSE_UNCLOSED_STATEMENT, RESOURCE_STATEMENT);

	if (!f)
		return NULL;
	rule_statement_fill(s, f, shape);
	f->verdict = VERDICT_LEAKING;
	f->confidence = confidence_cap(s, shape->most > ANY_SHAPE ? CONFIDENCE_CERTAIN
								  : CONFIDENCE_LIKELY);
	finding_because(s, f, EVIDENCE_STATEMENTS_GROW, (unsigned long long)shape->most);
	if (literals)
		finding_because(s, f, EVIDENCE_TEXTS_DIFFER, shape->distinct);
	return f;
}

/* Returns what is lacking for a leak of statements with one text; NULL: nothing. */
static const char *same_lacks(const struct rule_input *s, const struct rule_shape *shape)
{
	uint64_t span = shape->same_last_ns - shape->same_first_ns;

	if (shape->same < SAME_TEXT)
		return explain_why(s, "%zu with one text on one connection, fewer than %d",
				   shape->same, SAME_TEXT);
	if (s->endpoint->database == EV_DB_SQLITE &&
	    s->now_ns - shape->same_last_ns > span + 2 * SECOND_NS)
		return explain_why(s,
				   "%zu with one text came within %.1f s, and none for %.1f s "
				   "since",
				   shape->same, seconds(span),
				   seconds(s->now_ns - shape->same_last_ns));
	return NULL;
}

/* Returns what is lacking for a cache without bound; NULL: nothing. */
static const char *many_lacks(const struct rule_input *s, const struct rule_shape *shape)
{
	uint64_t span = shape->last_ns - shape->first_ns;

	if (shape->most <= ANY_SHAPE && (shape->most <= ONE_SHAPE || shape->distinct <= ONE_SHAPE))
		return explain_why(s,
				   "%llu open on one connection, %zu of them alike but for "
				   "literals: a cache may keep %d, or %d alike",
				   (unsigned long long)shape->most, shape->distinct, ANY_SHAPE,
				   ONE_SHAPE);
	if (s->now_ns - shape->last_ns > span && shape->most <= 10 * ANY_SHAPE)
		return explain_why(s, "all came within %.1f s, and none for %.1f s since",
				   seconds(span), seconds(s->now_ns - shape->last_ns));
	return NULL;
}

static bool same_leaks(const struct rule_input *s, const struct rule_shape *shape)
{
	return !same_lacks(s, shape);
}

static bool rule_statement_proves(const struct rule_input *s, const struct rule_shape *shape)
{
	return same_leaks(s, shape) || !many_lacks(s, shape);
}

static bool rule_statement_proves_alone(void *context, const struct place *place)
{
	struct entries *e = context;
	struct rule_shape shape;

	for (size_t i = 0; i < e->count; i++)
		e->all[i].answers = e->all[i].from.place;
	rule_statement_look(e, place, &shape);
	return rule_statement_proves(e->rule_input, &shape);
}

static void rule_statement_name(struct rule_input *s, struct finding_view *f,
				const struct entries *e, const struct place *at)
{
	struct origins o = {};

	for (size_t i = 0; i < e->count; i++)
		if (e->all[i].answers == at)
			origins_add(&o, e->all[i].from, 1);
	finding_from(s, f, &o, true);
}

static void found_at(struct rule_input *s, struct entries *e, const struct place *at,
		     const struct share *share, uint64_t most)
{
	struct finding_view *f;
	struct rule_shape shape;

	rule_statement_look(e, at, &shape);
	if (share->only && most > shape.most) /* the ledger counts more than it reports */
		shape.most = most;
	f = same_leaks(s, &shape) ? found_same(s, &shape) : found_many(s, &shape);
	if (!f)
		return;
	take_share(s, f, &shape, share);
	rule_statement_name(s, f, e, at);
	/* in the language of the line, which is known only now */
	f->advice = advice_for(s, f,
			       f->cause == CAUSE_CACHE_GROWTH ? ADVICE_VALUES : ADVICE_STATEMENT);
}

static void found_by_place(struct rule_input *s, struct entries *e, uint64_t most)
{
	const struct place *culprits[ORIGINS_MOST];
	size_t n = origins_culprits(&e->from, rule_statement_proves_alone, e, culprits);
	struct share share = {.only = n < 2, .rest = true};

	for (size_t i = 0; i < e->count; i++) {
		e->all[i].answers = culprit_of(culprits, n, e->all[i].from.place);
		share.elsewhere += n > 1 && e->all[i].answers != culprits[0];
	}
	for (size_t i = 0; i < n || i == 0; i++) {
		share.rest = i == 0;
		found_at(s, e, n ? culprits[i] : NULL, &share, most);
	}
}

static void explain_statements(const struct rule_input *s, const struct rule_shape *shape)
{
	const char *same = same_lacks(s, shape), *many = many_lacks(s, shape);

	explain_saw(s,
		    "%zu open and reported one by one; %llu on the connection with most; %zu "
		    "with one text, %zu alike but for literals",
		    shape->open, (unsigned long long)shape->most, shape->same, shape->distinct);
	if (same)
		explain_not(s, "equal texts: %s", same);
	else
		explain_proven(s,
			       "equal texts: %zu of one text on one connection; no cache "
			       "prepares a text twice",
			       shape->same);
	if (many)
		explain_not(s, "number: %s", many);
	else
		explain_proven(s, "number: %llu on one connection, more than a cache keeps",
			       (unsigned long long)shape->most);
}

int rule_statements(struct rule_input *s)
{
	struct entries e = {};
	struct rule_shape shape;
	uint64_t most = most_open(s);
	int err;

	if (most < LEAST_OPEN) {
		explain_not(s, "%llu open on the connection with most, fewer than %d",
			    (unsigned long long)most, LEAST_OPEN);
		return 0;
	}
	err = entries_open(&e, s);
	if (!err) {
		rule_statement_look(&e, NULL, &shape);
		shape.most = most;
		if (s->explanation)
			explain_statements(s, &shape);
		if (rule_statement_proves(s, &shape))
			found_by_place(s, &e, most);
	}
	entries_close(&e);
	return err;
}

#define ZOMBIES_LEAST 3
#define ZOMBIES_SPAN  (8 * SECOND_NS)

static struct origin origin_of_zombie(const struct rule_input *s, const struct connection *c)
{
	struct origin o = {};

	for (const struct statement_model *st = c->statements; st && !o.place; st = st->next)
		o = origin_of_stack(s, st->stack);
	return o.place ? o : origin_of_opening(s, &c->life);
}

/* SQLite: connections closed while statements were open. */
int rule_zombies(struct rule_input *s)
{
	uint64_t first = UINT64_MAX, last = 0, open = 0;
	struct origins from = {};
	struct finding_view *f;
	size_t n = 0, young = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct connection *c = s->conn_history[i].open;

		if (!c || !c->zombie_ns)
			continue;
		if (s->now_ns < c->zombie_ns + s->model->begin.min_age_ns) {
			young++;
			continue;
		}
		n++;
		origins_add(&from, origin_of_zombie(s, c), 1);
		open += c->prepared - c->unprepared;
		first = c->zombie_ns < first ? c->zombie_ns : first;
		last = c->zombie_ns > last ? c->zombie_ns : last;
	}
	if (n + young)
		explain_saw(s,
			    "%zu closed with statements open, %zu of them for %g s or longer "
			    "(--min-age)",
			    n + young, n, seconds(s->model->begin.min_age_ns));
	if (!n || s->process->exited_ns) {
		explain_not(s, n ? "the process has ended, and freed all with it"
			       : s->endpoint->database == EV_DB_SQLITE
				       ? "none lives on for so long"
				       : "only connections of SQLite live on so");
		return 0;
	}
	f = finding_of(s, CAUSE_UNCLOSED_STATEMENT);
	explain_proven(s, "%zu closed %.1f s ago or earlier%s", n, seconds(s->now_ns - last),
		       f ? "; told with the finding on statements" : "");
	if (!f) {
		f = finding_add(s, CAUSE_UNCLOSED_STATEMENT, RESOURCE_STATEMENT);
		if (!f)
			return 0;
		f->verdict = n >= ZOMBIES_LEAST && last - first >= ZOMBIES_SPAN &&
					     s->now_ns - last <=
						     last - first + s->model->begin.min_age_ns
				     ? VERDICT_LEAKING
				     : VERDICT_STUCK;
		f->kind = n == 1 ? KIND_ONE_TIME : KIND_SPORADIC;
		f->confidence = confidence_cap(s, CONFIDENCE_LIKELY);
		f->acquired = f->released = UNKNOWN64;
		f->open = open ? open : n;
		f->oldest_seconds = seconds(s->now_ns - first);
		finding_from(s, f, &from, false);
		f->advice = advice_for(s, f, ADVICE_STATEMENT);
	}
	finding_because(s, f, EVIDENCE_CLOSED_WITH_STATEMENTS, n, n == 1 ? "" : "s");
	return 0;
}
