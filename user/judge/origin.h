/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * origin.h - which place of the program answers for what a finding counts.
 *
 * Which stack names the culprit?  Of a connection left inside a transaction the one under which
 * that transaction began: a pool's connect stack names only its first user.  Of one left outside
 * of any, the one under which it was opened.  Where the one was not seen the other stands in, and
 * the finding says so.
 *
 * When are there several culprits?  A finding is an accusation, so it needs its rule's whole proof.
 * Each place whose own objects prove it is a finding of its own: two lines of one function stay
 * two.  A place with one connection of twelve proves nothing alone; it is counted with the place
 * that has most, and the evidence says how many came from elsewhere or from where nobody saw.  So
 * the findings of a cause add up to what the rule found, and none counts anything twice.
 *
 * A helper that only wraps the library's call is one place, whoever calls it; where its callers
 * differ, the evidence names them.
 */
#ifndef DBLEAK_MODEL_ORIGIN_H
#define DBLEAK_MODEL_ORIGIN_H

#include "user/judge/scene.h"
#include "user/judge/site.h"

#define ORIGINS_MOST 32 /* beyond, places are counted as one that is not known */

#define WAYS_MOST 48 /* beyond, a way to a place is not looked at */

/* Zeroed is empty. */
struct origins {
	struct origin all[ORIGINS_MOST];
	size_t count;
	uint64_t total;
	struct way {
		const struct place *place;
		uint64_t stack, count;
	} ways[WAYS_MOST]; /* the stacks by which each place was come to */
	size_t way_count;
	bool in_bytes; /* counts are of bytes: who called is told even of one caller */
};

struct origin origin_of_stack(const struct scene *s, uint64_t stack);
/* Of a connection: as it was left, or where it was opened. */
struct origin origin_of_life(const struct scene *s, const struct life *l);
struct origin origin_of_opening(const struct scene *s, const struct life *l);

/* Of a SQLite connection's oldest unfinished statement. */
struct origin origin_of_reader(const struct scene *s, const struct connection *c);

void origins_add(struct origins *o, struct origin from, uint64_t n);
/* The known place with the most; NULL: none is known. */
const struct origin *origins_most(const struct origins *o);

/* The exact line of what is known by its function only, if others of it are known exactly; else the
 * place itself. */
const struct place *origins_line(const struct origins *o, const struct place *place);

/* The places that answer: those that prove the rule's case alone, the one with most first; or, if
 * none does, the one with most.  Returns how many, at most ORIGINS_MOST; 0: no place is known. */
size_t origins_culprits(const struct origins *all,
			bool (*proves)(void *context, const struct place *place), void *context,
			const struct place **out);
/* Which of them answers for what comes from there: itself, one of the same function, or the first.
 */
const struct place *culprit_of(const struct place *const *culprits, size_t n,
			       const struct place *from);

/* Names the place with the most, and says what comes from others.  sampled: what has no place was
 * not looked at. */
void finding_from(struct scene *s, struct finding_view *f, const struct origins *all, bool sampled);

void frame_copy(const struct scene *s, const struct code_frame *f, struct frame_view *v);
/* "app/report.py:42 monthly" */
const char *place_name(const struct scene *s, const struct place *p);

#endif
