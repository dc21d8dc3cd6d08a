/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * text.h - the report for people: the answer first, then who, where, and what to do about it.
 *
 * Prints what the view says and refuses to judge; it adds no finding and hides no gap.
 */
#ifndef DBLEAK_REPORT_TEXT_H
#define DBLEAK_REPORT_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "user/judge/view.h"

struct text_options {
	bool colour;
	size_t columns; /* of the terminal; 0: there is none, and lines have at most 80 */
	bool show_all;	/* -v: nothing shortened or summed up */
	bool wide;	/* lines as long as their texts, whatever the terminal has */
};

/* Returns 0, or -errno if the report did not arrive whole. */
int report_text(FILE *out, const struct report_view *v, const struct text_options *o);

#endif
