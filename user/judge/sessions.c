/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sessions.c - see sessions.h.
 */
#include "user/judge/sessions.h"

void sessions_add(struct sessions *all, const struct conn_history *x)
{
	size_t at = 0;

	if (!x->open || !x->open->session)
		return;
	all->known++;
	if (all->count < SESSIONS_SHOWN) {
		all->of[all->count++] = x->open;
		return;
	}
	for (size_t i = 1; i < SESSIONS_SHOWN; i++)
		if (all->of[i]->life.used_ns > all->of[at]->life.used_ns)
			at = i;
	if (x->open->life.used_ns < all->of[at]->life.used_ns)
		all->of[at] = x->open;
}

/* Messages of the connection tell newer things than the server did before them. */
static bool has_moved(const struct connection *c)
{
	return c->life.used_ns > c->session->told_ns || c->life.begun;
}

uint64_t session_transaction_age(const struct rule_input *s, const struct conn_history *x)
{
	const struct session_model *session = x->open ? x->open->session : NULL;

	if (!session || !session->transaction_ns || has_moved(x->open) ||
	    session->transaction_ns > s->now_ns)
		return 0;
	return s->now_ns - session->transaction_ns;
}

static double age_of(const struct rule_input *s, uint64_t since_ns)
{
	return since_ns && since_ns <= s->now_ns ? seconds(s->now_ns - since_ns) : -1;
}

static struct session_view sessions_view(const struct rule_input *s, const struct connection *c)
{
	const struct session_model *m = c->session;
	bool moved = m->told_ns < c->life.used_ns;

	return (struct session_view){
		.session = m->session,
		.pid = m->pid,
		.source = m->source,
		.status = moved ? c->life.status : m->status,
		.busy = moved ? c->request_ns != 0 : m->busy,
		.transaction_seconds = age_of(s,
					      moved ? c->life.transaction_ns : m->transaction_ns),
		.state_seconds = age_of(s, moved ? c->life.used_ns : m->since_ns),
		.application = *m->application ? arena_string(s->arena, m->application) : NULL,
		.sql = moved && c->sql ? c->sql->sql
		       : m->sql	       ? m->sql->sql
				       : NULL,
	};
}

void finding_sessions(struct rule_input *s, struct finding_view *f, const struct sessions *all)
{
	struct session_view *views = arena_alloc(s->arena, (all->count + 1) * sizeof(*views));

	if (!views || !all->count)
		return;
	for (size_t i = 0; i < all->count; i++)
		views[i] = sessions_view(s, all->of[i]);
	f->sessions = views;
	f->session_count = all->count;
	f->sessions_known = all->known;
}
