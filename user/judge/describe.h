/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * describe.h - what a report shows of an endpoint and of a process, whether anything leaks or not.
 */
#ifndef DBLEAK_JUDGE_DESCRIBE_H
#define DBLEAK_JUDGE_DESCRIBE_H

#include "user/judge/rule_input.h"

/* Has it no connection, and had none? */
bool endpoint_is_empty(const struct endpoint *e);
/* "10.0.0.5:5432/shop as app"; in the arena. */
const char *endpoint_text(struct arena *a, const struct endpoint_view *v);
/* "10.0.0.5:443", in the arena; address as in ev_identity.  NULL: no TCP socket, or no memory. */
char *socket_text(struct arena *a, uint16_t family, const uint8_t address[16], uint16_t port);
/* Fills the view of the rule input's endpoint: its names and counts. */
void endpoint_describe(const struct rule_input *s, struct endpoint_view *v);
/* Brief connections are counted by process only: the counts go to its first endpoint of their kind
 * (SQLite or not). */
void endpoint_add_short_lived(struct process_view *process, const struct ev_tally *t, bool sqlite);

/* When the process began, in ns since 1970; 0: not known. */
uint64_t process_realtime(const struct model *m, const struct process_model *p);

void process_describe(struct arena *a, const struct process_model *p, uint64_t now_ns,
		      struct process_view *v);

#endif
