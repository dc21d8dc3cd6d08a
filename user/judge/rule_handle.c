/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rule_handle.c - objects of a client library that a place in a program acquires and never frees.
 *
 * Proof: of all objects that one call site acquired, the number never given back rises and goes on
 * rising (see rise.c).  The rule looks at the floor of that number over time, so objects in use at
 * the moment do not count, however busy the site is.  For a program too brief for that, the births
 * of the objects that were open at its end show the same.
 *
 * A site is not judged when many of its objects are freed by calls that no probe sees: then the
 * number of open objects is not known.  Statements are not judged here when the wire can tell them
 * apart by their texts: rule_statement.c knows a cache from a leak, and a count does not.  Where
 * the wire cannot be read, statements must come as fast as at first: a cache meets new texts ever
 * more rarely.
 */
#include "user/judge/advice.h"
#include "user/judge/explain.h"
#include "user/judge/origin.h"
#include "user/judge/rules.h"
#include "user/judge/words.h"

#include <stdlib.h>
#include <string.h>

#define LEAST_OBJECTS 10
#define ALL_BIRTHS    24 /* the ledger reports only the first 32 of a site */
#define OBJECTS_EACH  2	 /* objects that a connection may keep */
#define FEW_LOOKS_NS  (4 * SECOND_NS)
#define CERTAIN_NS    (8 * SECOND_NS)
#define CERTAIN_STEPS 6
#define ANY_CACHE     520 /* statements that some cache may keep, see rule_statement.c */

/* The words for objects of each resource. */
static const struct resource_words {
	enum cause cause;
	enum resource resource;
	const char *in_c;      /* arguments: the object, the call that frees it */
	enum advice elsewhere; /* where a driver calls it */
} words[] = {
	[EV_RES_CONNECTION] = {CAUSE_UNCLOSED_CONNECTION, RESOURCE_CONNECTION,
			       "C: call %2$s for each %1$s, also when connecting failed",
			       ADVICE_CLOSE},
	[EV_RES_STATEMENT] = {CAUSE_UNCLOSED_STATEMENT, RESOURCE_STATEMENT,
			      "C: call %2$s for each %1$s, or reuse one", ADVICE_STATEMENT},
	[EV_RES_CURSOR] = {CAUSE_UNCLOSED_CURSOR, RESOURCE_CURSOR,
			   "C: call %2$s for each %1$s when done", ADVICE_READ},
	[EV_RES_RESULT] = {CAUSE_UNFREED_RESULT, RESOURCE_RESULT,
			   "C: call %2$s for each %1$s, also after errors", ADVICE_READ},
	[EV_RES_MEMORY] = {CAUSE_UNFREED_MEMORY, RESOURCE_MEMORY, "C: call %2$s for each %1$s",
			   ADVICE_UPDATE},
};

/* The acquiring calls from one place of the program, and their objects. */
struct handle_calls {
	const struct site_model *site; /* the sum, if there are several return addresses */
	const struct ev_site *state;
	const struct handle *const *handles; /* its open objects that were reported, by birth */
	size_t handle_count;
	const struct endpoint *endpoint;     /* NULL not known */
	const struct connection *connection; /* of its newest object; NULL not known */
	uint64_t open;
	const struct place *place; /* NULL not known */
	bool implicit;		   /* all given back when the process ended, and not before */
};

bool site_is_obscure(const struct site_model *site)
{
	uint64_t open = site->state.acquired - site->state.released;

	return site->state.unseen > site->state.acquired / 8 || site->state.unseen > open / 2;
}

static bool is_of(const struct handle *h, const struct ev_site *state)
{
	return h->resource == state->resource && h->site == state->site;
}

static void find_handles(const struct rule_input *s, struct handle_calls *p)
{
	size_t first = 0, n = 0;

	while (first < s->handle_count && !is_of(s->handles[first], p->state))
		first++;
	while (first + n < s->handle_count && is_of(s->handles[first + n], p->state))
		n++;
	p->handles = s->handles + first;
	p->handle_count = n;
}

