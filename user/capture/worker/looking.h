/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * looking.h - what is being looked at, for whoever finds that a look does not end.
 *
 * One thread says so, any other may read it.
 */
#ifndef DBLEAK_CAPTURE_LOOKING_H
#define DBLEAK_CAPTURE_LOOKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOKING_TEXT 160

/* From now on: something of a process, 0 none.  what is copied, cut if it is long. */
void looking_at(uint32_t pid, const char *what);
/* From now on: nothing of others.  Also the sign that work goes on. */
void looking_over(void);

struct looking {
	uint64_t moves; /* how often it has changed */
	uint32_t pid;
	char what[LOOKING_TEXT]; /* raw bytes of others; empty: nothing of others */
};

/* False: it changed meanwhile, so nothing hangs. */
bool looking_read(struct looking *l);

#endif
