/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * keep.h - what a watch of weeks keeps of texts and of places in code: what something refers to.
 *
 * Both come without end, as names of tables and lines of programs do.  What nothing refers to any
 * more goes.  What is left out for want of room is counted: a finding may lack its text or its
 * place then, but none is made or lost by it.
 */
#ifndef DBLEAK_MODEL_KEEP_H
#define DBLEAK_MODEL_KEEP_H

#include "user/model/model_state.h"

/* The one copy of an SQL text; NULL for none, or where there is no room for it. */
const struct text *keep_text(struct model *m, const char *sql, uint32_t length,
			     enum ev_database database);
/* Room for places, if there is little, by those that nothing refers to. */
void keep_places(struct model *m);
void texts_free(struct model *m);

#endif
