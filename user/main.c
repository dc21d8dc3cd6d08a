/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * main.c - the table of subcommands.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/command/command.h"
#include "user/command/command_table.h"
#include "user/command/origin.h"
#include "user/command/parse.h"
#include "user/command/room.h"
#include "user/command/topics.h"
#include "user/command/usage.h"
#include "user/command/without.h"

static int (*const commands[COMMANDS])(int argc, char **argv) = {
	[COMMAND_WATCH] = command_watch,   [COMMAND_TOP] = command_top,
	[COMMAND_RUN] = command_run,	   [COMMAND_SNAPSHOT] = command_snapshot,
	[COMMAND_RECORD] = command_record, [COMMAND_REPORT] = command_report,
	[COMMAND_DOCTOR] = command_doctor, [COMMAND_DUMP] = command_dump,
	[COMMAND_SERVE] = command_serve,   [COMMAND_HELP] = command_help,
};

/* --help and -h: of dbleak, or of the command behind them. */
static int help(int argc, char **argv)
{
	if (argc > 2 && argv[2][0] != '-')
		return command_help(argc - 1, argv + 1);
	usage_program(stdout);
	return 0;
}

/* dbleak alone watches until Ctrl-C, which nobody can type without a terminal. */
static int bare(int argc, char **argv)
{
	if (isatty(STDOUT_FILENO) || isatty(STDERR_FILENO))
		return command_watch(argc, argv);
	fputs("dbleak: without a terminal, say for how long: dbleak watch --duration 60s\n"
	      "\"dbleak --help\" lists all commands\n",
	      stderr);
	return 2;
}

static bool asks_version(const char *word)
{
	return !strcmp(word, "--version") || !strcmp(word, "-V") || !strcmp(word, "version");
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	enum command_id id = command_find(name);

	origin_note();
	origin_raise_files();
	if (argc <= 1)
		return bare(argc, argv);
	if (asks_version(name))
		return printf("dbleak %s\n", DBLEAK_VERSION) < 0 ? 2 : 0;
	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		return help(argc, argv);
	if (topics_choose(getenv("DBLEAK_DEBUG")) >= 0 ||
	    without_choose(getenv("DBLEAK_WITHOUT")) >= 0 ||
	    room_choose(getenv("DBLEAK_ROOM")) >= 0)
		return 2;
	if (name[0] == '-')
		return command_watch(argc, argv);
	if (id < COMMANDS)
		return commands[id](argc - 1, argv + 1);
	return command_unknown(COMMANDS, name);
}
