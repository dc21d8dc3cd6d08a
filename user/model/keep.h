/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * keep.h - which SQL texts and places in code a watch of weeks keeps: those that something refers
 * to.
 *
 * New texts and places never stop coming, as programs put names and values into both.  Those that
 * nothing refers to any more are dropped.  New ones without room are left out and counted: a
 * finding may then lack its text or its place, but no finding is made or lost by that.
 */
#ifndef DBLEAK_MODEL_KEEP_H
#define DBLEAK_MODEL_KEEP_H

#include "user/model/model_state.h"

/* Returns the one copy of an SQL text; NULL: the text is empty, or there is no room for it. */
const struct text *keep_text(struct model *m, const char *sql, uint32_t length,
			     enum ev_database database);
/* Makes room for places, if there is little, by dropping those that nothing refers to. */
void keep_places(struct model *m);
void texts_free(struct model *m);

#endif
