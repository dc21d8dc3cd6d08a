/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rule_cursor.c - cursors, and results read row by row, that nobody reads to their end or closes.
 *
 * A cursor being read is work, however long it takes.  So the clock runs from the last use, and a
 * rising number alone is judged on its floor (see rise.c).  There are four ways to hold rows back:
 *
 *   with hold   PostgreSQL keeps the whole result of a cursor WITH HOLD until it is closed.  Proof:
 *               their number rises, or ten lie idle for --min-age, or fewer for as much longer.
 *               One or two prove nothing: a user may be paging through them
 *   unread      a result whose rows still wait at the server blocks its connection.  Proof: no row
 *               was read for --min-age
 *   unfinished  a SQLite statement that was stepped and neither finished nor reset holds a read
 *               lock.  Proof: its connection did nothing for --min-age, or their number rises
 *   given up    bytes of a reply wait in the client's socket, whatever the library.  Proof: none
 *               came for --min-age, none was read while dbleak watched, and the process opened
 *               newer connections instead
 */
#include "user/judge/advice.h"
#include "user/judge/collected.h"
#include "user/judge/explain.h"
#include "user/judge/origin.h"
#include "user/judge/rules.h"

#define MANY	     10
#define FEW	     3
#define LEAST_GROWTH 5
#define GROWTH_SPAN  (8 * SECOND_NS)
#define UNREAD_LEAST (5 * SECOND_NS) /* a slow reader takes some meanwhile */

/* The cursors or results held back in one of the ways. */
struct cursor_held {
	struct collected collected;
	size_t count;
	uint64_t first_ns, last_ns; /* last use, or start, of the oldest and the newest */
	uint64_t rows;		    /* of the results; UNKNOWN64: not known */
	const struct endpoint *endpoint;
	const struct text *sql;
	struct origins from;
	struct origins all; /* also of those that are not held long enough: whose number may rise */
};

/* Adds n cursors or results that were last used, or begun, at the same time. */
static void rule_cursor_hold(const struct rule_input *s, struct cursor_held *h, uint64_t since_ns,
			     size_t n)
{
	for (size_t i = 0; i < n; i++)
		collected_add(s, &h->collected, since_ns);
	if (!h->count || since_ns < h->first_ns)
		h->first_ns = since_ns;
	if (since_ns > h->last_ns)
		h->last_ns = since_ns;
	h->count += n;
}

static uint64_t since(const struct rule_input *s, uint64_t ns)
{
	return s->now_ns > ns ? s->now_ns - ns : 0;
}

static bool is_idle(const struct rule_input *s, const struct connection *c)
{
	return c->life.used_ns && !c->request_ns &&
	       since(s, c->life.used_ns) >= s->model->begin.min_age_ns;
}

static struct finding_view *cursor_found(struct rule_input *s, const struct cursor_held *h,
					 const struct rise *r)
{
	struct finding_view *f = finding_add(s, CAUSE_UNCLOSED_CURSOR, RESOURCE_CURSOR);

	if (!f)
		return NULL;
	f->verdict = r ? VERDICT_LEAKING : VERDICT_STUCK;
	f->kind = h->count == 1 ? KIND_ONE_TIME : r ? KIND_FREQUENT : KIND_SPORADIC;
	f->confidence = confidence_cap(s, CONFIDENCE_LIKELY);
	f->acquired = f->released = UNKNOWN64;
	f->open = h->count;
	f->oldest_seconds = h->first_ns ? seconds(since(s, h->first_ns)) : -1;
	f->growth_per_minute = 0;
	if (r && r->last_ns > r->first_ns)
		f->growth_per_minute = (r->held - r->base) / seconds(r->last_ns - r->first_ns) * 60;
	f->sql = h->sql ? h->sql->sql : NULL;
	return f;
}

/* The transaction that a connection had begun last when its cursors became more has declared one,
 * as far as is known. */
static struct origin origin_of_cursor(const struct rule_input *s, const struct life *l)
{
	struct origin o = origin_of_stack(s, l->cursor_at);

