/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * ci_words.h - the texts that the outputs for CI share.
 */
#ifndef DBLEAK_REPORT_CI_WORDS_H
#define DBLEAK_REPORT_CI_WORDS_H

#include "user/report/leaks.h"

/* How bad a leak is for those who fix it: an error is proven, a note is no leak yet. */
enum ci_level { CI_NOTE, CI_WARNING, CI_ERROR };

enum ci_level ci_level(const struct finding_view *f);

/* The subject of a rule, in a sentence. */
const char *ci_rule_sentence(enum cause cause);

/* Lines about a leak: what, how sure, how bad; where; in which test; by whom; how to fix it.
 * Strings of watched programs are in it: each output escapes the lines, and puts its own ends
 * between. */
struct ci_message {
	struct words lines[5];
	size_t count;
};

void ci_message(struct ci_message *m, const struct leak *l);

/* The path of a frame's file as a tool knows it: below the root, or as it is. */
const char *ci_path(const struct frame_view *f, const char *root);

#endif
