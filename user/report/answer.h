/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * answer.h - the first two lines of the text report: is it leaking, how many, must I act now; and
 * what was watched, for how long.
 */
#ifndef DBLEAK_REPORT_ANSWER_H
#define DBLEAK_REPORT_ANSWER_H

#include "user/judge/view.h"
#include "user/report/page.h"

/* The answer: "LEAK:" and the sentences behind it. */
struct answer {
	const char *lead;
	enum page_colour colour; /* of the lead */
	struct words words;	 /* may be empty */
};

/* guilty: as rank_guilty() returns them. */
struct answer answer_of(const struct report_view *v, const struct process_view *const *guilty,
			size_t count);
void answer_print(struct page *page, const struct report_view *v,
		  const struct process_view *const *guilty, size_t count);

#endif
