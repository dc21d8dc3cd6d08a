/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * looking.h - names what dbleak is reading now, so that a watchdog can blame a read that hangs.
 *
 * A single thread writes the name; any other thread may read it.
 */
#ifndef DBLEAK_CAPTURE_LOOKING_H
#define DBLEAK_CAPTURE_LOOKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOKING_TEXT 160

/* From now on the thread reads `what`, of process pid (0: of no process).  The text is copied, and
 * cut at LOOKING_TEXT. */
void looking_at(uint32_t pid, const char *what);
/* From now on the thread reads nothing foreign.  Each call also shows that work goes on. */
void looking_over(void);

struct looking {
	uint64_t moves; /* count of changes, times two; the same as before: nothing has moved */
	uint32_t pid;
	char what[LOOKING_TEXT]; /* raw foreign bytes; empty: nothing foreign is read */
};

/* False: the name changed during the read, so nothing hangs. */
bool looking_read(struct looking *l);

#endif
