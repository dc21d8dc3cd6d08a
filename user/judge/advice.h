/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * advice.h - which call is missing, in the words of the program's own language, and of the driver
 * or framework that is on its stack.
 */
#ifndef DBLEAK_MODEL_ADVICE_H
#define DBLEAK_MODEL_ADVICE_H

#include "user/judge/rule_input.h"

enum advice {
	ADVICE_CLOSE,	  /* each connection */
	ADVICE_END,	  /* each transaction */
	ADVICE_PAGES,	  /* not all rows at once */
	ADVICE_BOUND,	  /* a cache or list that keeps objects */
	ADVICE_FREE,	  /* memory */
	ADVICE_STATEMENT, /* close each prepared statement */
	ADVICE_VALUES,	  /* parameters, not SQL texts without number */
	ADVICE_READ,	  /* each cursor or result to its end */
	ADVICE_TEST,	  /* connections that the server may have closed */
	ADVICE_UPDATE,	  /* what only a driver can free */
	ADVICE_POOL,	  /* each pool, as each connection went back to one of its own */
	ADVICE_COUNT
};

/* Returns one sentence, with an example in that language if the table has one.  The rule input's
 * arena owns the text. */
const char *advice_in(const struct rule_input *s, const struct finding_view *f, enum advice what,
		      enum ev_language language);

/* Does the same in the language of the finding's site; if that is native or not known, in the
 * language of the process, as its name shows it; else without an example. */
const char *advice_for(const struct rule_input *s, const struct finding_view *f, enum advice what);

/* Has the table an example for it, in that language? */
bool advice_has(const struct rule_input *s, const struct finding_view *f, enum advice what);

/* The language of the finding's site; if that is native or not known, of its process, as its name
 * shows it. */
enum ev_language advice_language(const struct rule_input *s, const struct finding_view *f);

/* An example of a missing call. */
struct advice_example {
	enum advice what;
	enum ev_language language;
	enum ev_database database; /* EV_DB_UNKNOWN: any that has no row of its own */
	const char *library;	   /* part of a path, module or function on the stack; NULL: any */
	const char *text;
};

/* All examples: a row with a library comes before one without, the framework before its driver. */
const struct advice_example *advice_examples(size_t *count);

#endif
