/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * where.h - the part of the text report that shows where in a program something was acquired.
 *
 * Prints a line that can be copied: file, line and function, or module and address.  Refuses to
 * guess how sure a line is: how the frame was found is printed, too.
 */
#ifndef DBLEAK_REPORT_WHERE_H
#define DBLEAK_REPORT_WHERE_H

#include <stdbool.h>
#include <stddef.h>

#include "user/judge/view.h"
#include "user/report/page.h"

/* "app/report.py:42 monthly()", "libfoo.so+0x1234 load()" in at most so many columns, the head of
 * the path left out. */
void words_frame(struct words *w, const struct frame_view *f, size_t columns);

/* The same without folders, for a table: "report.py:42 monthly()", the function only if there is
 * room for all of it. */
void words_line(struct words *w, const struct frame_view *f, size_t columns);

/* Prints the place of a finding. all: how it is known, and the whole stack. */
void where_print(struct page *page, const struct finding_view *f, unsigned indent, bool all);

#endif
