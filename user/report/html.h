/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * html.h - the report as one HTML page that needs no network, and no script for its verdicts.
 *
 * The verdicts are markup, in the words of the text report.  Timeline, memory, stacks and tables
 * are drawn by the page's own script out of data in the page.  A Content-Security-Policy allows
 * that script and that style by their digests, and nothing else: no request, no other code.
 */
#ifndef DBLEAK_REPORT_HTML_H
#define DBLEAK_REPORT_HTML_H

#include <stdio.h>

#include "user/judge/held.h"
#include "user/judge/timeline.h"
#include "user/judge/view.h"

/* Returns 0, or -errno if the page did not arrive whole. */
int report_html(FILE *out, const struct report_view *v, const struct timeline *t,
		const struct held *held);

#endif
