/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sessions.h - what servers say of the connections that a finding is about.
 */
#ifndef DBLEAK_JUDGE_SESSIONS_H
#define DBLEAK_JUDGE_SESSIONS_H

#include "user/judge/rule_input.h"

struct sessions {
	const struct connection *of[SESSIONS_SHOWN]; /* those that wait longest, in no order */
	size_t count;
	uint64_t known;
};

/* Adds a connection of which a server has told; others, and those that are closed, are passed over.
 */
void sessions_add(struct sessions *all, const struct conn_history *x);
/* Shows them with a finding. */
void finding_sessions(struct rule_input *s, struct finding_view *f, const struct sessions *all);

/* Age of the transaction that the connection was in when its server spoke, and is in still.
 * 0: not known. */
uint64_t session_transaction_age(const struct rule_input *s, const struct conn_history *x);

#endif
