/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * output.h - closes an output so that a full disk or a closed pipe is an error and not a success.
 */
#ifndef DBLEAK_BASE_OUTPUT_H
#define DBLEAK_BASE_OUTPUT_H

#include <stdio.h>

/* Flushes the file, and closes it unless it is a standard stream.  Returns 0, or -errno for
 * anything that went wrong since it was opened. */
int output_close(FILE *file);

#endif
