/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * completion.h - what bash completes behind "dbleak", made of the table of options.
 */
#ifndef DBLEAK_COMMAND_COMPLETION_H
#define DBLEAK_COMMAND_COMPLETION_H

#include <stdio.h>

/* Writes a script to be read by bash: eval "$(dbleak help --completion bash)". */
void completion_write(FILE *out);

#endif
