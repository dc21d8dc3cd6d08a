/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * memory_finding.h - a proof about memory put into words: what is kept where, since when, until
 * when.
 *
 * Decides nothing but how sure it is: rule_memory.c has the proof.
 */
#ifndef DBLEAK_MODEL_MEMORY_FINDING_H
#define DBLEAK_MODEL_MEMORY_FINDING_H

#include "user/judge/growth.h"
#include "user/judge/taking.h"

/* What of a finding's memory is known, and what follows from it. */
struct account {
	const struct growth *growth; /* of the process; proof GROWTH_NONE: by the place alone */
	const struct takings *takings;
	const struct taking *taking; /* NULL: no place is known */
	bool told;		     /* how the process grew, in the finding of another place */
};

/* Did the process prove it, and not the place alone? */
bool account_grows(const struct account *a);
struct memory_cost account_cost(const struct account *a);
/* The share of the process's growth; 0 where it is not proven to grow. */
double account_explains(const struct account *a);
/* May the place have taken room for what others keep?  Of two such places one may be innocent: only
 * with so large a share it stands alone. */
bool account_is_vague(const struct account *a);
#define ALONE_SHARE 0.55
/* Of a proof by the process. */
enum confidence account_sure(const struct scene *s, const struct account *a,
			     enum ev_language language);

/* Is each block counted, and none reckoned? */
bool taking_counts_each(const struct taking *t);

/* A new finding, with all but its confidence; language: of the process.  NULL without memory. */
struct finding_view *memory_found(struct scene *s, const struct account *a,
				  enum ev_language language);
/* What is not certain may be a cache that will be full. */
void memory_doubt(struct scene *s, struct finding_view *f);
/* Tells when memory is gone, unless something else is sooner. */
void memory_exhaustion(const struct scene *s, struct finding_view *f, const struct growth *g);

#endif
