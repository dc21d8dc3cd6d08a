/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * telling.h - names that tell of a secret behind them, and values that look like one.
 *
 * Errs on the side of secrecy: "monkey" has a key in it.  It does not decide what is done then.
 */
#ifndef DBLEAK_BASE_TELLING_H
#define DBLEAK_BASE_TELLING_H

#include <stdbool.h>
#include <stddef.h>

/* The name of an option, a variable, a header, a parameter: in any case and style. */
bool telling_name(const char *name, size_t len);

/* The same of what stands before = or :, where one letter is a name too: p=x, /p:x. */
bool telling_key(const char *key, size_t len);

/* An option of one letter that some program takes a password with. */
bool telling_letter(char letter);

/* Letters and digits as keys, tokens and hashes have them, no word of a language. */
bool telling_value(const char *value, size_t len);

#endif
