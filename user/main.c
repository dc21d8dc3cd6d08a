/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * main.c - the table of subcommands.
 */
#include <stdio.h>
#include <string.h>

#include "user/command/command.h"
#include "user/command/origin.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{"watch", command_watch, "watch the host, then say what leaks (the default)"},
	{"run", command_run, "run a command and say what it leaked"},
	{"snapshot", command_snapshot, "what is open now"},
	{"record", command_record, "watch and keep what was seen in a file"},
	{"report", command_report, "judge such a file"},
	{"doctor", command_doctor, "what this host allows"},
};

static int help(FILE *to, int status)
{
	fputs("dbleak finds database connections, transactions and statements that leak.\n"
	      "usage: dbleak [COMMAND] [OPTIONS]\n",
	      to);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].summary);
	fputs("\"dbleak COMMAND --help\" tells more.\n", to);
	return status;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "watch";

	origin_note();
	origin_raise_files();
	if (!strcmp(name, "--version"))
		return printf("dbleak %s\n", DBLEAK_VERSION) < 0 ? 2 : 0;
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help"))
		return help(stdout, 0);
	if (name[0] == '-')
		return command_watch(argc, argv);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(name, commands[i].name))
			return commands[i].run(argc - (argc > 1), argv + (argc > 1));
	fprintf(stderr, "dbleak: no command \"%s\"\n", name);
	return help(stderr, 2);
}