/* Finds the endpoint of the objects: that of the newest one, or the only endpoint that fits. */
static void find_endpoint(const struct rule_input *s, struct handle_calls *p)
{
	size_t fitting = 0;

	for (size_t i = p->handle_count; i-- > 0 && !p->connection;)
		p->connection = connection_of(s, p->handles[i]);
	if (p->connection && p->connection->process == s->process) {
		p->endpoint = p->connection->endpoint;
		return;
	}
	for (const struct endpoint *e = s->process->endpoints; e; e = e->next) {
		if (e->database != p->state->database ||
		    (!e->open && !e->opened && !e->closed && !e->pre_existing))
			continue;
		p->endpoint = e;
		fitting++;
	}
	if (fitting != 1)
		p->endpoint = NULL;
}

/* The rise that the births of the open objects show.  The ledger may have reported only the first
 * of many. */
static struct rise births_rise(const struct handle_calls *p, uint64_t end_ns)
{
	struct rise r = {.end_ns = end_ns};
	size_t n = p->handle_count;

	if (n < LEAST_OBJECTS || p->open < n)
		return r;
	r.held = p->open;
	r.first_ns = p->handles[0]->born_ns;
	r.last_ns = p->handles[n - 1 - n / 8]->born_ns;
	for (size_t i = 1; i < n; i++)
		r.steps += p->handles[i]->born_ns > p->handles[i - 1]->born_ns;
	if (p->open > n + n / 2) {
		if (n < ALL_BIRTHS)
			return (struct rise){.end_ns = end_ns};
		r.last_ns = p->state->last_ns;
	}
	return r;
}

static struct rise calls_rise(const struct rule_input *s, struct handle_calls *p)
{
	uint64_t end = p->site->detached_ns ? p->site->detached_ns : s->now_ns;
	struct rise r = rise_of(s, &p->site->open, end, &p->implicit), births;

	if (rise_goes_on(s, &r) || !s->process->exited_ns || p->state->detached ||
	    end - p->site->open.first_ns >= FEW_LOOKS_NS)
		return r;
	births = births_rise(p, end);
	return rise_goes_on(s, &births) ? births : r;
}

/* Does the wire show at least half of the open statements?  Then rule_statement.c judges them. */
static bool wire_tells(const struct rule_input *s, const struct handle_calls *p)
{
	uint64_t open = 0, prepared = 0;
	struct table_slot *slot;
	size_t at = 0;

	if (p->state->database == EV_DB_SQLITE) /* each is reported with its text */
		return true;
	while ((slot = table_next(&s->model->connections, &at))) {
		const struct connection *c = slot->value;

		if (c->process != s->process || c->database != p->state->database)
			continue;
		prepared += c->prepared;
		open += c->prepared - c->unprepared;
	}
	for (const struct endpoint *e = s->process->endpoints; e; e = e->next)
		if (e->database == p->state->database) {
			prepared += e->prepared;
			open += e->leakiest_open;
		}
	/* Statements that the server never had, or has closed, belong to no cache. */
	return prepared && 2 * open >= p->open;
}

/* Does the second half of the rise bring as many objects as the first, or nearly so? */
static bool as_fast_as_at_first(const struct handle_calls *p, const struct rise *r)
{
	struct rise half = history_rise(&p->site->open,
					r->first_ns + (r->last_ns - r->first_ns) / 2);
	uint64_t first = half.held > r->base ? half.held - r->base : 0, all = r->held - r->base;

	return r->last_ns - r->first_ns >= CERTAIN_NS && 10 * (all - first) >= 4 * all;
}

/* Returns what is lacking for a leak of statements; NULL: nothing. */
static const char *statements_lack(const struct rule_input *s, const struct handle_calls *p,
				   const struct rise *r)
{
	if (wire_tells(s, p))
		return "the bytes on the wire tell more: rule_statements judges them";
	return r->held > ANY_CACHE || as_fast_as_at_first(p, r)
		       ? NULL
		       : explain_why(s,
				     "no more than the %d that a cache may keep, and they come "
				     "ever more slowly",
				     ANY_CACHE);
}

/* Returns what is lacking for connection handles of which most have no socket; NULL: nothing.  Less
 * than half as many sockets are open then as handles are held.  The wire of Redis is not read:
 * there the library's count is the only one. */
