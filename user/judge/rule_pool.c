/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rule_pool.c - a full pool whose connections are taken and idle, while threads wait for one.
 *
 * Nothing grows any more, and the connections may be older than the watch.  The proof is who waits:
 * a pool hands out a connection that it has at once.  So a connection that was idle for longer than
 * a thread waits for one is taken, and its taker does nothing with it.
 *
 * The rule asks that no connection of the process, to any database, did anything while that thread
 * waited.  Else the pool may be too small for slow queries, and the idle connections may be those
 * of another pool, at rest.  A connection counts as idle after --min-age, since its taker may
 * compute, or talk to others, between two queries.
 *
 * Tasks of an event loop wait as threads do.  A look may take two waits of a task for one, which
 * then seems too long; the connection that it had in between was used meanwhile, so this is no
 * proof.
 *
 * Where nobody can read who waits (JavaScript, Go, Ruby, interpreted Java), requests without an
 * answer stand for them.  Such a request may wait for anything, so more is asked: no connection did
 * anything since it came, the process neither computes nor waits for another server, and either all
 * connections are inside a transaction, or several requests are the first ones on their sockets.
 */
#include "user/judge/advice.h"
#include "user/judge/explain.h"
#include "user/judge/origin.h"
#include "user/judge/present_view.h"
#include "user/judge/rules.h"
#include "user/judge/serving.h"

#define SURE_NS (10 * SECOND_NS) /* so long a wait is no coincidence */

struct pool_held {
	size_t count, in_transaction;
	uint64_t latest_ns, oldest_ns; /* last uses: the latest and the oldest of them */
	const struct text *sql;
	const struct life *first; /* the one that is idle for longest */
	uint64_t first_used_ns;	  /* of that one; 0: before the watch */
	struct origins from;
};

static bool is_exempt(const struct connection *c)
{
	return c->orphan || c->shared || c->hung_up_ns ||
	       c->life.flags & (EV_CONN_LISTENING | EV_CONN_REPLICATION | EV_CONN_CANCEL);
}

/* The time when a connection was used last; 0: before the watch, and when is not known.  The kernel
 * keeps no times of Unix sockets.  Where the server's own words tell the state of such a
 * connection, its record bears the time of that look. */
static uint64_t use_of(const struct rule_input *s, const struct connection *c)
{
	bool silent = c->life.flags & EV_CONN_PRE_EXISTING && !c->bytes_sent && !c->bytes_received;

	return silent && c->life.used_ns >= s->start_ns ? 0 : c->life.used_ns;
}

/* The same, as late as it can have been. */
static uint64_t last_use(const struct rule_input *s, const struct connection *c)
{
	uint64_t used = use_of(s, c);

	return used ? used : s->start_ns;
}

static bool is_busy(const struct rule_input *s, const struct connection *c)
{
	return c->request_ns || c->life.flags & EV_CONN_ASKED || waits_for_reply(s, c) ||
	       (c->session && c->session->busy);
}

/* Did a connection of the process work, to whatever database, while that thread waited? */
static size_t at_work(const struct rule_input *s, uint64_t since_ns)
{
	struct table_slot *slot;
	size_t n = 0, at = 0;

	while ((slot = table_next(&s->model->connections, &at))) {
		const struct connection *c = slot->value;

		if (c->process != s->process || c->life.closed_ns || is_exempt(c) ||
		    c->database == EV_DB_SQLITE)
			continue;
		n += is_busy(s, c) || use_of(s, c) > since_ns;
	}
	return n;
}

/* Connections of the process to other databases; inside: those inside a transaction. */
static size_t others_open(const struct rule_input *s, size_t *inside)
{
	struct table_slot *slot;
	size_t n = 0, at = 0;

	*inside = 0;
	while ((slot = table_next(&s->model->connections, &at))) {
		const struct connection *c = slot->value;

		if (c->process != s->process || c->endpoint == s->endpoint || is_exempt(c) ||
		    c->life.closed_ns || c->database == EV_DB_SQLITE)
			continue;
		n++;
		*inside += c->life.status >= EV_STATUS_TRANSACTION;
	}
	return n;
}

