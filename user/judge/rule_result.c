/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rule_result.c - one reply fetched whole that should have been read in pages.
 *
 * Many rows alone prove nothing: a stream reads as many and keeps none.  So the process's memory
 * must have grown with the reply while it was read.  SQLite always streams.  There the rows must
 * have come as fast as in a program that does nothing with them yet.  The growth must also exceed
 * what the library may keep of its files and to sort.
 */
#include "user/judge/advice.h"
#include "user/judge/explain.h"
#include "user/judge/origin.h"
#include "user/judge/rules.h"

#define MANY_ROWS    50000
#define MANY_BYTES   (16 << 20)
#define LEAST_GROWN  (4 << 20)
#define LEAST_OF_ROW 24	   /* bytes that a kept row takes at least */
#define LEAST_RATE   10000 /* rows a second */

/* Names the place that sent the request, or at least the place where its transaction began. */
static void rule_result_name(struct rule_input *s, struct finding_view *f)
{
	const struct endpoint *e = s->endpoint;
	struct origin from = origin_of_stack(s, e->result_at);
	struct origins o = {};

	if (!from.place && e->result_begun_at)
		from = origin_of_stack(s, e->result_begun_at);
	origins_add(&o, from, 1);
	finding_from(s, f, &o, true);
}

static bool has_many_rows(const struct ev_result *r)
{
	return r->rows != UNKNOWN64 && r->rows >= MANY_ROWS;
}

static double result_mb(uint64_t bytes)
{
	return bytes / 1e6;
}

/* Returns what is lacking for a reply through a socket that the client kept; NULL: nothing. */
static const char *reply_lacks(const struct rule_input *s, const struct ev_result *r)
{
	if (!has_many_rows(r) && r->bytes < MANY_BYTES)
		return explain_why(s,
				   "the result is not large: fewer than %d rows, and less than "
				   "%.0f MB",
				   MANY_ROWS, result_mb(MANY_BYTES));
	if (r->grown_bytes < LEAST_GROWN || r->grown_bytes < r->bytes / 2)
		return explain_why(s,
				   "the process grew by %.1f MB, less than half of the result or "
				   "than %.1f MB: it was read row by row",
				   result_mb(r->grown_bytes), result_mb(LEAST_GROWN));
	return NULL;
}

/* Returns what is lacking for rows that SQLite handed out and the program kept; NULL: nothing. */
static const char *rows_lack(const struct rule_input *s, const struct ev_result *r)
{
	uint64_t cache = (uint64_t)r->cache_kib << 10;
	double seconds = (r->head.ns - r->began_ns) / 1e9;

	if (!has_many_rows(r))
		return explain_why(s, "the result has fewer than %d rows", MANY_ROWS);
	if (r->cache_kib == UNKNOWN32)
		return explain_why(s, "what SQLite keeps for itself is not known");
	if (r->head.ns <= r->began_ns || r->rows < LEAST_RATE * seconds)
		return explain_why(s,
				   "rows came slower than %d a second, as where each is used "
				   "at once",
				   LEAST_RATE);
	if (r->grown_bytes < cache + LEAST_GROWN ||
	    (r->grown_bytes - cache) / LEAST_OF_ROW < r->rows)
		return explain_why(s,
				   "the process grew by %.1f MB, of which SQLite may keep %.1f "
				   "MB: too little for %d bytes a row",
				   result_mb(r->grown_bytes), result_mb(cache), LEAST_OF_ROW);
	return NULL;
}

static void tell_growth(struct rule_input *s, struct finding_view *f, const struct ev_result *r)
{
	if (r->bytes != UNKNOWN64)
		finding_because(s, f, EVIDENCE_GREW_READING_ONE, r->grown_bytes / 1e6,
				r->bytes / 1e6);
	else
		finding_because(s, f, EVIDENCE_GREW_READING, r->grown_bytes / 1e6,
				r->rows_exact ? "" : ", and is still reading");
}

int rule_results(struct rule_input *s)
{
	const struct ev_result *r = &s->endpoint->result;
	bool wire = r->bytes != UNKNOWN64;
	struct finding_view *f;
	const char *lacks;

	if (!r->bytes) {
		explain_not(s, "no result out of proportion was reported");
		return 0;
	}
	lacks = wire ? reply_lacks(s, r) : rows_lack(s, r);
	explain_saw(s,
		    "%llu results out of proportion; with the largest, of %s rows and %s, the "
		    "process grew by %.1f MB",
		    (unsigned long long)s->endpoint->results,
		    r->rows == UNKNOWN64 ? "unknown"
					 : explain_words(s, "%llu", (unsigned long long)r->rows),
		    wire ? explain_words(s, "%.1f MB", result_mb(r->bytes)) : "an unknown size",
		    result_mb(r->grown_bytes));
	if (lacks) {
		explain_not(s, "%s", lacks);
		return 0;
	}
	explain_proven(s, "the result is large, and the process kept it whole");
	f = finding_add(s, CAUSE_UNBOUNDED_RESULT, RESOURCE_RESULT);
	if (!f)
		return 0;
	f->verdict = VERDICT_BIG;
	f->confidence = confidence_cap(s, wire ? CONFIDENCE_CERTAIN : CONFIDENCE_LIKELY);
	f->kind = s->endpoint->results > 1 ? KIND_FREQUENT : KIND_ONE_TIME;
	f->acquired = s->endpoint->results ? s->endpoint->results : 1;
	f->bytes = r->bytes;
	f->rows = r->rows;
	f->rows_exact = r->rows_exact;
	f->sql = s->endpoint->result_sql ? s->endpoint->result_sql->sql : NULL;
	tell_growth(s, f, r);
	if (s->endpoint->results > 1)
		finding_because(s, f, EVIDENCE_MANY_LARGE,
				(unsigned long long)s->endpoint->results);
	rule_result_name(s, f);
	f->advice = advice_for(s, f, ADVICE_PAGES);
	return 0;
}
