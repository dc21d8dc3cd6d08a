/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * manual.c - see manual.h.
 *
 * Roff, by the macros of man(7) alone.  All text goes through put(), for a line of a text that
 * begins with a dot or a quote would be a command of roff's.
 */
#include "user/command/manual.h"

#include <ctype.h>

#include "user/command/facts.h"
#include "user/command/option_table.h"
#include "user/system/debug.h"

/* Text as it is.  A line that might begin with it gets an empty character first. */
static void put(FILE *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++)
		switch (*text) {
		case '\\':
			fputs("\\e", out);
			break;
		case '-':
			fputs("\\-", out);
			break;
		case '~':
			fputs("\\(ti", out);
			break;
		case '^':
			fputs("\\(ha", out);
			break;
		case '`':
			fputs("\\(ga", out);
			break;
		case '\'':
			fputs("\\(aq", out);
			break;
		default:
			fputc(*text, out);
		}
}

static void put_bold(FILE *out, const char *text)
{
	fputs("\\fB", out);
	put(out, text);
	fputs("\\fR", out);
}

/* A meaning, which --help shows without a capital and a full stop. */
static void put_sentence(FILE *out, const char *text)
{
	const char first[] = {(char)toupper((unsigned char)*text), '\0'};

	put(out, first);
	put(out, text + 1);
	fputs(".\n", out);
}

static void section(FILE *out, const char *name)
{
	fprintf(out, ".SH %s\n", name);
}

static void paragraph(FILE *out, const char *text)
{
	fputs(".PP\n", out);
	put(out, text);
	fputc('\n', out);
}

static void tagged(FILE *out, const char *tag, const char *text)
{
	fputs(".TP\n", out);
	put_bold(out, tag);
	fputc('\n', out);
	put(out, text);
	fputc('\n', out);
}

static void put_synopsis(FILE *out)
{
	section(out, "SYNOPSIS");
	for (int id = 0; id < COMMANDS; id++) {
		if (id)
			fputs(".br\n", out);
		put_bold(out, "dbleak");
		fputc(' ', out);
		put(out, command_table[id].synopsis);
		fputc('\n', out);
	}
}

static void put_commands(FILE *out)
{
	section(out, "COMMANDS");
	for (int id = 0; id < COMMANDS; id++)
		tagged(out, command_table[id].name, command_table[id].about);
}

static void put_option(FILE *out, const struct option_row *row)
{
	const char letter[] = {'-', row->letter, '\0'};
	char names[FACT_COMMANDS];

	fputs(".TP\n", out);
	if (row->letter) {
		put_bold(out, letter);
		fputs(", ", out);
	}
	fputs("\\fB\\-\\-", out);
	put(out, row->name);
	fputs("\\fR", out);
	if (row->argument) {
		fputs(" \\fI", out);
		put(out, row->argument);
		fputs("\\fR", out);
	}
	fputc('\n', out);
	put_sentence(out, row->meaning);
	if (row->more) {
		put(out, row->more);
		fputc('\n', out);
	}
	if (row->initial) {
		fputs("Default: ", out);
		put(out, row->initial);
		fputs(".\n", out);
	}
	fprintf(out, "Taken by: %s.\n", fact_commands(row, names, sizeof(names)));
}

static void put_options(FILE *out)
{
	section(out, "OPTIONS");
	paragraph(out,
		  "A long option may be shortened as far as it stays clear which one is meant. "
		  "A SIZE is a number of bytes, or of K, M or G of 1024 of them.");
	for (int group = 0; group < GROUPS; group++) {
		fputs(".SS ", out);
		put(out, option_groups[group]);
		fputc('\n', out);
		for (const struct option_row *row = option_table; row->name; row++)
			if ((int)row->group == group)
				put_option(out, row);
	}
}

static void put_facts(FILE *out, const char *name, const struct fact *list)
{
	section(out, name);
	for (; list->name; list++)
		tagged(out, list->name, list->meaning);
}

static void put_topics(FILE *out)
{
	fputs(".SS Topics of DBLEAK_DEBUG\n", out);
	for (int i = 0; i < DEBUG_TOPICS; i++) {
		fputs(".TP\n", out);
		put_bold(out, debug_table[i].name);
		fputc('\n', out);
		put_sentence(out, debug_table[i].meaning);
	}
}

static void put_examples(FILE *out)
{
	section(out, "EXAMPLES");
	for (const struct fact *e = fact_examples; e->name; e++) {
		paragraph(out, e->meaning);
		fputs(".PP\n.RS 4\n.nf\n", out);
		put_bold(out, e->name);
		fputs("\n.fi\n.RE\n", out);
	}
}

static void put_seen(FILE *out)
{
	section(out, "SEE ALSO");
	for (const struct fact *s = fact_seen; s->name; s++) {
		put_bold(out, s->name);
		fprintf(out, "(%s)%s\n", s->meaning, s[1].name ? "," : "");
	}
}

void manual_write(FILE *out)
{
	fprintf(out, ".TH DBLEAK 8 \"\" \"dbleak %s\" \"System Administration\"\n", DBLEAK_VERSION);
	section(out, "NAME");
	fputs("dbleak \\- find database client leaks on a live Linux system\n", out);
	put_synopsis(out);
	section(out, "DESCRIPTION");
	for (const char *const *text = fact_description; *text; text++)
		paragraph(out, *text);
	put_commands(out);
	put_options(out);
	section(out, "EXIT STATUS");
	for (int id = 0; id < COMMANDS; id++)
		tagged(out, command_table[id].name, command_table[id].status);
	put_facts(out, "ENVIRONMENT", fact_environment);
	put_topics(out);
	put_facts(out, "FILES", fact_files);
	put_examples(out);
	put_seen(out);
}
