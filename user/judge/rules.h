/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rules.h - the rules of the judge, each in a rule_*.c.
 */
#ifndef DBLEAK_MODEL_RULES_H
#define DBLEAK_MODEL_RULES_H

#include "user/judge/scene.h"

/* Each rule looks at the scene of an endpoint and adds the findings it can prove.  0 or -1 without
 * memory. */
int rule_connections(struct scene *s);
int rule_hung_up(struct scene *s);
int rule_transactions(struct scene *s);
int rule_statements(struct scene *s);
int rule_zombies(struct scene *s);
int rule_results(struct scene *s);
int rule_halves(struct scene *s);
int rule_wal(struct scene *s);
int rule_cursors(struct scene *s);

/* Rules for the process as a whole, which run after those for its endpoints. */
int rule_unread(struct scene *s);
int rule_sites(struct scene *s);
int rule_memory(struct scene *s);

#endif
