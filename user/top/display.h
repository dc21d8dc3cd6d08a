/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * display.h - the live view as a whole: views and keys in, a screen out.
 *
 * Pure: no clock and no terminal, so that tests look at screens as text.
 */
#ifndef DBLEAK_TOP_DISPLAY_H
#define DBLEAK_TOP_DISPLAY_H

#include "user/top/keys.h"
#include "user/top/screen.h"

struct display {
	struct top_state state; /* may be set before the first view */
	struct trends trends;
	struct report_view *view; /* NULL: none yet */
	const struct process_view **order;
	struct top_rows rows;
	size_t page_rows;      /* that were last on the screen */
	const char *recording; /* where to, or why not; raw; NULL: nothing to say */
	bool is_recorded;      /* a recording is kept */
	double view_seconds;   /* between two views; 0: one */
};

/* Takes a view over, and a look into the trends.  0 or -ENOMEM: the old one stays then. */
int display_take(struct display *d, struct report_view *v);
/* 0 or -ENOMEM. */
int display_key(struct display *d, uint32_t key);
/* Draws into the whole screen.  0 or -ENOMEM. */
int display_draw(struct display *d, struct screen *screen);
void display_free(struct display *d);

#endif
