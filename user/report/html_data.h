/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * html_data.h - what the script of the HTML page draws: lives of connections, memory, stacks, SQL.
 *
 * One JSON value.  Texts stand in `strings`, each once, and all else names them by their number;
 * string 0 is "not known".  Bounded, whatever the view holds: what does not fit is counted in
 * `left`.
 */
#ifndef DBLEAK_REPORT_HTML_DATA_H
#define DBLEAK_REPORT_HTML_DATA_H

#include <stdio.h>

#include "user/judge/held.h"
#include "user/judge/timeline.h"
#include "user/judge/view.h"

/* The parts that the page is made of. */
struct html_input {
	const struct report_view *view;
	const struct timeline *timeline;
	const struct held *held;
	const struct process_view **guilty; /* as rank_guilty() returns them */
	size_t guilty_count;
};

/* 0 or -ENOMEM. */
int html_data(FILE *out, const struct html_input *in);

#endif
