/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * words.h - amounts as people say them.
 */
#ifndef DBLEAK_JUDGE_WORDS_H
#define DBLEAK_JUDGE_WORDS_H

#include "user/judge/rule_input.h"

/* "71 MB".  In the rule input's arena; NULL without memory. */
const char *memory_words(const struct rule_input *s, double bytes);

/* "12,345".  In that arena; NULL without memory. */
const char *count_words(struct arena *a, uint64_t n);

#endif
