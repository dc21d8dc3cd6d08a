/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * inside.h - the pages of the live view: one process, the keys, what is not covered.
 *
 * Their words are those of the report.
 */
#ifndef DBLEAK_TOP_INSIDE_H
#define DBLEAK_TOP_INSIDE_H

#include "user/judge/view.h"
#include "user/top/screen.h"

/* A page of text, its colours as the report marks them; the caller frees it.  NULL: no memory. */
char *inside_process(const struct process_view *p, size_t columns);
/* The same in short: what the report has without -v. */
char *inside_preview(const struct process_view *p, size_t columns);
char *inside_keys(size_t columns);
char *inside_coverage(const struct report_view *v, size_t columns);

/* Draws lines of a page from line *scroll of it on, which is made smaller where the page has no
 * more; returns how many lines the page has. */
size_t inside_draw(struct screen *screen, size_t top, size_t lines, const char *text,
		   size_t *scroll);

#endif