static void pool_gather(struct rule_input *s, struct pool_held *h)
{
	for (size_t i = 0; i < s->count; i++) {
		struct conn_history *x = &s->conn_history[i];
		uint64_t used;

		if (!x->open || is_exempt(x->open))
			continue;
		used = last_use(s, x->open);
		if (!h->count++ || used > h->latest_ns)
			h->latest_ns = used;
		if (!h->first || used < h->oldest_ns) {
			h->oldest_ns = used;
			h->first = x->life;
			h->first_used_ns = use_of(s, x->open);
		}
		h->in_transaction += x->life->status >= EV_STATUS_TRANSACTION;
		if (x->sql)
			h->sql = x->sql;
		x->from = origin_of_life(s, x->life);
		origins_add(&h->from, x->from, 1);
	}
}

static const char *requests_have(uint32_t n)
{
	return n == 1 ? " has" : "s have";
}

static struct endpoint_view *its_view(const struct rule_input *s)
{
	return &s->view->endpoints[s->view->endpoint_count - 1];
}

static void tell_waiters(struct rule_input *s, struct finding_view *f, const struct waiters *w)
{
	const struct ev_serving *v = &s->process->serving.state;
	uint32_t n = w->requests ? (uint32_t)w->count : v->unanswered;

	if (!w->named && !w->requests)
		finding_because(s, f, EVIDENCE_POOL_BY_NAME);
	if (n)
		finding_because(s, f, EVIDENCE_REQUESTS_UNANSWERED, n, requests_have(n),
				seconds(s->now_ns - (w->requests ? w->since_ns : v->came_ns[0])));
}

/* A connection at rest in a pool is outside of transactions. */
static bool are_taken(const struct pool_held *h)
{
	return h->count && h->in_transaction == h->count;
}

/* The database that the waiters want is not known where the process has several. */
static enum confidence pool_confidence(const struct rule_input *s, const struct pool_held *h,
				       const struct waiters *w, size_t others)
{
	if (w->requests && !others)
		return are_taken(h) ? CONFIDENCE_LIKELY : CONFIDENCE_POSSIBLE;
	if (!w->named || others)
		return CONFIDENCE_POSSIBLE;
	return s->now_ns - w->since_ns >= SURE_NS ? CONFIDENCE_CERTAIN : CONFIDENCE_LIKELY;
}

static void pool_found(struct rule_input *s, const struct pool_held *h, const struct waiters *w,
		       size_t others)
{
	struct finding_view *f = finding_of(s, CAUSE_UNCLOSED_CONNECTION);
	bool known = f != NULL;

	if (!known)
		f = finding_add(s, CAUSE_UNCLOSED_CONNECTION, RESOURCE_CONNECTION);
	if (!f)
		return;
	waiters_show(s, &f->waiters, w);
	if (w->requests)
		f->waiters.unseen = serving_unseen(s, f);
	if (known) { /* what it says of them stands; who waits is new */
		tell_waiters(s, f, w);
		return;
	}
	f->verdict = VERDICT_STUCK;
	f->kind = KIND_ONE_TIME;
	f->confidence = confidence_cap(s, pool_confidence(s, h, w, others));
	f->earlier = s->endpoint->pre_existing;
	f->acquired = s->endpoint->opened + f->earlier;
	f->open = h->count;
	f->released = f->acquired > f->open ? f->acquired - f->open : 0;
	f->oldest_seconds = seconds(s->now_ns - h->oldest_ns);
	f->oldest_is_minimum = !h->first_used_ns;
	f->growth_per_minute = 0;
	f->in_transaction = h->in_transaction;
	f->sql = h->sql ? h->sql->sql : NULL;
	if (w->requests)
		finding_because(s, f, EVIDENCE_UNUSED_SINCE, h->count);
	else
		finding_because(s, f, EVIDENCE_HELD_IDLE, h->count, h->count,
				seconds(s->now_ns - h->latest_ns));
	tell_waiters(s, f, w);
	if (w->requests && !are_taken(h))
		finding_because(s, f, EVIDENCE_MAY_WAIT_FOR_OTHERS);
	finding_from(s, f, &h->from, false);
	holder_show(s, &f->holder, h->first);
	if (f->holder.state == HOLDER_UNKNOWN)
		threads_show(s, f);
	f->advice = advice_for(s, f, ADVICE_CLOSE);
}

/* Are the connections idle for long enough?  Says why they are not. */
static bool idle_for_long(struct rule_input *s, const struct pool_held *h)
{
	if (h->count && s->now_ns - h->latest_ns >= s->model->begin.min_age_ns)
		return true;
	explain_not(s,
		    "%zu connections are idle, the latest for %.1f s, less than %g s (--min-age)",
		    h->count, h->count ? seconds(s->now_ns - h->latest_ns) : 0,
		    seconds(s->model->begin.min_age_ns));
	return false;
}

