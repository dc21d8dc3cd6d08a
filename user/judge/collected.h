/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * collected.h - what the garbage collections of a process prove of objects that are open.
 *
 * An object that outlived full collections since its last use is referred to by something: no
 * collector will ever close it.  If none ran since, the object may be garbage that waits.
 */
#ifndef DBLEAK_JUDGE_COLLECTED_H
#define DBLEAK_JUDGE_COLLECTED_H

#include "user/judge/rule_input.h"

/* So many full collections free what nothing refers to: the last one counted may still be at work,
 * and a finalizer runs only after the collection that finds its object. */
#define COLLECTED_ENOUGH 3

/* Objects that are looked at together. */
struct collected {
	size_t count, outlived; /* outlived: full collections, COLLECTED_ENOUGH or more */
	size_t waiting;		/* of count: no collection ran since */
	uint64_t full;		/* full collections that each of the outlived saw, at least */
};

/* Adds an object that was not used since. */
void collected_add(const struct rule_input *s, struct collected *c, uint64_t used_ns);
/* Says in a finding what the collections prove, where the finding is of the collector's language or
 * of an unknown one, and limits its confidence.  sure: outlived objects prove the finding beyond
 * doubt. */
void collected_tell(struct rule_input *s, struct finding_view *f, const struct collected *c,
		    bool sure);

/* The language whose collections are counted; EV_LANG_UNKNOWN: none. */
enum ev_language collected_language(const struct process_model *p);

#endif
