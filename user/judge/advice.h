/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * advice.h - which call is missing, in the words of the program's own language.
 */
#ifndef DBLEAK_MODEL_ADVICE_H
#define DBLEAK_MODEL_ADVICE_H

#include "user/judge/rule_input.h"

enum advice {
	ADVICE_CLOSE, /* each connection */
	ADVICE_END,   /* each transaction */
	ADVICE_PAGES, /* not all rows at once */
	ADVICE_BOUND, /* a cache or list that keeps objects */
	ADVICE_FREE,  /* memory */
};

/* Returns one sentence, with an example in that language if the table has one.  The rule input's
 * arena owns the text. */
const char *advice_in(const struct rule_input *s, const struct finding_view *f, enum advice what,
		      enum ev_language language);
/* Does the same in the language of the finding's site, or in Python if the site is not known.  The
 * scene's arena owns the text. */
const char *advice_for(const struct rule_input *s, const struct finding_view *f, enum advice what);

#endif
