/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * infile.h - a recording as somebody names it, and what the named file is if it is none.
 */
#ifndef DBLEAK_COMMAND_INFILE_H
#define DBLEAK_COMMAND_INFILE_H

#include <stdio.h>

struct infile {
	FILE *file;	     /* whoever closes it sets it to NULL */
	const char *name;    /* the path, or "standard input" */
	const char *instead; /* the kind of file that it looks like; NULL: no other is known */
};

/* path: "-" is standard input.  -1 to go on, or the status to exit with (the reason is on standard
 * error). */
int infile_open(struct infile *in, const char *path);
/* Says on standard error why reading ended: err is from recording.h.  Returns the status to exit
 * with. */
int infile_refuse(const struct infile *in, int err);

#endif
