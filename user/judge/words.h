/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * words.h - amounts as people say them.
 */
#ifndef DBLEAK_JUDGE_WORDS_H
#define DBLEAK_JUDGE_WORDS_H

#include "user/judge/scene.h"

/* "71 MB".  In the scene's arena; NULL without memory. */
const char *memory_words(const struct scene *s, double bytes);

#endif
