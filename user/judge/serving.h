/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * serving.h - the requests that a process has not answered, and what else they may wait for.
 *
 * Where the stacks of those that wait for a connection cannot be read, their clients still show
 * that they wait: a request came over TCP, and nothing was sent back.
 */
#ifndef DBLEAK_JUDGE_SERVING_H
#define DBLEAK_JUDGE_SERVING_H

#include "user/judge/rule_input.h"

/* Counts the requests without an answer that came after that time, as far as they are told one by
 * one (EV_SERVING_CAME): behind as many that are older the newer ones are not seen.  first_only: on
 * connections that never got an answer at all, since a client may speak without asking (a
 * heartbeat). *oldest_ns: when the first of them came; unchanged where there is none. */
size_t serving_after(const struct rule_input *s, uint64_t after_ns, bool first_only,
		     uint64_t *oldest_ns);
/* Why those requests prove nothing, in words (explain.h): what else they may wait for, or what the
 * caller has seen instead of waiters.  NULL: nothing speaks against it. */
const char *serving_excuse(const struct rule_input *s);
/* Why nobody can see where they wait. */
const char *serving_unseen(const struct rule_input *s, const struct finding_view *f);

#endif
