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
#include "user/judge/rule_input.h"

#define LEAST_HELD  10
#define LEAST_STEPS 4
#define LONG_NS	    (8 * SECOND_NS) /* as long as a pool or cache may take to fill */
#define SHORT_NS    (2 * SECOND_NS)
#define BRIEF_NS    (SECOND_NS / 5)

bool rise_goes_on(const struct rule_input *s, const struct rise *r)
{
	uint64_t span = r->last_ns - r->first_ns, flat;
	bool whole = s->model->begin.mode == EV_MODE_RUN && s->process->exited_ns;

	if (r->held < r->base + LEAST_HELD || r->steps < LEAST_STEPS || r->last_ns < r->first_ns)
		return false;
	flat = r->end_ns > r->last_ns ? r->end_ns - r->last_ns : 0;
	if (span >= LONG_NS)
		return flat <= span;
	return flat <= span / 2 && span >= (whole ? BRIEF_NS : SHORT_NS);
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
