/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rule_transaction.c - transactions begun and never ended.
 *
 * The clock runs only while no request is outstanding: a long query or a stream being read is
 * work.  A transaction is held too long when the client has been silent inside it for --min-age.
 * The silence must also be at least three times the longest that this process has ended by itself.
 *
 * The end of the process rolls back what it left open, and excuses nothing: a transaction that was
 * held too long before is told, if the process meanwhile went on with other connections.  Without
 * that, only one whose connection was never closed at all is: a script that works on what it has
 * read and then says goodbye is well.
 */
#include "user/judge/advice.h"
#include "user/judge/explain.h"
#include "user/judge/origin.h"
#include "user/judge/present_view.h"
#include "user/judge/rules.h"
#include "user/judge/sessions.h"

#include <string.h>

#define LEAST_GROWTH 3

struct tx_held {
	size_t count;
	size_t old;	    /* of them, held too long by age alone */
	size_t exits;	    /* of those, released by the end of the process only */
	uint64_t beside_ns; /* the longest that others were used meanwhile */
	size_t unseen;	    /* of them, not seen to begin */
	size_t told;	    /* of those, known from their server alone */
	const struct life *longest;
	uint64_t longest_ns;
	bool longest_unseen;
	uint64_t oldest_ns; /* the longest transaction that a server dates; 0: it dates none */
	bool wrote, cursor;
	size_t earlier; /* of them, begun before the watch */
	uint16_t ports[FINDING_PORTS];
	uint64_t port_silent_ns[FINDING_PORTS]; /* falling */
	size_t port_count;
	struct sessions sessions;
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

/* Reasons why a transaction is held too long, or is not. */
enum tx_fate {
	TX_NONE, /* the connection is inside none */
	TX_CLOSED,
	TX_UNUSED,
	TX_WAITING,
	TX_HUNG_UP,
	TX_YOUNG,
	TX_AT_EXIT,
	TX_OLD,	      /* held, by its age */
	TX_WITH_CONN, /* held: its connection leaks */
	TX_FATES,
};

/* The time for which a transaction was silent, as far as that counts. */
static uint64_t silence(const struct rule_input *s, const struct conn_history *x)
{
	if (x->exit && (x->farewell || unused_beside_ns(s, x)))
		return unused_beside_ns(s, x);
	return x->end_ns - x->life->used_ns;
}

/* Leaking connections prove it at any age.  A script that ends with one transaction open has not
 * leaked. */
static enum tx_fate tx_fate_of(const struct rule_input *s, const struct conn_history *x,
			       bool leaking)
{
	if (x->life->status < EV_STATUS_TRANSACTION)
		return TX_NONE;
	if (x->life->closed_ns && !x->exit)
		return TX_CLOSED;
	if (!x->life->used_ns)
		return TX_UNUSED;
	if (x->life->asked || (x->open && x->open->request_ns))
		return TX_WAITING;
	if (x->open && x->open->hung_up_ns)
		return TX_HUNG_UP;
	if (silence(s, x) >= patience(s))
		return TX_OLD;
	if (x->left && leaking)
		return TX_WITH_CONN;
	return x->exit ? TX_AT_EXIT : TX_YOUNG;
}

/* Was the open transaction begun before the watch? */
static bool is_earlier(const struct life *l)
{
	return !l->begun && l->status >= EV_STATUS_TRANSACTION;
}

/* Notes the port of a connection among those that were silent for longest. */
static void add_port(struct tx_held *h, uint16_t port, uint64_t silent)
{
	size_t at = h->port_count < FINDING_PORTS ? h->port_count++ : FINDING_PORTS - 1;

	if (at == FINDING_PORTS - 1 && h->ports[at] && h->port_silent_ns[at] >= silent)
		return;
	for (; at && h->port_silent_ns[at - 1] < silent; at--) {
		h->ports[at] = h->ports[at - 1];
		h->port_silent_ns[at] = h->port_silent_ns[at - 1];
	}
	h->ports[at] = port;
	h->port_silent_ns[at] = silent;
}

/* Adds the age of a transaction, and what its server says of it. */
static void rule_transaction_add(const struct rule_input *s, const struct conn_history *x,
				 struct tx_held *h)
{
	uint64_t age = session_transaction_age(s, x);
	bool unseen = !x->life->begun && x->life->flags & EV_CONN_PRE_EXISTING;

