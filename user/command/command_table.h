/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * command_table.h - the words about each subcommand: for --help, the man page and messages.
 *
 * A subcommand is a row here, its function in command.h, and its place in main.c.
 */
#ifndef DBLEAK_COMMAND_COMMAND_TABLE_H
#define DBLEAK_COMMAND_COMMAND_TABLE_H

#include <stdbool.h>
#include <stddef.h>

enum command_id {
	COMMAND_WATCH,
	COMMAND_TOP,
	COMMAND_RUN,
	COMMAND_SNAPSHOT,
	COMMAND_RECORD,
	COMMAND_SERVE,
	COMMAND_REPORT,
	COMMAND_DUMP,
	COMMAND_DOCTOR,
	COMMAND_HELP,
	COMMANDS,
};

struct command_row {
	const char *name;
	const char *synopsis; /* behind "dbleak " */
	const char *summary;  /* a few words, for the list of commands */
	const char *about;    /* whole sentences */
	const char *status;   /* the exit statuses: "0 looked, ..." */
	bool starts_another;  /* a command follows: its options are its own */
};

extern const struct command_row command_table[COMMANDS];

/* The number of the command of that name; COMMANDS: there is none. */
enum command_id command_find(const char *name);
/* Writes the names of the commands in the mask (1 << id): "watch, run and record". */
void command_names(char *out, size_t size, unsigned int mask);

#endif
