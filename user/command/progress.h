/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * progress.h - what a person at a terminal sees of long work: one line, rewritten in its place.
 *
 * The line is on standard error, and there only if that is a terminal that can take a line back.
 * Work that takes less than half a second shows none.  A terminal that is stopped (Ctrl-S) gets
 * none either, for the work goes on.
 */
#ifndef DBLEAK_COMMAND_PROGRESS_H
#define DBLEAK_COMMAND_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed shows nothing. */
struct progress {
	bool wanted, shown;
	uint64_t due_ns; /* of the next line */
};

/* Other lines of ours on the same terminal, as those of DBLEAK_DEBUG, leave no room for this one:
 * then it is not wanted. */
void progress_begin(struct progress *p, bool wanted);
/* Is it time for a line?  A cheap question, to be asked often. */
bool progress_is_due(struct progress *p);
/* Shows the line, cut to the width of the terminal. */
void progress_show(struct progress *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Takes the line away, before anything else is printed. */
void progress_end(struct progress *p);

/* "dbleak: report written to FILE": last of all, when a file has been put in its place.
 * name: what FILE holds.  bytes: its size; 0: nobody asks. */
void progress_written(const char *name, const char *path, uint64_t bytes);

#endif