static const char *handles_lack(const struct rule_input *s, const struct handle_calls *p,
				const struct rise *r)
{
	uint64_t sockets = 0;

	if (p->state->database == EV_DB_SQLITE || finding_of(s, CAUSE_UNCLOSED_CONNECTION))
		return "the rules for connections judge them";
	if (p->state->database == EV_DB_REDIS)
		return NULL;
	for (const struct endpoint *e = s->process->endpoints; e; e = e->next)
		sockets += e->open;
	/* A handle whose socket was never seen may have one that is not known as a database's. */
	for (size_t i = 0; i < p->handle_count; i++)
		if (!p->handles[i]->connection)
			return "the socket of one was never seen, so it may be open";
	return p->handle_count && 2 * sockets < r->held
		       ? NULL
		       : explain_why(s,
				     "%llu sockets are open, half as many or more: the rules for "
				     "connections judge them",
				     (unsigned long long)sockets);
}

/* Bytes and rows of the objects whose size was read, and the number of those objects (of_*). */
struct handle_sizes {
	uint64_t bytes, of_bytes, least, most;
	uint64_t rows, of_rows;
};

static struct handle_sizes sizes_of(const struct handle_calls *p)
{
	struct handle_sizes z = {.least = UNKNOWN64};

	for (size_t i = 0; i < p->handle_count; i++) {
		const struct handle *h = p->handles[i];

		if (h->rows != UNKNOWN64) {
			z.rows += h->rows;
			z.of_rows++;
		}
		if (h->bytes == UNKNOWN64)
			continue;
		z.bytes += h->bytes;
		z.of_bytes++;
		z.least = h->bytes < z.least ? h->bytes : z.least;
		z.most = h->bytes > z.most ? h->bytes : z.most;
	}
	return z;
}

/* Estimates the sum of all open objects from the mean of those that were read. */
static uint64_t of_all(uint64_t sum, uint64_t read, uint64_t open)
{
	if (!read)
		return UNKNOWN64;
	return read == open ? sum : (uint64_t)((double)sum / (double)read * (double)open + 0.5);
}

/* Sizes are of memory in use now, so they are estimated for the open objects only. */
static void fill_sizes(const struct handle_calls *p, struct finding_view *f)
{
	struct handle_sizes z = sizes_of(p);

	f->bytes = of_all(z.bytes, z.of_bytes, f->open);
	if (p->state->resource != EV_RES_RESULT)
		return;
	f->rows = of_all(z.rows, z.of_rows, f->open);
	f->rows_exact = z.of_rows == f->open;
}

static const char *bytes_text(const struct rule_input *s, uint64_t bytes)
{
	if (bytes < 10000)
		return arena_format(s->arena, "%s bytes", count_words(s->arena, bytes));
	if (bytes < 1000000)
		return arena_format(s->arena, "%.0f kB", bytes / 1e3);
	return arena_format(s->arena, "%.1f MB", bytes / 1e6);
}

static void add_size_evidence(struct rule_input *s, const struct handle_calls *p,
			      struct finding_view *f)
{
	struct handle_sizes z = sizes_of(p);
	const char *mean;

	if (!z.bytes)
		return;
	mean = bytes_text(s, z.bytes / z.of_bytes);
	if (!mean)
		return;
	if (z.least == z.most)
		finding_because(s, f, EVIDENCE_EACH_USES, mean);
	else
		finding_because(s, f, EVIDENCE_EACH_USES_ABOUT, mean,
				(unsigned long long)z.of_bytes);
}

static void rule_handle_fill(const struct rule_input *s, const struct handle_calls *p,
			     const struct rise *r, struct finding_view *f)
{
	uint64_t oldest = r->first_ns;

	f->database = p->state->database;
	f->endpoint = place_text(s, p->endpoint);
	f->object = *p->state->object
			    ? arena_copy(s->arena, p->state->object, strlen(p->state->object))
			    : NULL;
	f->caller = p->state->caller;
	f->acquired = p->state->acquired;
	f->released = p->implicit ? p->state->acquired - r->held : p->state->released;
	f->open = f->acquired - f->released;
	if (p->handle_count && p->handles[0]->born_ns && p->handles[0]->born_ns < oldest)
		oldest = p->handles[0]->born_ns;
	f->oldest_seconds = r->end_ns > oldest ? seconds(r->end_ns - oldest) : 0;
	f->growth_per_minute = 0;
	if (r->last_ns > r->first_ns)
		f->growth_per_minute = (r->held - r->base) / seconds(r->last_ns - r->first_ns) * 60;
	if (p->connection && p->connection->sql)
		f->sql = p->connection->sql->sql;
	fill_sizes(p, f);
}

