/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rule_transaction.c - transactions begun and never ended.
 *
 * The clock runs only while no request is outstanding: a long query or a stream being read is
 * work.  A transaction is held too long when the client has been silent inside it for --min-age.
 * The silence must also be at least three times the longest that this process has ended by itself.
 */
#include "user/judge/advice.h"
#include "user/judge/origin.h"
#include "user/judge/rules.h"

#include <string.h>

#define LEAST_GROWTH 3

struct tx_held {
	size_t count;
	size_t old; /* of them, held too long by age alone */
	uint64_t longest_ns;
	bool wrote, cursor;
	const struct text *sql;
	struct origins from;
};

static uint64_t patience(const struct rule_input *s)
{
	uint64_t normal = 3 * s->process->longest_gap_ns;

	return normal > s->model->begin.min_age_ns ? normal : s->model->begin.min_age_ns;
}

static bool connections_leak(const struct rule_input *s)
{
	for (size_t i = 0; i < s->finding_count; i++)
		if (s->findings[i].cause == CAUSE_UNCLOSED_CONNECTION &&
		    s->findings[i].verdict == VERDICT_LEAKING)
			return true;
	return false;
}

/* Leaking connections prove it at any age.  A script that ends with one transaction open has not
 * leaked. */
static bool rule_transaction_is_held(const struct rule_input *s, const struct conn_history *x,
				     bool leaking, bool *old)
{
	if (x->life->status < EV_STATUS_TRANSACTION || !x->life->used_ns ||
	    (x->life->closed_ns && !x->exit) ||
	    (x->open && (x->open->request_ns || x->open->hung_up_ns)))
		return false;
	*old = !x->exit && x->end_ns - x->life->used_ns >= patience(s);
	return *old || (x->left && leaking);
}

/* Collects the transactions for which that place answers. */
static void rule_transaction_look(const struct rule_input *s, const struct place *at,
				  struct tx_held *h)
{
	bool leaking = connections_leak(s), old;

	memset(h, 0, sizeof(*h));
	for (size_t i = 0; i < s->count; i++) {
		const struct conn_history *x = &s->conn_history[i];
		uint64_t silent = x->end_ns - x->life->used_ns;

		if (x->answers != at || !rule_transaction_is_held(s, x, leaking, &old))
			continue;
		h->count++;
		h->old += old;
		h->wrote = h->wrote || x->life->flags & EV_CONN_WROTE;
		h->cursor = h->cursor || x->life->flags & EV_CONN_CURSOR;
		if (silent > h->longest_ns)
			h->longest_ns = silent;
		if (x->sql)
			h->sql = x->sql;
		origins_add(&h->from, x->from, 1);
	}
}

static uint64_t begun(const struct rule_input *s)
{
	uint64_t n = s->endpoint->begun + s->short_lived->begun;

	for (size_t i = 0; i < s->count; i++) {
		const struct life *l = s->conn_history[i].life;

		/* A transaction that was open before the watch was begun, too. */
		if (s->conn_history[i].open)
			n += l->begun ? l->begun : l->status >= EV_STATUS_TRANSACTION;
	}
	return n;
}

static uint64_t ended(const struct rule_input *s)
{
	uint64_t n = s->endpoint->committed + s->endpoint->rolled_back + s->short_lived->committed +
		     s->short_lived->rolled_back;

	for (size_t i = 0; i < s->count; i++)
		if (s->conn_history[i].open)
			n += s->conn_history[i].open->committed +
			     s->conn_history[i].open->rolled_back;
	return n;
}

/* only: no other place answers for any.  With several places, the number begun at each is not
 * known. */
static void found(struct rule_input *s, const struct tx_held *h, bool only, enum kind kind)
{
	struct finding_view *f = finding_add(s, CAUSE_OPEN_TRANSACTION, RESOURCE_TRANSACTION);
	bool sqlite = s->endpoint->database == EV_DB_SQLITE;

	if (!f)
		return;
	f->acquired = only ? begun(s) : UNKNOWN64;
	f->released = only ? ended(s) : UNKNOWN64;
	f->open = h->count;
	f->in_transaction = h->count;
	f->oldest_seconds = seconds(h->longest_ns);
	f->sql = h->sql ? h->sql->sql : NULL;
	f->verdict = h->count >= LEAST_GROWTH && connections_leak(s) ? VERDICT_LEAKING
								     : VERDICT_STUCK;
	f->kind = h->count == 1 ? KIND_ONE_TIME : kind;
	f->confidence = confidence_cap(s, CONFIDENCE_CERTAIN);
	finding_because(
		s, f,
		sqlite ? "no statement is running, and none was for %.0f s inside the "
			 "transaction"
		       : "no request is outstanding, and nothing was sent for %.0f s inside "
			 "the transaction",
		seconds(h->longest_ns));
	if (s->process->longest_gap_ns > SECOND_NS / 10)
		finding_because(s, f, "the longest such pause that ended was %.1f s",
				seconds(s->process->longest_gap_ns));
	else if (s->process->longest_gap_ns)
		finding_because(s, f, "no such pause that ended was longer than 0.1 s");
	if (h->wrote)
		finding_because(s, f,
				sqlite ? "it has changed rows: until it ends nobody else can "
					 "write to the database"
				       : "it has changed rows: they stay locked until it ends");
	if (h->cursor)
		finding_because(s, f, "a cursor was opened in it and not closed");
	finding_from(s, f, &h->from, false);
	f->advice = advice_for(s, f, ADVICE_END);
}

/* Does that place hold transactions, even without the others? */
static bool rule_transaction_proves_alone(void *context, const struct place *place)
{
	struct rule_input *s = context;
	struct tx_held h;

	for (size_t i = 0; i < s->count; i++)
		s->conn_history[i].answers = s->conn_history[i].from.place;
	rule_transaction_look(s, place, &h);
	return h.old || h.count >= LEAST_GROWTH;
}

int rule_transactions(struct rule_input *s)
{
	const struct place *culprits[ORIGINS_MOST];
	enum kind kind = KIND_SPORADIC;
	struct tx_held h;
	size_t n;

	for (size_t i = 0; i < s->count; i++) {
		s->conn_history[i].answers = NULL;
		if (s->conn_history[i].life->status >= EV_STATUS_TRANSACTION)
			s->conn_history[i].from = origin_of_life(s, s->conn_history[i].life);
	}
	rule_transaction_look(s, NULL, &h);
	if (!h.count)
		return 0;
	if (10 * (h.count + 1) >= 7 * begun(s))
		kind = KIND_FREQUENT;
	for (size_t i = 0; i < s->count; i++)
		s->conn_history[i].from.place = origins_line(&h.from,
							     s->conn_history[i].from.place);
	n = origins_culprits(&h.from, rule_transaction_proves_alone, s, culprits);
	for (size_t i = 0; i < s->count; i++)
		s->conn_history[i].answers = culprit_of(culprits, n, s->conn_history[i].from.place);
	for (size_t i = 0; i < n || i == 0; i++) {
		rule_transaction_look(s, n ? culprits[i] : NULL, &h);
		found(s, &h, n < 2, kind);
	}
	return 0;
}