	if (!o.place)
		o = origin_of_stack(s, l->begun_at);
	return o.place ? o : origin_of_opening(s, l);
}

/* Was the connection idle for --min-age, now or, with others in use, until its process ended? */
static bool is_left_idle(const struct rule_input *s, const struct conn_history *x)
{
	return x->open ? is_idle(s, x->open) : unused_beside_ns(s, x) >= s->model->begin.min_age_ns;
}

static void look_at_holds(const struct rule_input *s, struct cursor_held *idle, size_t *open)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct conn_history *x = &s->conn_history[i];
		size_t n = x->open || x->exit ? x->life->cursors : 0;

		if (!n)
			continue;
		*open += n;
		idle->sql = x->sql ? x->sql : idle->sql;
		origins_add(&idle->all, origin_of_cursor(s, x->life), n);
		if (!is_left_idle(s, x))
			continue;
		origins_add(&idle->from, origin_of_cursor(s, x->life), n);
		rule_cursor_hold(s, idle, x->life->used_ns, n);
	}
}

/* Returns what is lacking for MANY cursors idle for --min-age, or fewer for as much longer; NULL:
 * nothing. */
static const char *idle_lack(const struct rule_input *s, const struct cursor_held *h)
{
	uint64_t idle = h->count ? since(s, h->last_ns) : 0;

	if (h->count < FEW)
		return explain_why(s, "%zu idle for %g s (--min-age), fewer than %d", h->count,
				   seconds(s->model->begin.min_age_ns), FEW);
	return h->count * idle >= MANY * s->model->begin.min_age_ns
		       ? NULL
		       : explain_why(s, "%zu idle for %.1f s: so many need %.1f s", h->count,
				     seconds(idle),
				     seconds(MANY * s->model->begin.min_age_ns / h->count));
}

/* lacks, idle: what is lacking for a rise, and for a proof by idleness. */
static void explain_cursors(const struct rule_input *s, const char *what, const char *lacks,
			    const char *idle, const struct rise *r)
{
	if (lacks)
		explain_not(s, "number of %s: %s", what, lacks);
	else
		explain_proven(s, "number of %s: %llu at first, %llu at last", what,
			       (unsigned long long)r->base, (unsigned long long)r->held);
	if (idle)
		explain_not(s, "idle %s: %s", what, idle);
	else
		explain_proven(s, "idle %s: for --min-age and longer", what);
}

static void judge_holds(struct rule_input *s)
{
	bool fell;
	struct rise r = rise_of(s, s->endpoint->cursors, s->now_ns, &fell);
	bool grows = rise_goes_on(s, &r);
	struct cursor_held h = {};
	struct finding_view *f;
	size_t open = 0;

	look_at_holds(s, &h, &open);
	explain_saw(s, "%zu cursors WITH HOLD are open, %zu of them idle", open, h.count);
	if (s->explanation)
		explain_cursors(s, "cursors", rise_lacks(s, &r), idle_lack(s, &h), &r);
	if (!grows && idle_lack(s, &h))
		return;
	if (grows) {
		h.count = open ? open : r.held;
		h.first_ns = r.first_ns;
	}
	f = cursor_found(s, &h, grows ? &r : NULL);
	if (!f)
		return;
	if (grows)
		finding_because(s, f, EVIDENCE_HOLD_GROWS);
	else
		finding_because(s, f, EVIDENCE_HOLD_IDLE, seconds(since(s, h.last_ns)));
	finding_because(s, f, EVIDENCE_SERVER_KEEPS_RESULT);
	finding_from(s, f, grows ? &h.all : &h.from, true);
	collected_tell(s, f, &h.collected, grows);
	f->advice = "CLOSE each WITH HOLD cursor when done, before its connection returns to the "
		    "pool";
}

/* Was the connection idle for --min-age while its statements were unfinished?  At the end of a
 * process that counts only while the process went on with other connections. */
