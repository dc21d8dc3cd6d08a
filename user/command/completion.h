/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * completion.h - what a shell completes behind "dbleak", made of the table of options.
 */
#ifndef DBLEAK_COMMAND_COMPLETION_H
#define DBLEAK_COMMAND_COMPLETION_H

#include <stdio.h>

#include "user/command/options.h"

/* Writes a script for that shell.  bash: eval "$(dbleak help --completion bash)"; zsh: a file
 * _dbleak in a folder of $fpath; fish: dbleak help --completion fish | source. */
void completion_write(FILE *out, enum completion_shell shell);

/* For completion_write: the scripts of the two shells that show what each word means. */
void completion_zsh(FILE *out);
void completion_fish(FILE *out);

#endif
