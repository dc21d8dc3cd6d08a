/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * facts.h - what the man page and README.md say besides commands and options.
 */
#ifndef DBLEAK_COMMAND_FACTS_H
#define DBLEAK_COMMAND_FACTS_H

#include "user/command/option_table.h"

#define FACT_COMMANDS 128

struct fact {
	const char *name;
	const char *meaning;
};

/* Lists end with a row without a name, the description with NULL. */
extern const char *const fact_description[]; /* paragraphs */
extern const struct fact fact_environment[]; /* variable, what it does */
extern const struct fact fact_files[];	     /* path, what for */
extern const struct fact fact_examples[];    /* command, what it is for */
extern const struct fact fact_seen[];	     /* page, section */

/* Writes which commands take the option, "all commands" or "dbleak alone", and gives it back. */
const char *fact_commands(const struct option_row *row, char *out, size_t size);

#endif
