/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * topics.h - the variable DBLEAK_DEBUG, which chooses the topics of debug.h.
 */
#ifndef DBLEAK_COMMAND_TOPICS_H
#define DBLEAK_COMMAND_TOPICS_H

#include <stddef.h>

#define TOPICS_NAMES 128

/* Chooses the topics that a list names; NULL: none.  -1, or 2 after a message on standard error:
 * a word names no topic. */
int topics_choose(const char *list);
/* Writes the names of all topics, "libbpf, kernel, ... or all", and gives it back. */
const char *topics_names(char *out, size_t size);

#endif
