/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * completion_fish.c - what fish completes, with the meaning of each word beside it.
 */
#include <string.h>

#include "user/command/completion.h"
#include "user/command/option_table.h"

/* Writes text inside '...', where fish reads \' and \\. */
static void write_fish_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("'\\", *text))
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void write_fish_option(FILE *out, const struct option_row *row, const char *when)
{
	fprintf(out, "complete -c dbleak -n '%s' -l %s", when, row->name);
	if (row->letter)
		fprintf(out, " -s %c", row->letter);
	if (row->argument)
		fputs(strcmp(row->argument, "FILE") ? " -x" : " -r -F", out);
	fputs(" -d '", out);
	write_fish_text(out, row->meaning);
	fputs("'\n", out);
}

static void write_fish_options(FILE *out, int id, const char *when)
{
	for (const struct option_row *row = option_table; row->name; row++)
		if (row->commands & 1U << id)
			write_fish_option(out, row, when);
}

void completion_fish(FILE *out)
{
	char when[128];

	fputs("# fish completion of dbleak, written by: dbleak help --completion fish\n"
	      "complete -c dbleak -f\n",
	      out);
	for (int id = 0; id < COMMANDS; id++) {
		fprintf(out, "complete -c dbleak -n __fish_use_subcommand -a %s -d '",
			command_table[id].name);
		write_fish_text(out, command_table[id].summary);
		fputs("'\n", out);
		snprintf(when, sizeof(when), "__fish_seen_subcommand_from %s",
			 command_table[id].name);
		write_fish_options(out, id, when);
		if (id == COMMAND_REPORT || id == COMMAND_DUMP || id == COMMAND_RECORD)
			fprintf(out, "complete -c dbleak -n '%s' -F\n", when);
		if (id == COMMAND_RUN)
			fprintf(out,
				"complete -c dbleak -n '%s' -x -a '(__fish_complete_command)'\n",
				when);
		if (id == COMMAND_HELP)
			for (int k = 0; k < COMMANDS; k++)
				fprintf(out, "complete -c dbleak -n '%s' -a %s\n", when,
					command_table[k].name);
	}
	write_fish_options(out, COMMAND_WATCH, "__fish_use_subcommand");
	write_fish_options(out, COMMANDS, "__fish_use_subcommand");
}
