/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * usage.c - see usage.h.
 */
#include "user/command/usage.h"

#include <stdbool.h>
#include <string.h>

#include "user/command/option_table.h"
#include "user/command/topics.h"

#define COLUMNS	       80
#define MEANING_COLUMN 27
#define MEANING_MOST   256
#define GLUE	       '\1' /* a space at which no line ends */

/* Prints words from column `at` on; lines that follow begin at `indent`. */
static void print_words(FILE *out, const char *text, int at, int indent)
{
	for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
		int length = (int)strcspn(text, " ");
		bool first = at == indent;

		if (!first && at + 1 + length > COLUMNS) {
			fprintf(out, "\n%*s", indent, "");
			at = indent;
			first = true;
		}
		if (!first)
			fputc(' ', out);
		for (int i = 0; i < length; i++)
			fputc(text[i] == GLUE ? ' ' : text[i], out);
		at += length + !first;
		text += length;
	}
	fputc('\n', out);
}

static void print_option(FILE *out, const struct option_row *row)
{
	char letter[] = "    ", meaning[MEANING_MOST];
	int at;

	if (row->letter)
		snprintf(letter, sizeof(letter), "-%c, ", row->letter);
	at = fprintf(out, "  %s--%s%s%s", letter, row->name, row->argument ? " " : "",
		     row->argument ? row->argument : "");
	at += fprintf(out, "%*s", at < MEANING_COLUMN - 1 ? MEANING_COLUMN - at : 1, "");
	if (row->initial)
		snprintf(meaning, sizeof(meaning), "%s (default:%c%s)", row->meaning, GLUE,
			 row->initial);
	else
		snprintf(meaning, sizeof(meaning), "%s", row->meaning);
	print_words(out, meaning, at, MEANING_COLUMN);
}

static void print_options(FILE *out, enum command_id id)
{
	for (int group = 0; group < GROUPS; group++) {
		bool headed = false;

		for (const struct option_row *row = option_table; row->name; row++) {
			if ((int)row->group != group || !option_taken(row, id))
				continue;
			if (!headed)
				fprintf(out, "\n%s:\n", option_groups[group]);
			headed = true;
			print_option(out, row);
		}
	}
}

void usage_command(FILE *out, enum command_id id)
{
	const struct command_row *c = &command_table[id];

	fprintf(out, "Usage: dbleak %s\n", c->synopsis);
	print_words(out, c->about, 0, 0);
	print_options(out, id);
	fputc('\n', out);
	fputs("Exit status:", out);
	print_words(out, c->status, (int)strlen("Exit status:"), 0);
}

void usage_program(FILE *out)
{
	char topics[TOPICS_NAMES];
	int at;

	fputs("dbleak finds database connections, transactions and statements that leak.\n"
	      "Usage: dbleak [COMMAND] [OPTIONS]\n"
	      "\nCommands:\n",
	      out);
	for (int id = 0; id < COMMANDS; id++)
		fprintf(out, "  %-9s %s\n", command_table[id].name, command_table[id].summary);
	print_options(out, COMMANDS);
	at = fprintf(out, "\nDBLEAK_DEBUG=TOPIC[,...] prints diagnostics; topics:") - 1;
	print_words(out, topics_names(topics, sizeof(topics)), at, 0);
	fputs("\n\"dbleak COMMAND --help\" tells more, \"dbleak help --man\" all.\n", out);
}
