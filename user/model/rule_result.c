/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rule_result.c - one reply fetched whole that should have been read in pages.
 *
 * Many rows alone prove nothing: a stream reads as many and keeps none.  So the process's memory
 * must have grown with the reply while it was read.
 */
#include "origin.h"

#define MANY_ROWS 50000
#define MANY_BYTES (16 << 20)
#define LEAST_GROWN (4 << 20)

/* Where its request was sent, or at least where that transaction began. */
static void name(struct scene *s, struct finding_view *f)
{
	const struct endpoint *e = s->endpoint;
	struct origin from = origin_of_stack(s, e->result_at);
	struct origins o = {};

	if (!from.place && e->result_begun_at)
		from = origin_of_stack(s, e->result_begun_at);
	origins_add(&o, from, 1);
	finding_from(s, f, &o, true);
}

int rule_results(struct scene *s)
{
	const struct ev_result *r = &s->endpoint->result;
	struct finding_view *f;
	bool many = r->rows == UNKNOWN64 ? false : r->rows >= MANY_ROWS;

	if (!r->bytes || (!many && r->bytes < MANY_BYTES) || r->grown_bytes < LEAST_GROWN ||
	    r->grown_bytes < r->bytes / 2)
		return 0;
	f = finding_add(s, CAUSE_UNBOUNDED_RESULT, RESOURCE_RESULT);
	if (!f)
		return 0;
	f->verdict = VERDICT_BIG;
	f->confidence = confidence_cap(s, CONFIDENCE_CERTAIN);
	f->kind = s->endpoint->results > 1 ? KIND_FREQUENT : KIND_ONE_TIME;
	f->acquired = s->endpoint->results;
	f->bytes = r->bytes;
	f->rows = r->rows;
	f->rows_exact = r->rows_exact;
	f->sql = s->endpoint->result_sql ? s->endpoint->result_sql->sql : NULL;
	finding_because(s, f, "the process grew by %.1f MB while it read one reply of %.1f MB",
			r->grown_bytes / 1e6, r->bytes / 1e6);
	if (s->endpoint->results > 1)
		finding_because(s, f, "%llu replies of this endpoint were so large",
				(unsigned long long)s->endpoint->results);
	name(s, f);
	f->advice = "read in pages (LIMIT, keyset) or as a stream (server-side cursor; "
		    "SQLAlchemy: yield_per)";
	return 0;
}
