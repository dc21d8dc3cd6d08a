/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * growth.h - does the memory of a process grow without end?  See growth.c for what proves it.
 */
#ifndef DBLEAK_MODEL_GROWTH_H
#define DBLEAK_MODEL_GROWTH_H

#include "user/judge/rule_input.h"
#include "user/judge/trend.h"

enum growth_proof {
	GROWTH_NONE,
	GROWTH_COARSE,	 /* a few floors, each above the one before */
	GROWTH_REPEATED, /* rises with pauses between them */
	GROWTH_STEADY,	 /* nearly all the time */
};

struct proven_growth {
	enum growth_proof proof;
	struct trend trend;	      /* of the process's size, in MEMORY_UNIT; set where proven */
	uint64_t grown;		      /* bytes */
	double per_minute, low, high; /* bytes; the truth is between low and high 19 times of 20 */
	bool fell;		      /* all was given back when the process ended */
	bool sporadic; /* rises only beside failures, or beside few of the requests */
	bool beside_failures;
	bool dropped;	/* the size fell twice or more meanwhile, as after a garbage collection */
	bool collected; /* so, or enough full collections of the language were counted */
	uint64_t full;	/* full collections that were counted */
	bool waits;	/* none ran, as far as is known: part of the growth may be garbage */
};

/* language: the one in which most of the process's code is written. */
struct proven_growth growth_of(const struct rule_input *s, enum ev_language language);

/* Does the language let garbage lie for a while, so that the size alone tells little? */
bool growth_collects(enum ev_language language);
/* May all of the proven growth be garbage that was not collected yet? */
bool growth_may_be_garbage(const struct proven_growth *g, enum ev_language language);

/* "grew by 60 MB to 105 MB, flat for 40 s"; NULL: memory did not grow much, or is not flat for
 * long. */
const char *growth_bounded(const struct rule_input *s);

#endif
