/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * held_names.h - the words for what is held, in all files for other tools.
 */
#ifndef DBLEAK_REPORT_HELD_NAMES_H
#define DBLEAK_REPORT_HELD_NAMES_H

#include "user/judge/held.h"
#include "user/report/page.h"

/* "connections", "transactions", "statements", "bytes" */
const char *held_name(enum held_kind kind);

/* How much is held of a kind in all. */
uint64_t held_sum(const struct held *h, enum held_kind kind);

/* The subject of the worst finding of which something is held; without one, the first
 * kind of which something is. */
enum held_kind held_worst(const struct report_view *v, const struct held *h);

/* The frame that stands for a stack that is not known. */
extern const struct frame_view held_no_stack;

/* A frame as the text report has it, without folders: "report.py:42 monthly()"; without a file, the
 * function as it is. */
void words_held_frame(struct words *w, const struct frame_view *f);

#endif
