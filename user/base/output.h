/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * output.h - files that hold what we saw: for their owner's eyes only, never through a link.
 */
#ifndef DBLEAK_BASE_OUTPUT_H
#define DBLEAK_BASE_OUTPUT_H

#include <stdio.h>

/* Creates or empties a file with mode 0600.  A symbolic link in its place is refused.  NULL with
 * errno set. */
FILE *output_create(const char *path);

/* Flushes and closes; 0 or -errno of anything that went wrong since it was opened. */
int output_close(FILE *file);

#endif
