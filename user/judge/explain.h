/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * explain.h - what a rule saw, and why that proves something or not: for a reader who doubts a
 * verdict.
 *
 * A rule explains itself only where somebody listens, which is where its input has an explanation.
 * Else nothing is put into words, and arguments are not even evaluated.  Whatever a rule explains,
 * its verdict stays the same.
 *
 * A place that is asked whether it proves a case alone (origin.h) gets the same checks again, so
 * checks explain nothing: they return what is lacking, and the rule tells that once.
 */
#ifndef DBLEAK_JUDGE_EXPLAIN_H
#define DBLEAK_JUDGE_EXPLAIN_H

#include "user/judge/rule_input.h"

#define EXPLAIN_LINE(s, what, ...)                          \
	do {                                                \
		if ((s)->explanation)                       \
			explain_line(s, what, __VA_ARGS__); \
	} while (0)

/* Each takes a rule input and a format with its arguments.  explain_saw: a fact, with its numbers.
 * explain_proven: what is proven, and by what.  explain_not: what is not, and what is lacking. */
#define explain_saw(s, ...)    EXPLAIN_LINE(s, EXPLAINED_SAW, __VA_ARGS__)
#define explain_proven(s, ...) EXPLAIN_LINE(s, EXPLAINED_PROVEN, __VA_ARGS__)
#define explain_not(s, ...)    EXPLAIN_LINE(s, EXPLAINED_NOT, __VA_ARGS__)

/* The words of a check for what is lacking.  Never NULL, which stands for "nothing is lacking"; ""
 * where nobody listens. */
#define explain_why(s, ...) ((s)->explanation ? explain_words(s, __VA_ARGS__) : "")

/* Counts that are not 0, each with its words: "3 closed, 1 busy"; "none" if all are 0. */
const char *explain_counts(const struct rule_input *s, const size_t *counts,
			   const char *const *words, size_t n);

void explain_line(const struct rule_input *s, enum explained what, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
const char *explain_words(const struct rule_input *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A rule is about to run, and has run.  Findings from `before` on are its own. */
void explain_begin(struct rule_input *s, const char *title, const char *function,
		   const char *question);
void explain_end(struct rule_input *s, size_t before);

#endif
