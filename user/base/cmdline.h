/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * cmdline.h - a command line that is too long for its field: cut in its middle, so that its end and
 * the name of what it runs stay.  Java's main class stands behind dozens of options.
 */
#ifndef DBLEAK_BASE_CMDLINE_H
#define DBLEAK_BASE_CMDLINE_H

#include <stddef.h>

/* Writes a line whose arguments are separated by spaces, in at most size - 1 bytes and a NUL, and
 * cuts it between arguments where it can: ARGUMENTS_CUT stands for what is left out.  Returns the
 * length written. */
size_t cmdline_fit(char *out, size_t size, const char *line);

#endif