/* The last use of any connection of the process, to whatever database. */
static uint64_t last_use_of_all(const struct rule_input *s)
{
	struct table_slot *slot;
	uint64_t last = 0;
	size_t at = 0;

	while ((slot = table_next(&s->model->connections, &at))) {
		const struct connection *c = slot->value;

		if (c->process == s->process && !c->life.closed_ns && !is_exempt(c) &&
		    last_use(s, c) > last)
			last = last_use(s, c);
	}
	return last;
}

/* More requests than connections, which nearly all work: some of the requests wait for one. */
static void tell_busy(struct rule_input *s, const struct pool_held *h, struct waiters *w)
{
	size_t busy = 0;

	for (size_t i = 0; i < s->count; i++)
		busy += s->conn_history[i].open && is_busy(s, s->conn_history[i].open);
	explain_not(s, "%zu of %zu connections work while %zu requests have no answer", busy,
		    h->count, w->count);
	if (busy * 4 < h->count * 3 || w->count <= h->count)
		return;
	its_view(s)->saturated = "busy";
	waiters_show(s, &its_view(s)->waiters, w);
}

/* Finds a full pool by the requests that wait. */
static void pool_by_requests(struct rule_input *s)
{
	struct waiters w = {.requests = true};
	struct pool_held h = {};
	const char *excuse;
	size_t inside;
	bool taken;

	pool_gather(s, &h);
	w.count = serving_after(s, 0, false, &w.since_ns);
	if (at_work(s, s->now_ns)) {
		tell_busy(s, &h, &w);
		return;
	}
	taken = are_taken(&h);
	w.count = serving_after(s, last_use_of_all(s), !taken, &w.since_ns);
	explain_saw(s, "%zu requests came after the last use of a connection, and got no answer",
		    w.count);
	if (w.count < (taken ? 1 : 2) || h.count < (taken ? 1 : 2)) {
		explain_not(s, "one request, or one connection, may wait for anything");
		return;
	}
	excuse = serving_excuse(s);
	if (excuse) {
		explain_not(s, "%s", excuse);
		return;
	}
	if (!idle_for_long(s, &h))
		return;
	if (s->now_ns - w.since_ns < s->model->begin.min_age_ns) {
		explain_not(s, "the first of them waits for %.1f s, less than %g s (--min-age)",
			    seconds(s->now_ns - w.since_ns), seconds(s->model->begin.min_age_ns));
		return;
	}
	if (others_open(s, &inside) && !taken) {
		explain_not(s, "which of several databases they wait for is unknown");
		return;
	}
	its_view(s)->saturated = "held";
	waiters_show(s, &its_view(s)->waiters, &w);
	explain_proven(s, "%zu connections are idle while requests wait", h.count);
	pool_found(s, &h, &w, others_open(s, &inside));
}

int rule_pool(struct rule_input *s)
{
	struct pool_held h = {};
	size_t working, others, inside;
	struct waiters w;
	const char *who;

	waiters_find(s, &w);
	if (!w.count) {
		explain_not(s, "no %s is seen to wait for a connection",
			    has_tasks(s->process) ? "thread and no task" : "thread");
		if (s->process->serving.state.unanswered && !s->process->exited_ns)
			pool_by_requests(s);
		return 0;
	}
	who = !w.tasks ? "threads" : w.tasks == w.count ? "tasks" : "threads and tasks";
	explain_saw(s, "%zu %s wait in %s, the first %sfor %.1f s", w.count, who, w.pool,
		    w.tasks ? "seen there " : "", seconds(s->now_ns - w.since_ns));
	working = at_work(s, w.since_ns);
	waiters_show(s, &its_view(s)->waiters, &w);
	if (working) {
		its_view(s)->saturated = "busy";
		explain_not(s,
			    "%zu connections of the process worked while they waited: the pool may "
			    "be too small",
			    working);
		return 0;
	}
	pool_gather(s, &h);
	if (!idle_for_long(s, &h))
		return 0;
	others = others_open(s, &inside);
	if (inside && !h.in_transaction) {
		explain_not(s,
			    "%zu connections to another database are inside transactions, and none "
			    "of these: the full pool is theirs",
			    inside);
		return 0;
	}
	its_view(s)->saturated = "held";
	explain_proven(s, "%zu connections are taken and idle while %s wait for one", h.count, who);
	pool_found(s, &h, &w, others);
	return 0;
}