static uint64_t begun_on(const struct rule_input *s, enum ev_database database)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->view->endpoint_count; i++)
		if (s->view->endpoints[i].database == database)
			n += s->view->endpoints[i].transactions.begun;
	return n;
}

/* A driver sends BEGIN by itself where the program makes its first statement, and frees the result
 * of BEGIN.  Such frees are no sign of a path on which rows are freed.  Their number is that of
 * the transactions, within a tenth. */
static bool frees_begins_only(const struct rule_input *s, const struct handle_calls *p,
			      const struct finding_view *f)
{
	uint64_t begun = begun_on(s, p->state->database);

	return p->state->resource == EV_RES_RESULT && sizes_of(p).rows && !p->implicit &&
	       10 * f->released <= 11 * begun && 10 * f->released >= 9 * begun &&
	       10 * f->open >= 7 * begun;
}

static enum kind rule_handle_kind_of(const struct rule_input *s, const struct handle_calls *p,
				     const struct finding_view *f)
{
	if (p->implicit)
		return KIND_IMPLICIT;
	return 10 * f->open >= 7 * f->acquired || frees_begins_only(s, p, f) ? KIND_FREQUENT
									     : KIND_SPORADIC;
}

static enum confidence sure(const struct rule_input *s, const struct handle_calls *p,
			    const struct rise *r)
{
	bool certain = r->last_ns - r->first_ns >= CERTAIN_NS && r->steps >= CERTAIN_STEPS &&
		       !p->state->unseen && !p->state->detached &&
		       p->state->resource != EV_RES_STATEMENT;

	return confidence_cap(s, certain ? CONFIDENCE_CERTAIN : CONFIDENCE_LIKELY);
}

/* Collects the places of the objects that are still open; without any, that of the latest call. */
static void find_origins(const struct rule_input *s, const struct handle_calls *c,
			 struct origins *o)
{
	for (size_t i = 0; i < c->handle_count; i++)
		if (c->handles[i]->stack)
			origins_add(o, origin_of_stack(s, c->handles[i]->stack), 1);
	if (!origins_most(o) && c->site->stack)
		origins_add(o, origin_of_stack(s, c->site->stack), 1);
}

static void rule_handle_name(struct rule_input *s, const struct handle_calls *c,
			     struct finding_view *f)
{
	struct origins o = {};

	find_origins(s, c, &o);
	finding_from(s, f, &o, true);
}

static void add_evidence(struct rule_input *s, const struct handle_calls *p, const struct rise *r,
			 struct finding_view *f)
{
	const char *object = f->object ? f->object : resource_name(f->resource);

	finding_because(s, f, EVIDENCE_MORE_NOT_FREED, (unsigned long long)(r->held - r->base),
			object, seconds(r->last_ns - r->first_ns));
	if (p->state->released && !p->implicit)
		finding_because(s, f, EVIDENCE_ONE_PATH_FORGETS,
				(unsigned long long)p->state->released,
				(unsigned long long)p->state->acquired,
				frees_begins_only(s, p, f) ? " (those of BEGIN)" : "");
	if (p->implicit)
		finding_because(s, f, EVIDENCE_OBJECTS_FREED_AT_EXIT);
	if (p->state->detached)
		finding_because(s, f, EVIDENCE_COUNTED_UNTIL, seconds(r->end_ns - s->start_ns));
	add_size_evidence(s, p, f);
	rule_handle_name(s, p, f);
	if (p->state->resource == EV_RES_CONNECTION && p->state->database != EV_DB_REDIS)
		finding_because(s, f, EVIDENCE_ONLY_MEMORY);
}

static void found(struct rule_input *s, const struct handle_calls *p, const struct rise *r)
{
	const struct resource_words *w = &words[p->state->resource];
	struct finding_view *f = finding_add(s, w->cause, w->resource);

	if (!f)
		return;
	rule_handle_fill(s, p, r, f);
	f->verdict = VERDICT_LEAKING;
	f->kind = rule_handle_kind_of(s, p, f);
	f->confidence = sure(s, p, r);
	add_evidence(s, p, r, f);
	if (advice_language(s, f) > EV_LANG_NATIVE)
		f->advice = advice_for(s, f, w->elsewhere);
	else
		f->advice = arena_format(
			s->arena, w->in_c, f->object ? f->object : resource_name(f->resource),
			*p->state->release ? p->state->release : "its free function");
}

