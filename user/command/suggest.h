/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * suggest.h - what somebody probably meant who typed what dbleak does not know.
 */
#ifndef DBLEAK_COMMAND_SUGGEST_H
#define DBLEAK_COMMAND_SUGGEST_H

#include <stddef.h>

#include "user/command/command_table.h"

#define SUGGEST_TEXT 128

/* The option that does here what one of another tool does there: its name without dashes.  name: as
 * it was typed, length bytes of it; letter: 0, or the letter instead.  NULL: none that the command
 * takes. */
const char *suggest_option(enum command_id id, const char *name, size_t length, char letter);
/* Writes "; did you mean ...?" for a word that is neither an option nor a value, or nothing.  id:
 * the command, COMMANDS for the word in a command's place.  Returns out. */
const char *suggest_word(char *out, size_t size, enum command_id id, const char *word);

#endif
