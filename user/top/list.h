/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * list.h - the table of rows on the screen: columns, the guilty line below each guilty row.
 */
#ifndef DBLEAK_TOP_LIST_H
#define DBLEAK_TOP_LIST_H

#include "user/top/keys.h"
#include "user/top/screen.h"

/* Draws rows from s->first on into so many lines of the screen from `top` on, a heading first if
 * there is room; moves s->first so that the cursor is seen.  Returns how many rows are shown; *end:
 * the first line below them. */
size_t list_draw(struct screen *screen, size_t top, size_t lines, struct top_state *s,
		 const struct top_rows *rows, const struct trends *trends, size_t *end);

#endif