/* A leak that the wire has shown already is the same leak: the site only adds its count. */
static bool known(struct rule_input *s, const struct handle_calls *p)
{
	struct finding_view *f;

	if (p->state->resource != EV_RES_STATEMENT)
		return false;
	f = finding_of(s, CAUSE_UNCLOSED_STATEMENT);
	f = f ? f : finding_of(s, CAUSE_CACHE_GROWTH);
	if (f && f->database == p->state->database && p->open >= LEAST_OBJECTS)
		finding_because(s, f, EVIDENCE_LINE_MADE, (unsigned long long)p->state->acquired,
				*p->state->object ? p->state->object : "statements",
				(unsigned long long)p->state->released);
	return f && f->database == p->state->database;
}

/* Objects that an unclosed connection keeps with it (its last result, its cancel handle) are part
 * of that leak: one or two for each connection. */
static bool goes_with_connections(struct rule_input *s, const struct handle_calls *p,
				  const struct rise *r)
{
	struct finding_view *f = finding_of(s, CAUSE_UNCLOSED_CONNECTION);

	if (!f || f->database != p->state->database || p->state->resource == EV_RES_CONNECTION ||
	    r->held - r->base > OBJECTS_EACH * (open_of(s, CAUSE_UNCLOSED_CONNECTION) + 1))
		return false;
	finding_because(s, f, EVIDENCE_LEAKED_WITH_THEM, (unsigned long long)r->held,
			*p->state->object ? p->state->object : "objects");
	return true;
}

/* Are most of the results still being fetched? rule_cursor.c tells those at work from others. */
static bool mostly_unread(const struct handle_calls *p)
{
	size_t unread = 0;

	for (size_t i = 0; i < p->handle_count; i++)
		unread += !!(p->handles[i]->flags & EV_HANDLE_UNREAD);
	return 2 * unread > p->handle_count;
}

/* Returns what is lacking for a leak; NULL: nothing. */
static const char *leak_lacks(const struct rule_input *s, const struct handle_calls *p,
			      const struct rise *r)
{
	const char *lacks = rise_lacks(s, r);

	if (lacks)
		return lacks;
	if (mostly_unread(p))
		return "most are still being read";
	if (p->state->resource == EV_RES_STATEMENT)
		return statements_lack(s, p, r);
	return p->state->resource == EV_RES_CONNECTION ? handles_lack(s, p, r) : NULL;
}

/*
 * Calls of one place.
 *
 * The ledger counts by the address that a call returns to, or by a whole stack.  A library that is
 * called through two wrappers, or from a loop that the compiler unrolled, is called by one line of
 * the program.  So calls that lead to the same place, for the same kind of object, are judged as
 * one.  The other way round, one address in a driver may serve many places.  Its count cannot be
 * taken apart; the places of the objects that are still open tell whom it serves.
 */

static int by_birth(const void *a, const void *b)
{
	const struct handle *x = *(const struct handle *const *)a;
	const struct handle *y = *(const struct handle *const *)b;

	return (x->born_ns > y->born_ns) - (x->born_ns < y->born_ns);
}

static int join_handles(const struct rule_input *s, struct handle_calls *c,
			const struct handle_calls *other)
{
	size_t n = c->handle_count + other->handle_count;
	const struct handle **all = arena_alloc(s->arena, (n + 1) * sizeof(*all));

	if (!all)
		return -1;
	if (c->handle_count)
		memcpy(all, c->handles, c->handle_count * sizeof(*all));
	if (other->handle_count)
		memcpy(all + c->handle_count, other->handles, other->handle_count * sizeof(*all));
	qsort(all, n, sizeof(*all), by_birth);
	c->handles = all;
	c->handle_count = n;
	return 0;
}

static void join_states(struct ev_site *to, const struct ev_site *from)
{
	to->acquired += from->acquired;
	to->released += from->released;
	to->unseen += from->unseen;
	to->failed += from->failed;
	to->rows = to->rows == UNKNOWN64 || from->rows == UNKNOWN64 ? UNKNOWN64
								    : to->rows + from->rows;
	if (from->first_ns && (!to->first_ns || from->first_ns < to->first_ns))
		to->first_ns = from->first_ns;
	if (from->last_ns > to->last_ns)
		to->last_ns = from->last_ns;
	to->detached = to->detached || from->detached;
	to->caller = to->caller == from->caller ? to->caller : 0;
}