static bool is_left_unread(const struct rule_input *s, const struct conn_history *x)
{
	uint64_t least = s->model->begin.min_age_ns, begun = x->file->reading_ns;

	if (!begun || reader_end_ns(x) < begun || reader_end_ns(x) - begun < least)
		return false;
	return x->open ? is_idle(s, x->open) : unread_beside_ns(s, x) >= least;
}

/* A statement that waits while its connection does other work may be at work itself. */
static void look_at_readers(const struct rule_input *s, struct cursor_held *h, size_t *open)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct conn_history *x = &s->conn_history[i];
		const struct file_model *file = x->file;

		if (!file || !file->reading)
			continue;
		*open += file->reading;
		h->sql = file->sql ? file->sql : h->sql;
		origins_add(&h->all, origin_of_reader(s, x), file->reading);
		if (!is_left_unread(s, x))
			continue;
		origins_add(&h->from, origin_of_reader(s, x), file->reading);
		rule_cursor_hold(s, h, file->reading_ns, file->reading);
	}
}

static void judge_readers(struct rule_input *s)
{
	bool fell;
	struct rise r = rise_of(s, s->endpoint->readers, s->now_ns, &fell);
	bool grows = rise_goes_on(s, &r);
	struct cursor_held h = {};
	struct finding_view *f;
	const char *idle;
	size_t open = 0;

	look_at_readers(s, &h, &open);
	idle = finding_of(s, CAUSE_WAL_GROWTH) ? "told with the finding on the log"
	       : h.count		       ? NULL
					       : "none is idle for --min-age";
	explain_saw(s, "%zu statements have rows to read, %zu of them idle", open, h.count);
	if (s->explanation)
		explain_cursors(s, "statements", rise_lacks(s, &r), idle, &r);
	/* A reader that lets the log grow is reported by rule_wal. */
	if (!grows && idle)
		return;
	if (grows) {
		h.count = open ? open : r.held;
		h.first_ns = h.first_ns ? h.first_ns : r.first_ns;
	}
	f = cursor_found(s, &h, grows ? &r : NULL);
	if (!f)
		return;
	if (grows)
		finding_because(s, f, EVIDENCE_UNREAD_GROWS, (unsigned long long)(r.held - r.base));
	else
		finding_because(s, f, EVIDENCE_UNREAD_IDLE, seconds(since(s, h.last_ns)));
	finding_because(s, f, EVIDENCE_READ_LOCK);
	finding_from(s, f, grows ? &h.all : &h.from, true);
	collected_tell(s, f, &h.collected, grows);
	f->advice = advice_for(s, f, ADVICE_READ);
}

/* Does the library say itself that its result is not read? */
static bool has_unread_handle(const struct rule_input *s, const struct connection *c)
{
	for (size_t i = 0; i < s->handle_count; i++)
		if (s->handles[i]->flags & EV_HANDLE_UNREAD && connection_of(s, s->handles[i]) == c)
			return true;
	return false;
}

/* Did the process open any connection in the window?  Where a name or a user is not known, it is
 * not known either which of its endpoints are the same. */
static bool opened_any(const struct rule_input *s)
{
	for (const struct endpoint *e = s->process->endpoints; e; e = e->next)
		if (e->database != EV_DB_SQLITE && e->opened)
			return true;
	return s->process->short_lived[0].opened > 0;
}

/* Did the client give up to read a reply? */
static bool is_given_up(const struct rule_input *s, const struct conn_history *x)
{
	const struct connection *c = x->open;

	if (!c || !c->unread_ns || c->orphan || since(s, c->unread_ns) < UNREAD_LEAST ||
	    since(s, c->life.used_ns) < s->model->begin.min_age_ns || has_unread_handle(s, c))
		return false;
	return x->passes || (c->life.used_ns < s->start_ns && opened_any(s));
}

