/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * parse.h - from the words of a command line to options.
 */
#ifndef DBLEAK_COMMAND_PARSE_H
#define DBLEAK_COMMAND_PARSE_H

#include "user/command/command_table.h"
#include "user/command/options.h"

/* Fills o with what the command's options say; argv[0] is its name.  Call options_free also after
 * a failure.  Returns -1 to go on, or the status to exit with (the reason, or the help asked for,
 * is printed). */
int options_parse(struct options *o, int argc, char **argv, enum command_id id);
/* Says on standard error that there is no such command, and what was perhaps meant.  id: the
 * command that was asked for it (help), COMMANDS for dbleak itself.  Returns 2. */
int command_unknown(enum command_id id, const char *name);
/* Says on standard error that the command takes no such argument, and which option was perhaps
 * meant.  Returns 2. */
int options_stray(enum command_id id, const char *word);
/* Says on standard error what is wrong with the command line, and where help is.  Returns the
 * status to exit with. */
int options_misused(enum command_id id, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