static int rule_handle_join(const struct rule_input *s, struct handle_calls *c,
			    const struct handle_calls *other)
{
	struct site_model *sum = arena_alloc(s->arena, sizeof(*sum));

	if (!sum || join_handles(s, c, other))
		return -1;
	*sum = *c->site;
	join_states(&sum->state, other->state);
	history_join(&sum->open, &other->site->open);
	if (!sum->detached_ns ||
	    (other->site->detached_ns && other->site->detached_ns < sum->detached_ns))
		sum->detached_ns = other->site->detached_ns;
	c->site = sum;
	c->state = &sum->state;
	return 0;
}

static bool same_place(const struct handle_calls *a, const struct handle_calls *b)
{
	return a->place == b->place && a->state->resource == b->state->resource &&
	       a->state->database == b->state->database &&
	       !strcmp(a->state->object, b->state->object);
}

/* "12 PGresult allocated at app.c:7 load, 4 of them freed" */
static const char *calls_words(const struct rule_input *s, const struct handle_calls *c)
{
	const struct ev_site *e = c->state;
	const char *name = c->place ? place_name(s, c->place) : NULL;

	if (!name)
		name = explain_words(s, "the call that returns to 0x%llx",
				     (unsigned long long)e->caller);
	return explain_words(s, "%llu %s allocated at %s, %llu of them freed",
			     (unsigned long long)e->acquired, *e->object ? e->object : "objects",
			     name, (unsigned long long)e->released);
}

static int judge_calls(struct rule_input *s, struct handle_calls *c)
{
	const char *what = s->explanation ? calls_words(s, c) : "", *lacks;
	struct rise r;

	c->open = c->state->acquired - c->state->released;
	if (site_is_obscure(c->site)) {
		explain_not(s, "%s: %llu were freed by calls that dbleak does not see", what,
			    (unsigned long long)c->state->unseen);
		return 0;
	}
	if (known(s, c)) {
		explain_proven(s, "%s: told with the finding on statements", what);
		return 0;
	}
	find_endpoint(s, c);
	r = calls_rise(s, c);
	lacks = leak_lacks(s, c, &r);
	if (lacks) {
		explain_not(s, "%s: %s", what, lacks);
	} else if (goes_with_connections(s, c, &r)) {
		explain_proven(s, "%s: told with the finding on connections", what);
	} else {
		explain_proven(s,
			       "%s: those not freed rose from %llu to %llu in %.1f s, in %u "
			       "steps",
			       what, (unsigned long long)r.base, (unsigned long long)r.held,
			       seconds(r.last_ns - r.first_ns), r.steps);
		found(s, c, &r);
	}
	return 0;
}

#define JOINED_MOST 4096 /* with more, each address stands alone */

/* Adds the calls of a site to those of its place, or to the end. */
static int add_calls(const struct rule_input *s, struct handle_calls *all, size_t *count,
		     const struct site_model *site)
{
	struct handle_calls *c = &all[*count];
	const struct origin *most;
	struct origins o = {};

	*c = (struct handle_calls){.site = site, .state = &site->state};
	find_handles(s, c);
	find_origins(s, c, &o);
	most = origins_most(&o);
	c->place = most ? most->place : NULL;
	for (size_t i = 0; i < *count && *count < JOINED_MOST && c->place; i++)
		if (same_place(&all[i], c))
			return rule_handle_join(s, &all[i], c);
	++*count;
	return 0;
}

static bool is_judged(const struct site_model *site)
{
	return site->state.resource < sizeof(words) / sizeof(words[0]) &&
	       words[site->state.resource].in_c;
}

int rule_sites(struct rule_input *s)
{
	size_t room = 0, count = 0;
	struct handle_calls *all;
	int err = 0;

	for (const struct site_model *site = s->process->sites; site; site = site->next)
		room++;
	all = calloc(room + 1, sizeof(*all));
	if (!all)
		return -1;
	for (const struct site_model *site = s->process->sites; site && !err; site = site->next)
		if (is_judged(site))
			err = add_calls(s, all, &count, site);
	if (!err && !count)
		explain_not(s, "no call that allocates such an object was seen");
	for (size_t i = 0; i < count && !err; i++)
		err = judge_calls(s, &all[i]);
	free(all);
	return err;
}
