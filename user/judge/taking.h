/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * taking.h - the places of a program that take memory, and how much of it is not given back.
 *
 * A tier reports stacks.  Here all stacks that lead to one line of the owner's code are one taking,
 * as for everything else that is acquired (origin.h).  Takings accuse nobody.
 */
#ifndef DBLEAK_MODEL_TAKING_H
#define DBLEAK_MODEL_TAKING_H

#include "user/judge/collector.h"
#include "user/judge/origin.h"
#include "user/judge/trend.h"

/* The memory taken at one place.  Bytes, as in struct ev_memory_site. */
struct taking {
	struct origin from;		      /* place NULL: not known */
	const struct moving_collector *moved; /* moved objects to the pages: place NULL */
	uint64_t held, taken_bytes, reply_bytes;
	uint64_t elsewhere; /* part of held that was moved from where it was taken */
	bool held_known;    /* for at least one of its sites */
	double error;
	uint64_t taken, freed; /* blocks; UNKNOWN64: not known */
	uint64_t connection;   /* whose replies took most of it; 0: none */
	uint64_t largest;      /* held by its largest site, which gives stack and object */
	bool room;	       /* taken by a run time, for objects of whatever line comes next */
	const char *object;
	uint32_t flags;
	struct history size, blocks; /* held, in MEMORY_UNIT; in blocks */
	uint64_t grown;		     /* how much the floor of held rose over a span */
};

struct takings {
	enum ev_tier tier;
	struct taking *all; /* the most grown first */
	size_t count;
	uint64_t held, grown; /* sums of all; grown: without room */
	uint64_t first_ns;    /* when the first site was first reported; 0: none was */
};

struct trend takings_window(const struct rule_input *s); /* all the time watched */

/* Finds the takings of one tier, with their growth over the span of a trend, in as many parts.
 * Free them also after a failure.  0 or -1 without memory. */
int takings_find(const struct rule_input *s, enum ev_tier tier, const struct trend *over,
		 struct takings *t);
void takings_free(struct takings *t);

/* The place that took the memory of a site; NULL: not known. moved: as in struct taking. */
const struct place *taking_place(const struct rule_input *s, const struct ev_memory_site *ev,
				 const struct moving_collector **moved);

#endif