	sessions_add(&h->sessions, x);
	h->unseen += unseen;
	h->told += unseen && x->open && !x->open->bytes_sent && !x->open->bytes_received &&
		   s->endpoint->database != EV_DB_SQLITE;
	if (x->end_ns - x->life->used_ns > h->longest_ns) {
		h->longest_ns = x->end_ns - x->life->used_ns;
		h->longest = x->life;
		h->longest_unseen = unseen && !age;
	}
	if (age > h->oldest_ns)
		h->oldest_ns = age;
}

/* Collects the transactions for which that place answers. */
static void rule_transaction_look(const struct rule_input *s, const struct place *at,
				  struct tx_held *h)
{
	bool leaking = connections_leak(s);

	memset(h, 0, sizeof(*h));
	for (size_t i = 0; i < s->count; i++) {
		const struct conn_history *x = &s->conn_history[i];
		enum tx_fate fate = tx_fate_of(s, x, leaking);

		if (x->answers != at || fate < TX_OLD)
			continue;
		h->count++;
		h->old += fate == TX_OLD;
		h->earlier += is_earlier(x->life);
		if (x->open && x->open->local_port)
			add_port(h, x->open->local_port, x->end_ns - x->life->used_ns);
		rule_transaction_add(s, x, h);
		if (fate == TX_OLD && x->exit) {
			h->exits++;
			h->beside_ns = h->beside_ns > unused_beside_ns(s, x)
					       ? h->beside_ns
					       : unused_beside_ns(s, x);
		}
		h->wrote = h->wrote || x->life->flags & EV_CONN_WROTE;
		h->cursor = h->cursor || x->life->flags & EV_CONN_CURSOR;
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

		if (s->conn_history[i].open)
			n += l->begun;
	}
	return n;
}

/* Counts the open transactions that were begun before the watch. */
static uint64_t earlier(const struct rule_input *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->count; i++)
		n += s->conn_history[i].open && is_earlier(s->conn_history[i].life);
	return n;
}

/* Those that a closed connection took with it have ended, too; the end of the process ends none. */
static uint64_t ended(const struct rule_input *s)
{
	uint64_t n = s->endpoint->committed + s->endpoint->rolled_back + s->short_lived->committed +
		     s->short_lived->rolled_back;
	uint64_t lost = s->endpoint->abandoned + s->short_lived->abandoned, at_exit = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct conn_history *x = &s->conn_history[i];

		if (x->open)
			n += x->open->committed + x->open->rolled_back + x->open->abandoned;
		at_exit += x->exit && x->life->status >= EV_STATUS_TRANSACTION;
	}
	return n + (lost > at_exit ? lost - at_exit : 0);
}

/* Where is the thread now that began the oldest of them?  A call to another server inside a
 * transaction is the usual reason. */
static void say_holder(struct rule_input *s, struct finding_view *f, const struct life *oldest)
{
	const char *other;
	uint64_t since_ns;

	if (!oldest)
		return;
	holder_show(s, &f->holder, oldest);
	if (f->holder.state == HOLDER_UNKNOWN)
		threads_show(s, f);
	other = waits_elsewhere(s, oldest, &since_ns);
	if (other)
		finding_because(s, f, EVIDENCE_WAITS_ELSEWHERE, other,
				seconds(s->now_ns - since_ns));
}

/* only: no other place answers for any.  With several places, the number begun at each is not
 * known. */
