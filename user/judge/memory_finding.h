/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * memory_finding.h - puts a proof about memory into words: what is kept where, since when, and when
 * a limit is reached.
 *
 * Decides nothing but the confidence: rule_memory.c has the proof.
 */
#ifndef DBLEAK_MODEL_MEMORY_FINDING_H
#define DBLEAK_MODEL_MEMORY_FINDING_H

#include "user/judge/growth.h"
#include "user/judge/taking.h"

/* The facts behind a finding about memory. */
struct account {
	const struct proven_growth
		*growth; /* of the process; proof GROWTH_NONE: by the place alone */
	const struct takings *takings;
	const struct taking *taking; /* NULL: no place is known */
	bool reported; /* the finding of another place says already how the process grew */
};

/* Does the growth of the process prove the leak, and not the place alone? */
bool account_grows(const struct account *a);
struct memory_cost account_cost(const struct account *a);
/* The place's share of the process's growth; 0 where no growth is proven. */
double account_explains(const struct account *a);
/* May the place have taken memory in which other lines keep objects?  Of two such places one may
 * be innocent, so a vague place needs a share of ALONE_SHARE to be more than `possible`. */
bool account_is_vague(const struct account *a);
#define ALONE_SHARE 0.55
/* The confidence of a proof by the growth of the process. */
enum confidence account_sure(const struct rule_input *s, const struct account *a,
			     enum ev_language language);

/* Is each block counted, and none estimated? */
bool taking_counts_each(const struct taking *t);

/* Adds a finding and fills in all but its confidence. language: of the process.  NULL without
 * memory. */
struct finding_view *memory_found(struct rule_input *s, const struct account *a,
				  enum ev_language language);
/* Says that the growth may be a cache that is still filling, unless the finding is certain. */
void memory_doubt(struct rule_input *s, struct finding_view *f);
/* Says when the memory limit is reached, unless another limit is reached sooner. */
void memory_exhaustion(const struct rule_input *s, struct finding_view *f,
		       const struct proven_growth *g);

#endif
