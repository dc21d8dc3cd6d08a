/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * taking.h - the places of a program that take memory, and how much of it is not given back.
 *
 * A tier tells of stacks; here those that lead to one line of the owner's code are one, as for
 * everything else that is acquired (origin.h).  It accuses nobody.
 */
#ifndef DBLEAK_MODEL_TAKING_H
#define DBLEAK_MODEL_TAKING_H

#include "user/judge/collector.h"
#include "user/judge/origin.h"
#include "user/judge/trend.h"

/* What was taken at one place.  Bytes, as in struct ev_memory_site. */
struct taking {
	struct origin from;		      /* place NULL: not known */
	const struct moving_collector *moved; /* it took the pages for what lives on: place NULL */
	uint64_t held, taken_bytes, reply_bytes;
	uint64_t elsewhere; /* of held: not where it was taken any more */
	bool held_known;    /* of one of its sites at least */
	double error;
	uint64_t taken, freed; /* blocks; UNKNOWN64 */
	uint64_t connection;   /* whose replies took most of it; 0 none */
	uint64_t largest;      /* of its sites: the one that names stack and object */
	bool room;	       /* taken by a run time, for objects of whatever line comes next */
	const char *object;
	uint32_t flags;
	struct history size, blocks; /* held, in MEMORY_UNIT; in blocks */
	uint64_t grown; /* held more at the end of a span than at its beginning, and never less
			   between */
};

struct takings {
	enum ev_tier tier;
	struct taking *all; /* those that grew most first */
	size_t count;
	uint64_t held, grown; /* of all; grown: but of room */
	uint64_t first_ns;    /* since when the tier tells of any; 0 it does not */
};

struct trend takings_window(const struct scene *s); /* all the time watched */

/* Those that one tier tells of, with what grew over the time of a trend, in as many parts.  To be
 * freed also after a failure.  0 or -1 without memory. */
int takings_find(const struct scene *s, enum ev_tier tier, const struct trend *over,
		 struct takings *t);
void takings_free(struct takings *t);

/* The place that took what a site of memory tells of; NULL not known.  moved: struct taking. */
const struct place *taking_place(const struct scene *s, const struct ev_memory_site *ev,
				 const struct moving_collector **moved);

#endif