static void found(struct rule_input *s, const struct tx_held *h, bool only, enum kind kind)
{
	struct finding_view *f = finding_add(s, CAUSE_OPEN_TRANSACTION, RESOURCE_TRANSACTION);
	bool sqlite = s->endpoint->database == EV_DB_SQLITE;

	if (!f)
		return;
	f->earlier = only ? earlier(s) : 0;
	f->acquired = only ? begun(s) + f->earlier : UNKNOWN64;
	f->released = only ? ended(s) : UNKNOWN64;
	f->open = h->count;
	f->in_transaction = h->count;
	f->changed_rows = h->wrote;
	memcpy(f->ports, h->ports, sizeof(f->ports));
	f->port_count = h->port_count;
	f->oldest_seconds = seconds(h->oldest_ns > h->longest_ns ? h->oldest_ns : h->longest_ns);
	f->oldest_is_minimum = h->longest_unseen && h->oldest_ns <= h->longest_ns;
	f->begin_unseen = h->unseen == h->count;
	f->sql = h->sql ? h->sql->sql : NULL;
	f->verdict = h->count >= LEAST_GROWTH && connections_leak(s) ? VERDICT_LEAKING
								     : VERDICT_STUCK;
	f->kind = h->count == 1 || f->begin_unseen ? KIND_ONE_TIME : kind;
	f->confidence = confidence_cap(s, h->told == h->count ? CONFIDENCE_LIKELY
							      : CONFIDENCE_CERTAIN);
	if (sqlite)
		finding_because(s, f, EVIDENCE_NO_STATEMENT_RUN, seconds(h->longest_ns));
	else
		finding_because(s, f, EVIDENCE_IDLE_INSIDE, seconds(h->longest_ns));
	if (h->oldest_ns)
		finding_because(s, f, EVIDENCE_SERVER_SAYS_BEGUN, seconds(h->oldest_ns));
	else if (h->unseen && h->unseen == h->count)
		finding_because(s, f, EVIDENCE_BEGIN_UNSEEN);
	else if (h->unseen)
		finding_because(s, f, EVIDENCE_BEGINS_UNSEEN, h->unseen);
	if (s->process->longest_gap_ns > SECOND_NS / 10)
		finding_because(s, f, EVIDENCE_LONGEST_PAUSE, seconds(s->process->longest_gap_ns));
	else if (s->process->longest_gap_ns)
		finding_because(s, f, EVIDENCE_PAUSES_SHORT);
	if (h->beside_ns)
		finding_because(s, f, EVIDENCE_OTHERS_USED, seconds(h->beside_ns));
	if (h->exits)
		finding_because(s, f, EVIDENCE_ENDED_AT_EXIT, h->exits);
	if (h->wrote && sqlite)
		finding_because(s, f, EVIDENCE_FILE_LOCKED);
	else if (h->wrote)
		finding_because(s, f, EVIDENCE_ROWS_LOCKED);
	if (h->cursor)
		finding_because(s, f, EVIDENCE_CURSOR_TOO);
	say_holder(s, f, h->longest);
	finding_from(s, f, &h->from, false);
	finding_sessions(s, f, &h->sessions);
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

static void explain_transactions(const struct rule_input *s, const struct tx_held *h)
{
	static const char *const words[TX_FATES] = {
		[TX_NONE] = "inside none",
		[TX_CLOSED] = "ended with their connection",
		[TX_UNUSED] = "never seen in use",
		[TX_WAITING] = "at work: a request is outstanding",
		[TX_HUNG_UP] = "closed by the server",
		[TX_YOUNG] = "silent too briefly",
		[TX_AT_EXIT] = "open only when the process ended",
		[TX_OLD] = "silent for too long",
		[TX_WITH_CONN] = "inside a connection that leaks",
	};
	bool leaking = connections_leak(s);
	size_t fates[TX_FATES] = {};

	for (size_t i = 0; i < s->count; i++)
		fates[tx_fate_of(s, &s->conn_history[i], leaking)]++;
	explain_saw(s, "%llu begun, %llu ended; connections by their transaction: %s",
		    (unsigned long long)begun(s), (unsigned long long)ended(s),
		    explain_counts(s, fates, words, TX_FATES));
	explain_saw(s,
		    "too long is %g s: --min-age, and 3 times the longest silence that ended "
		    "(%.1f s)",
		    seconds(patience(s)), seconds(s->process->longest_gap_ns));
	if (!h->count)
		explain_not(s, "no transaction is open and silent for so long");
	else
		explain_proven(s,
			       "%zu open, silent for up to %.1f s; leaking would take %d and "
			       "connections that leak%s",
			       h->count, seconds(h->longest_ns), LEAST_GROWTH,
			       leaking ? ", as here" : "");
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
	if (s->explanation)
		explain_transactions(s, &h);
	if (!h.count)
		return 0;
	/* The rate of leaks begun before the watch is not known. */
	if (h.earlier == h.count)
		kind = KIND_ONE_TIME;
	else if (10 * (h.count - h.earlier + 1) >= 7 * begun(s))
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
