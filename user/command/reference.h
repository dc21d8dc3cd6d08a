/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * reference.h - all options as tables of Markdown, for README.md beside this file.
 */
#ifndef DBLEAK_COMMAND_REFERENCE_H
#define DBLEAK_COMMAND_REFERENCE_H

#include <stdio.h>

void reference_write(FILE *out);

#endif
