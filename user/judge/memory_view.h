/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * memory_view.h - what the reports show of a process's memory, whether anything is wrong or not.
 */
#ifndef DBLEAK_MODEL_MEMORY_VIEW_H
#define DBLEAK_MODEL_MEMORY_VIEW_H

#include "user/judge/rule_input.h"

/* The owner of the nearest limit: "docker web1", "the host"; NULL: there is no limit. */
const char *memory_limit_of(struct arena *arena, const struct process_model *p);

/* Fills in the memory part of the rule input's view.  Returns 0, or -1 without memory. */
int memory_describe(const struct rule_input *s);

#endif
