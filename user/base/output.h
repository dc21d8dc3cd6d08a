/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * output.h - the end of what is written: a full disk or a closed pipe is no success.
 */
#ifndef DBLEAK_BASE_OUTPUT_H
#define DBLEAK_BASE_OUTPUT_H

#include <stdio.h>

/* Flushes, and closes what is no standard stream; 0 or -errno of anything that went wrong since it
 * was opened. */
int output_close(FILE *file);

#endif
