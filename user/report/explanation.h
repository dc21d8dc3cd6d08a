/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * explanation.h - why the rules judged a process as they did, for people: at most 80 columns.
 *
 * Prints each rule that was asked with its question, the facts that it saw, and what they prove.
 */
#ifndef DBLEAK_REPORT_EXPLANATION_H
#define DBLEAK_REPORT_EXPLANATION_H

#include "user/report/text.h"

/* Prints all processes of the view that have an explanation; show_all: no line of a rule is left
 * out.  Returns 0, or -errno if not all did arrive. */
int report_explanation(FILE *out, const struct report_view *v, const struct text_options *o);

#endif
