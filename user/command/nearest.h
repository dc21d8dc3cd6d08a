/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * nearest.h - the name that somebody who typed a word probably meant.
 */
#ifndef DBLEAK_COMMAND_NEAREST_H
#define DBLEAK_COMMAND_NEAREST_H

#include <stddef.h>

struct nearest {
	const char *word;
	size_t length;
	const char *name; /* the best so far; NULL: none is near */
	size_t distance;  /* the name has to be nearer than that */
};

/* One slip in three letters is near. */
struct nearest nearest_begin(const char *word, size_t length);
void nearest_try(struct nearest *n, const char *name);

#endif
