/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * collector.h - collectors of garbage that move objects.
 *
 * Where one does, it is the collector that touches the pages on which objects live on, whatever
 * line once made them, and whatever line was at work when it began.  Such a stack names nobody.
 */
#ifndef DBLEAK_MODEL_COLLECTOR_H
#define DBLEAK_MODEL_COLLECTOR_H

#include "user/model/code.h"

struct moving_collector {
	const char *name;  /* whose: "V8" */
	const char *tells; /* what tells which objects live */
};

/* Whose stack it is; NULL: that of no such collector, as far as is known. */
const struct moving_collector *collector_find(const struct code *code, uint64_t stack);

#endif
