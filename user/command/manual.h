/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * manual.h - the man page, dbleak(8), made of the tables of commands and options.
 */
#ifndef DBLEAK_COMMAND_MANUAL_H
#define DBLEAK_COMMAND_MANUAL_H

#include <stdio.h>

/* Writes the page as roff. */
void manual_write(FILE *out);

#endif
