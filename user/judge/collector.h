/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * collector.h - garbage collectors that move objects.
 *
 * A moving collector copies living objects to other pages, so the collector itself touches those
 * pages first.  The line that made the objects is not in that stack, and the line that is there was
 * only at work when the collection began.  So a stack inside a moving collector names nobody.
 */
#ifndef DBLEAK_MODEL_COLLECTOR_H
#define DBLEAK_MODEL_COLLECTOR_H

#include "user/model/code.h"

struct moving_collector {
	const char *name;  /* of the run time: "V8" */
	const char *tells; /* the tool that shows which objects live */
};

/* Returns the collector at work in that stack; NULL: none that is known. */
const struct moving_collector *collector_find(const struct code *code, uint64_t stack);

#endif
