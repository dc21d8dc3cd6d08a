/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * origin.h - which place of the program answers for what a finding counts.
 *
 * The culprit's stack.  For a connection left inside a transaction it is the stack under which that
 * transaction began: the stack that opened a pool's connection names only its first user.  For a
 * connection left outside any transaction it is the stack under which the connection was opened.
 * If the wanted stack was not seen, the other one stands in, and the finding says so.
 *
 * Several culprits.  A finding is an accusation, so it needs its rule's whole proof.  Each place
 * whose own objects prove it is a finding of its own: two lines of one function stay two.  A place
 * with one connection of twelve proves nothing alone.  Its connection is counted with the place
 * that has most, and the evidence says how many came from elsewhere or from an unknown place.  So
 * the findings of a cause add up to what the rule found, and no object is counted twice.
 *
 * A helper that only wraps the library's call is one place, whoever calls it; where its callers
 * differ, the evidence names them.
 */
#ifndef DBLEAK_MODEL_ORIGIN_H
#define DBLEAK_MODEL_ORIGIN_H

#include "user/judge/rule_input.h"
#include "user/judge/site.h"

#define ORIGINS_MOST 32 /* places beyond are counted in the total only, as not known */

#define WAYS_MOST 48 /* stacks beyond are not looked at */

/* Zeroed is empty. */
struct origins {
	struct origin all[ORIGINS_MOST];
	size_t count;
	uint64_t total;
	struct way {
		const struct place *place;
		uint64_t stack, count;
	} ways[WAYS_MOST]; /* the stacks that lead to each place */
	size_t way_count;
	bool in_bytes; /* counts are bytes: even a single caller is named */
};

struct origin origin_of_stack(const struct rule_input *s, uint64_t stack);
/* The origin of a connection. origin_of_life: where its transaction began if it is inside one,
 * else where it was opened. origin_of_opening: where it was opened. */
struct origin origin_of_life(const struct rule_input *s, const struct life *l);
struct origin origin_of_opening(const struct rule_input *s, const struct life *l);

/* The origin of a SQLite connection's oldest unfinished statement. */
struct origin origin_of_reader(const struct rule_input *s, const struct conn_history *x);

void origins_add(struct origins *o, struct origin from, uint64_t n);
/* The known place with the highest count; NULL: none is known. */
const struct origin *origins_most(const struct origins *o);

/* For a place that is known by its function only: the exact line of that function, if another
 * origin has it.  Else the place itself. */
const struct place *origins_line(const struct origins *o, const struct place *place);

/* Finds the places that answer: those that prove the rule's case alone, else the one with the
 * highest count.  The first has the highest count of them.  Returns how many, at most
 * ORIGINS_MOST; 0: no place is known. */
size_t origins_culprits(const struct origins *all,
			bool (*proves)(void *context, const struct place *place), void *context,
			const struct place **out);
/* The culprit that answers for objects from a place: the place itself, a culprit in the same
 * function, or the first.  NULL: there is none. */
const struct place *culprit_of(const struct place *const *culprits, size_t n,
			       const struct place *from);

/* Names the place with the highest count, and says how many come from others. sampled: objects
 * without a place were not looked at. */
void finding_from(struct rule_input *s, struct finding_view *f, const struct origins *all,
		  bool sampled);

void frame_copy(const struct rule_input *s, const struct code_frame *f, struct frame_view *v);
/* "app/report.py:42 monthly" */
const char *place_name(const struct rule_input *s, const struct place *p);

#endif
