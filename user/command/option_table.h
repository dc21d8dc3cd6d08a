/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * option_table.h - all options of all subcommands, described once.
 *
 * The parser, --help, the man page and the reference in README.md are made of these rows; a new
 * option is one row.  Two rows may share a name and a letter if no command takes both: an option
 * may have another default, or another meaning, in another command.
 */
#ifndef DBLEAK_COMMAND_OPTION_TABLE_H
#define DBLEAK_COMMAND_OPTION_TABLE_H

#include "user/command/command_table.h"
#include "user/command/option_row.h"

/* Ends with a row without a name. */
extern const struct option_row option_table[];
extern const size_t option_count;
extern const char *const option_groups[GROUPS]; /* headings */

bool option_taken(const struct option_row *row, enum command_id id);
/* The commands that take an option of that name, as a mask. */
unsigned int option_takers(const char *name);
/* Sets what holds without any option. */
void option_initials(struct options *o, enum command_id id);

#endif
