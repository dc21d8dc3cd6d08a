/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * help.c - dbleak help: the help of a command, the man page, or the reference.
 */
#include <stdio.h>
#include <string.h>

#include "user/base/output.h"
#include "user/command/command.h"
#include "user/command/completion.h"
#include "user/command/manual.h"
#include "user/command/parse.h"
#include "user/command/reference.h"
#include "user/command/usage.h"

static int help_write(const struct options *o, const char *name)
{
	enum command_id id = name ? command_find(name) : COMMANDS;
	int err;

	if (name && id == COMMANDS)
		return command_unknown(COMMAND_HELP, name);
	if (o->man)
		manual_write(stdout);
	else if (o->completion)
		completion_write(stdout, o->completion);
	else if (o->markdown)
		reference_write(stdout);
	else if (name)
		usage_command(stdout, id);
	else
		usage_program(stdout);
	err = output_close(stdout);
	if (!err)
		return 0;
	fprintf(stderr, "dbleak: cannot write the help: %s\n", strerror(-err));
	return 2;
}

int command_help(int argc, char **argv)
{
	struct options o;
	int status = options_parse(&o, argc, argv, COMMAND_HELP);

	if (status < 0 && o.next + 1 < argc)
		status = options_misused(COMMAND_HELP, "help takes one command, not \"%s\" too",
					 argv[o.next + 1]);
	if (status < 0)
		status = help_write(&o, o.next < argc ? argv[o.next] : NULL);
	options_free(&o);
	return status;
}
