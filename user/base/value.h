/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * value.h - a value of a command line without its secrets, for a user who asked to see values.
 *
 * Shows plain text and hides the rest: the text that follows a telling name, the text before an @,
 * the query of a URL, quoted text, anything encoded.
 */
#ifndef DBLEAK_BASE_VALUE_H
#define DBLEAK_BASE_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#define VALUE_DOTS "..." /* stands for what is hidden */

/* Writes at most size - 1 bytes and a NUL.  *open: a secret may go on in the next argument. Returns
 * the length written. */
size_t value_show(char *out, size_t size, const char *text, size_t len, bool *open);

#endif
