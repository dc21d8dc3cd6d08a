/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * shell.h - the words of a shell command, if the command is nothing but words.
 *
 * Knows quotes, escapes and operators.  Refuses substitutions, here-documents, groups and comments.
 */
#ifndef DBLEAK_BASE_SHELL_H
#define DBLEAK_BASE_SHELL_H

#include <stdbool.h>
#include <stddef.h>

#define SHELL_OPERATOR '\1' /* a word of its own between two commands */

/* Writes the words without their quotes, each with a NUL.  *whole: nothing was refused and all
 * words fitted; else only the words before that point are written.  Returns the bytes written. */
size_t shell_words(char *words, size_t size, const char *text, size_t len, bool *whole);

#endif
