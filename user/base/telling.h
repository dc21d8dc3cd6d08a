/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * telling.h - names that a secret is likely to follow, and values that look like one.
 *
 * Errs on the side of secrecy: "monkey" has a key in it.  The caller decides how to hide the
 * secret.
 */
#ifndef DBLEAK_BASE_TELLING_H
#define DBLEAK_BASE_TELLING_H

#include <stdbool.h>
#include <stddef.h>

/* Does this name announce a secret?  It is the name of an option, a variable, a header or a
 * parameter, in any case and style. */
bool telling_name(const char *name, size_t len);

/* The same for a word before = or :, where one letter is a name too: p=x, /p:x. */
bool telling_key(const char *key, size_t len);

/* Does some program take a password with this option of one letter? */
bool telling_letter(char letter);

/* Does the value have letters and digits as keys, tokens and hashes have them, and no word of a
 * language? */
bool telling_value(const char *value, size_t len);

#endif
