/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * growth.h - does the memory of a process grow without end?  See growth.c for what proves it.
 */
#ifndef DBLEAK_MODEL_GROWTH_H
#define DBLEAK_MODEL_GROWTH_H

#include "user/judge/scene.h"
#include "user/judge/trend.h"

enum growth_proof {
	GROWTH_NONE,
	GROWTH_COARSE,	 /* a few floors, each above the one before */
	GROWTH_REPEATED, /* rises with pauses between them */
	GROWTH_STEADY,	 /* nearly all the time */
};

struct growth {
	enum growth_proof proof;
	struct trend trend;	      /* of its size in MEMORY_UNIT, where proven */
	uint64_t grown;		      /* bytes */
	double per_minute, low, high; /* bytes; between low and high 19 times of 20 */
	bool fell;		      /* all was given back when the process ended */
	bool sporadic;		      /* only beside failures, or beside few of the requests */
	bool beside_failures;
	bool collected; /* its language collects garbage, and was seen to do so meanwhile */
};

/* language: most of the process's code is in it. */
struct growth growth_of(const struct scene *s, enum ev_language language);

/* Languages whose memory holds garbage for a while, and whose size alone tells little. */
bool growth_collects(enum ev_language language);
/* Of what is proven: may all of it be garbage that was not collected yet? */
bool growth_may_be_garbage(const struct growth *g, enum ev_language language);

/* "grew by 60 MB to 105 MB, flat for 40 s"; NULL: it did not grow much, or is not flat for long. */
const char *growth_bounded(const struct scene *s);

#endif
