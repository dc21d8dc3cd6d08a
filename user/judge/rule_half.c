/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rule_half.c - connections of which only one half is left: the library's handle or the socket.
 *
 * A handle whose socket is closed for longer than --min-age keeps its memory.  The rule asks for
 * three such handles, because a program may keep one to connect again.  A socket whose handle was
 * freed that long ago keeps its descriptor.  A socket that another process holds does not count,
 * because fork leaves such sockets.  Where connections were found unclosed already, these are the
 * same ones.
 */
#include "user/judge/explain.h"
#include "user/judge/origin.h"
#include "user/judge/rules.h"

#define LEAST_HANDLES 3
#define GROWTH_SPAN   (8 * SECOND_NS)

static const struct release {
	const char *object, *call;
} releases[] = {
	[EV_DB_POSTGRESQL] = {"PGconn", "PQfinish"},
	[EV_DB_MYSQL] = {"MYSQL", "mysql_close"},
};

struct halves {
	size_t count;
	uint64_t first_ns, last_ns; /* when the first and the last of them became halves */
	const struct text *sql;
	struct origins from;
};

static void rule_half_add(const struct rule_input *s, struct halves *h, uint64_t since_ns,
			  struct origin from)
{
	if (s->now_ns < since_ns || s->now_ns - since_ns < s->model->begin.min_age_ns)
		return;
	origins_add(&h->from, from, 1);
	if (!h->count++ || since_ns < h->first_ns)
		h->first_ns = since_ns;
	if (since_ns > h->last_ns)
		h->last_ns = since_ns;
}

static bool is_growing(const struct rule_input *s, const struct halves *h)
{
	uint64_t span = h->last_ns - h->first_ns;

	return h->count >= LEAST_HANDLES && span >= GROWTH_SPAN &&
	       s->now_ns - h->last_ns <= span + s->model->begin.min_age_ns;
}

static struct finding_view *half_found(struct rule_input *s, const struct halves *h)
{
	struct finding_view *f = finding_add(s, CAUSE_UNCLOSED_CONNECTION, RESOURCE_CONNECTION);

	if (!f)
		return NULL;
	f->verdict = is_growing(s, h) ? VERDICT_LEAKING : VERDICT_STUCK;
	f->kind = h->count == 1 ? KIND_ONE_TIME : KIND_SPORADIC;
	f->confidence = confidence_cap(s, CONFIDENCE_LIKELY);
	f->earlier = s->endpoint->pre_existing;
	f->acquired = s->endpoint->opened + f->earlier;
	f->released = f->acquired > h->count ? f->acquired - h->count : 0;
	f->open = h->count;
	f->oldest_seconds = seconds(s->now_ns - h->first_ns);
	f->growth_per_minute = 0;
	if (f->verdict == VERDICT_LEAKING)
		f->growth_per_minute = (h->count - 1) / seconds(h->last_ns - h->first_ns) * 60;
	f->sql = h->sql ? h->sql->sql : NULL;
	return f;
}

static void judge_handles(struct rule_input *s)
{
	const struct release *r = &releases[s->endpoint->database];
	struct halves h = {};
	struct finding_view *f;

	for (size_t i = 0; i < s->handle_count; i++) {
		const struct handle *x = s->handles[i];

		if (x->resource == EV_RES_CONNECTION && x->endpoint == s->endpoint && x->cut_ns &&
		    !(x->flags & EV_HANDLE_TENTATIVE))
			rule_half_add(s, &h, x->cut_ns, origin_of_stack(s, x->stack));
	}
	if (h.count < LEAST_HANDLES) {
		explain_not(s,
			    "%zu %s whose sockets are closed for %g s (--min-age), fewer than "
			    "%d",
			    h.count, r->object, seconds(s->model->begin.min_age_ns), LEAST_HANDLES);
		return;
	}
	explain_proven(s, "%zu %s are open although their sockets are closed", h.count, r->object);
	f = half_found(s, &h);
	if (!f)
		return;
	f->object = r->object;
	finding_because(s, f, EVIDENCE_SOCKETS_CLOSED, h.count, r->object);
	finding_from(s, f, &h.from, false);
	f->advice = arena_format(s->arena, "call %s for each %s, also after the connection failed",
				 r->call, r->object);
}

static void judge_sockets(struct rule_input *s)
{
	struct halves h = {};
	struct finding_view *f;

	for (size_t i = 0; i < s->count; i++) {
		const struct connection *c = s->conn_history[i].open;

		if (!c || !c->freed_ns || c->shared || c->orphan || c->life.used_ns > c->freed_ns)
			continue;
		rule_half_add(s, &h, c->freed_ns, origin_of_opening(s, &c->life));
		h.sql = s->conn_history[i].sql;
	}
	if (!h.count) {
		explain_not(s, "no socket is open whose %s was freed %g s ago (--min-age)",
			    releases[s->endpoint->database].object,
			    seconds(s->model->begin.min_age_ns));
		return;
	}
	explain_proven(s, "%zu sockets are open although the library has freed their connections",
		       h.count);
	f = half_found(s, &h);
	if (!f)
		return;
	finding_because(s, f, EVIDENCE_LIBRARY_CLOSED, h.count, h.count == 1 ? "" : "s",
			h.count == 1 ? " is" : "s are");
	finding_from(s, f, &h.from, false);
	f->advice =
		"close the descriptor too: it was duplicated, or taken before the library closed "
		"the connection";
}

/* The reason why the rule has nothing to look at; NULL: it looks. */
static const char *why_no_halves(const struct rule_input *s)
{
	enum ev_database d = s->endpoint->database;

	if (s->process->exited_ns)
		return "the process has ended, and freed all with it";
	if (d >= sizeof(releases) / sizeof(releases[0]) || !releases[d].object)
		return "only the libraries of PostgreSQL and MySQL are followed so";
	return finding_of(s, CAUSE_UNCLOSED_CONNECTION)
		       ? "an earlier rule has a finding on these connections already"
		       : NULL;
}

int rule_halves(struct rule_input *s)
{
	const char *reason = why_no_halves(s);

	if (reason) {
		explain_not(s, "%s", reason);
		return 0;
	}
	judge_handles(s);
	if (!finding_of(s, CAUSE_UNCLOSED_CONNECTION))
		judge_sockets(s);
	return 0;
}
