/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * completion.c - see completion.h.
 */
#include "user/command/completion.h"

#include <string.h>

#include "user/command/option_table.h"

#define FILE_NAME "FILE"

/* The options of a command, or of dbleak alone, with spaces between. */
static void write_options(FILE *out, int id)
{
	for (const struct option_row *row = option_table; row->name; row++)
		if (row->commands & 1U << id)
			fprintf(out, " --%s", row->name);
}

static void write_commands(FILE *out, char between)
{
	for (int id = 0; id < COMMANDS; id++)
		fprintf(out, "%s%c", command_table[id].name, id + 1 < COMMANDS ? between : ' ');
}

/* Has an earlier row the same name, and a value of the same kind? */
static bool is_repeated(const struct option_row *row, bool file)
{
	for (const struct option_row *r = option_table; r < row; r++)
		if (!strcmp(r->name, row->name) && r->argument &&
		    !strcmp(r->argument, FILE_NAME) == file)
			return true;
	return false;
}

/* The options before a value: of those that take a file, or of the others. */
static void write_takers(FILE *out, bool file)
{
	const char *between = "\t";

	for (const struct option_row *row = option_table; row->name; row++) {
		if (!row->argument || !strcmp(row->argument, FILE_NAME) != file ||
		    is_repeated(row, file))
			continue;
		fprintf(out, "%s--%s", between, row->name);
		if (row->letter)
			fprintf(out, "|-%c", row->letter);
		between = "|";
	}
	fputs(")\n", out);
}

static void completion_bash(FILE *out)
{
	fputs("# bash completion of dbleak, written by: dbleak help --completion bash\n"
	      "_dbleak() {\n"
	      "\tlocal word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} words\n"
	      "\tCOMPREPLY=()\n"
	      "\tcase ${COMP_WORDS[COMP_CWORD - 1]} in\n",
	      out);
	write_takers(out, true);
	fputs("\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n\t\treturn ;;\n", out);
	write_takers(out, false);
	fputs("\t\treturn ;;\n"
	      "\tesac\n"
	      "\tcase $command in\n",
	      out);
	for (int id = 0; id < COMMANDS; id++) {
		fprintf(out, "\t%s) words='", command_table[id].name);
		if (id == COMMAND_HELP)
			write_commands(out, ' ');
		write_options(out, id);
		fputs("' ;;\n", out);
	}
	fputs("\t*) words='", out);
	write_options(out, COMMAND_WATCH);
	write_options(out, COMMANDS);
	fputs("' ;;\n"
	      "\tesac\n"
	      "\tif [ \"$COMP_CWORD\" = 1 ]; then\n"
	      "\t\twords+=' ",
	      out);
	write_commands(out, ' ');
	fputs("'\n"
	      "\telif [[ $word != -* && $command =~ ^(record|report|dump)$ ]]; then\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
	      "\t\treturn\n"
	      "\telif [[ $word != -* && $command = run ]]; then\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -c -- \"$word\")\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
	      "}\n"
	      "complete -o filenames -F _dbleak dbleak\n",
	      out);
}

void completion_write(FILE *out, enum completion_shell shell)
{
	switch (shell) {
	case COMPLETION_ZSH:
		completion_zsh(out);
		break;
	case COMPLETION_FISH:
		completion_fish(out);
		break;
	default:
		completion_bash(out);
	}
}
