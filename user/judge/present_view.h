/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * present_view.h - puts into the view where threads are now: those that wait for a connection, and
 * the one that took it.
 */
#ifndef DBLEAK_JUDGE_PRESENT_VIEW_H
#define DBLEAK_JUDGE_PRESENT_VIEW_H

#include "user/judge/waiting.h"

void waiters_show(const struct rule_input *s, struct waiters_view *v, const struct waiters *w);
/* Tells where the thread that used this connection last is now.  Leaves *v as it is if that is not
 * known.
 */
void holder_show(const struct rule_input *s, struct holder_view *v, const struct life *l);
/* The lines where threads of the process sleep that do not wait for a connection: who took one
 * without being seen is among them, or is gone.  For a finding whose holder is not known. */
void threads_show(const struct rule_input *s, struct finding_view *f);
/* The thread that used this connection last waits on a socket that leads to no database:
 * "10.0.0.5:443"; *since_ns: since when.  NULL: it does not, or that is not known. */
const char *waits_elsewhere(const struct rule_input *s, const struct life *l, uint64_t *since_ns);

#endif
