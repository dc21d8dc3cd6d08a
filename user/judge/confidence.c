/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * confidence.c - how sure a finding can be at most.
 *
 * Losses and what could not be read soften a finding, and never make one.
 */
#include "user/judge/explain.h"

/* Was anything of the process lost?  A loss of no known process may be one of this process. */
static bool lost(const struct rule_input *s, enum ev_loss_kind kind)
{
	return process_lost(s->process, kind) || s->model->loss.count[kind] > s->model->owned[kind];
}

enum confidence confidence_cap(const struct rule_input *s, enum confidence c)
{
	size_t guessed = 0, unsure = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct connection *open = s->conn_history[i].open;

		unsure += life_unreadable(s->conn_history[i].life) ||
			  s->conn_history[i].life->flags & (EV_CONN_PIPELINED | EV_CONN_TENTATIVE);
		guessed += open && open->database != EV_DB_SQLITE &&
			   !(open->signs & (EV_SIGN_HANDSHAKE | EV_SIGN_REQUEST | EV_SIGN_REPLY |
					    EV_SIGN_SERVER | EV_SIGN_LIBRARY));
	}
	if (2 * guessed > s->count) {
		explain_saw(s,
			    "no more than possible: %zu of %zu connections are known as a "
			    "database's by their port alone",
			    guessed, s->count);
		return CONFIDENCE_POSSIBLE;
	}
	if (c == CONFIDENCE_CERTAIN &&
	    (lost(s, EV_LOSS_RING_FULL) || lost(s, EV_LOSS_MAP_FULL) || 2 * unsure > s->count)) {
		explain_saw(s,
			    "likely and not certain: records were lost, or too little could be "
			    "read of %zu of %zu connections",
			    unsure, s->count);
		return CONFIDENCE_LIKELY;
	}
	return c;
}
