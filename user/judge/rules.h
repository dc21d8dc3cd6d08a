/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rules.h - the rules of the judge, each in a rule_*.c, and the order in which they run.
 */
#ifndef DBLEAK_MODEL_RULES_H
#define DBLEAK_MODEL_RULES_H

#include "user/judge/rule_input.h"

/* Each rule looks at the rule input of an endpoint and adds the findings it can prove.  0 or -1
 * without memory. */
int rule_connections(struct rule_input *s);
int rule_hung_up(struct rule_input *s);
int rule_transactions(struct rule_input *s);
int rule_statements(struct rule_input *s);
int rule_zombies(struct rule_input *s);
int rule_results(struct rule_input *s);
int rule_halves(struct rule_input *s);
int rule_wal(struct rule_input *s);
int rule_cursors(struct rule_input *s);
int rule_pool(struct rule_input *s);

/* Rules for the process as a whole, which run after those for its endpoints. */
int rule_unread(struct rule_input *s);
int rule_sites(struct rule_input *s);
int rule_memory(struct rule_input *s);

struct rule {
	const char *title;    /* what it looks for */
	const char *function; /* the name of look, for who reads the source */
	const char *question; /* what it asks */
	int (*look)(struct rule_input *s);
};

/* The rules in their order: a later one asks finding_of what is found already.  Each table ends
 * with a row without look. */
extern const struct rule rules_of_endpoint[];
extern const struct rule rules_of_process[];

/* Runs all rules of a table.  0 or -1 without memory. */
int rules_run(const struct rule *rules, struct rule_input *s);

#endif