static void judge_given_up(struct rule_input *s)
{
	struct cursor_held h = {};
	uint64_t unread_ns = 0;
	struct finding_view *f;

	for (size_t i = 0; i < s->count; i++) {
		const struct conn_history *x = &s->conn_history[i];

		if (!is_given_up(s, x))
			continue;
		rule_cursor_hold(s, &h, x->life->used_ns, 1);
		origins_add(&h.from, origin_of_opening(s, x->life), 1);
		h.sql = x->sql ? x->sql : h.sql;
		if (x->open->unread_ns > unread_ns)
			unread_ns = x->open->unread_ns;
	}
	if (!h.count)
		return;
	explain_proven(s,
		       "%zu replies were not read for %.1f s, while newer connections were opened",
		       h.count, seconds(since(s, unread_ns)));
	f = cursor_found(s, &h, NULL);
	if (!f)
		return;
	finding_because(s, f, EVIDENCE_REPLY_UNREAD, h.count, h.count == 1 ? "" : "s",
			seconds(since(s, unread_ns)));
	finding_because(s, f, EVIDENCE_OPENED_INSTEAD);
	finding_from(s, f, &h.from, true);
	f->advice = advice_for(s, f, ADVICE_READ);
}

int rule_cursors(struct rule_input *s)
{
	judge_given_up(s);
	if (s->endpoint->cursors)
		judge_holds(s);
	if (s->endpoint->readers)
		judge_readers(s);
	if (!s->endpoint->cursors && !s->endpoint->readers)
		explain_not(s, "no cursor WITH HOLD and no statement of SQLite with rows to read "
			       "was seen");
	return 0;
}

/* Finds results that were not read for --min-age. */
static void look_at_results(const struct rule_input *s, struct cursor_held *held)
{
	for (size_t i = 0; i < s->handle_count; i++) {
		const struct handle *h = s->handles[i];
		uint64_t used = h->used_ns ? h->used_ns : h->born_ns;
		const struct connection *c;

		if (h->resource != EV_RES_RESULT || !(h->flags & EV_HANDLE_UNREAD) || !used)
			continue;
		c = connection_of(s, h);
		/* Bytes that the connection receives are rows of this result. */
		if (c && c->life.used_ns > used)
			used = c->life.used_ns;
		if (since(s, used) < s->model->begin.min_age_ns)
			continue;
		rule_cursor_hold(s, held, used, 1);
		origins_add(&held->from, origin_of_stack(s, h->stack), 1);
		held->endpoint = c && c->process == s->process ? c->endpoint : held->endpoint;
		held->sql = c && c->sql ? c->sql : held->sql;
	}
}

int rule_unread(struct rule_input *s)
{
	struct cursor_held h = {};
	struct finding_view *f;
	bool grows;

	if (s->process->exited_ns) {
		explain_not(s, "the process has ended, and freed all with it");
		return 0;
	}
	look_at_results(s, &h);
	if (!h.count) {
		explain_not(s,
			    "no result has rows at the server and was not read for %g s "
			    "(--min-age)",
			    seconds(s->model->begin.min_age_ns));
		return 0;
	}
	explain_proven(s, "%zu results have rows at the server, none was read for %.1f s", h.count,
		       seconds(since(s, h.last_ns)));
	grows = h.count >= LEAST_GROWTH && h.last_ns - h.first_ns >= GROWTH_SPAN &&
		since(s, h.last_ns) <= s->model->begin.min_age_ns + (h.last_ns - h.first_ns);
	f = cursor_found(s, &h, NULL);
	if (!f)
		return 0;
	if (grows) {
		f->verdict = VERDICT_LEAKING;
		f->kind = KIND_FREQUENT;
		f->growth_per_minute = (h.count - 1) / seconds(h.last_ns - h.first_ns) * 60;
	}
	f->endpoint = place_text(s, h.endpoint);
	f->database = h.endpoint ? h.endpoint->database : EV_DB_MYSQL;
	finding_because(s, f, EVIDENCE_ROWS_WAIT, seconds(since(s, h.last_ns)));
	finding_because(s, f, EVIDENCE_CONNECTION_BLOCKED);
	finding_from(s, f, &h.from, true);
	collected_tell(s, f, &h.collected, grows);
	f->advice =
		"read each result to its end, or free it, on every path; store small ones whole";
	return 0;
}
