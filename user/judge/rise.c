/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rise.c - when a count that rose is a leak.
 *
 * Ten objects or more were never given back, came in several steps, and still come: the last of
 * them not longer ago than the whole rise took.  A count that grew and has then been flat for as
 * long is a cache, or what a program loaded when it started.  A short rise proves less, so it must
 * have gone on almost until now.  A rise of less than two seconds counts in a run only, whose
 * program is seen from its first instruction to its end.
 */
#include "user/judge/explain.h"

#define LEAST_HELD  10
#define LEAST_STEPS 4
#define LONG_NS	    (8 * SECOND_NS) /* as long as a pool or cache may take to fill */
#define SHORT_NS    (2 * SECOND_NS)
#define BRIEF_NS    (SECOND_NS / 5)

const char *rise_lacks(const struct rule_input *s, const struct rise *r)
{
	uint64_t span = r->last_ns - r->first_ns, flat, least;
	bool whole = s->model->begin.mode == EV_MODE_RUN && s->process->exited_ns;

	if (r->held < r->base + LEAST_HELD)
		return explain_why(s, "those that stay rose from %llu to %llu, by fewer than %d",
				   (unsigned long long)r->base, (unsigned long long)r->held,
				   LEAST_HELD);
	if (r->steps < LEAST_STEPS)
		return explain_why(s, "the rise came in %u steps, fewer than %d", r->steps,
				   LEAST_STEPS);
	if (r->last_ns < r->first_ns)
		return explain_why(s, "the rise has no duration");
	flat = r->end_ns > r->last_ns ? r->end_ns - r->last_ns : 0;
	if (flat > (span >= LONG_NS ? span : span / 2))
		return explain_why(s, "the rise took %.1f s, and then none came for %.1f s%s",
				   seconds(span), seconds(flat),
				   flat > span ? "" : ": too long after so short a rise");
	least = whole ? BRIEF_NS : SHORT_NS;
	return span < least ? explain_why(s, "the rise took %.1f s, less than %.1f s",
					  seconds(span), seconds(least))
			    : NULL;
}

bool rise_goes_on(const struct rule_input *s, const struct rise *r)
{
	return !rise_lacks(s, r);
}

struct rise rise_of(const struct rule_input *s, const struct history *h, uint64_t end_ns,
		    bool *fell)
{
	struct rise r = history_rise(h, end_ns), before;

	*fell = false;
	if (!s->process->exited_ns || end_ns != s->now_ns || rise_goes_on(s, &r))
		return r;
	before = history_rise_before_fall(h, end_ns);
	*fell = rise_goes_on(s, &before);
	return *fell ? before : r;
}
