/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * completion_zsh.c - what zsh completes, with the meaning of each word beside it.
 */
#include <string.h>

#include "user/command/completion.h"
#include "user/command/option_table.h"

/* Writes text inside '...' of a specification of _arguments: a quote ends the string, and brackets
 * and colons would end the part. */
static void write_zsh_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\'", out);
		else if (strchr("[]:\\", *text))
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void write_zsh_option(FILE *out, const struct option_row *row)
{
	fprintf(out, "\t\t'*--%s%s[", row->name, row->argument ? "=" : "");
	write_zsh_text(out, row->meaning);
	fputc(']', out);
	if (row->argument)
		fprintf(out, ":%s:%s", row->argument,
			strcmp(row->argument, "FILE") ? "" : "_files");
	fputs("' \\\n", out);
	if (!row->letter)
		return;
	fprintf(out, "\t\t'*-%c[", row->letter);
	write_zsh_text(out, row->meaning);
	fputc(']', out);
	if (row->argument)
		fprintf(out, ":%s:%s", row->argument,
			strcmp(row->argument, "FILE") ? "" : "_files");
	fputs("' \\\n", out);
}

static void write_zsh_options(FILE *out, int id)
{
	for (const struct option_row *row = option_table; row->name; row++)
		if (row->commands & 1U << id)
			write_zsh_option(out, row);
}

/* The words behind the options of a command. */
static const char *zsh_rest(int id)
{
	switch (id) {
	case COMMAND_REPORT:
	case COMMAND_DUMP:
	case COMMAND_RECORD:
		return "'*:FILE:_files'";
	case COMMAND_RUN:
		return "'(-)1:command:_command_names -e' '*::arguments:_normal'";
	case COMMAND_HELP:
		return "'1:command:($commands_only)'";
	default:
		return "";
	}
}

void completion_zsh(FILE *out)
{
	fputs("#compdef dbleak\n"
	      "# zsh completion of dbleak, written by: dbleak help --completion zsh\n"
	      "_dbleak() {\n"
	      "\tlocal -a commands commands_only\n"
	      "\tcommands=(\n",
	      out);
	for (int id = 0; id < COMMANDS; id++) {
		fprintf(out, "\t\t'%s:", command_table[id].name);
		write_zsh_text(out, command_table[id].summary);
		fputs("'\n", out);
	}
	fputs("\t)\n"
	      "\tcommands_only=(${commands%%:*})\n"
	      "\tif (( CURRENT == 2 )) && [[ ${words[2]} != -* ]]; then\n"
	      "\t\t_describe command commands\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tlocal command=${words[2]}\n"
	      "\t[[ $command == -* ]] || { shift words; (( CURRENT-- )); }\n"
	      "\tcase $command in\n",
	      out);
	for (int id = 0; id < COMMANDS; id++) {
		fprintf(out, "\t%s) _arguments -s \\\n", command_table[id].name);
		write_zsh_options(out, id);
		fprintf(out, "\t\t%s ;;\n", zsh_rest(id));
	}
	fputs("\t*) _arguments -s \\\n", out);
	write_zsh_options(out, COMMAND_WATCH);
	write_zsh_options(out, COMMANDS);
	fputs("\t\t;;\n"
	      "\tesac\n"
	      "}\n"
	      "if [[ ${funcstack[1]} == _dbleak ]]; then _dbleak \"$@\"; else compdef _dbleak "
	      "dbleak; fi\n",
	      out);
}
