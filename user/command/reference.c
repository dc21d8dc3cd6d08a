/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * reference.c - see reference.h.
 */
#include "user/command/reference.h"

#include <ctype.h>

#include "user/command/facts.h"
#include "user/system/debug.h"

/* Text of a cell, in which a bar would end it. */
static void cell(FILE *out, const char *text)
{
	for (; *text; text++)
		fprintf(out, "%s%c", *text == '|' || *text == '*' ? "\\" : "", *text);
}

static void reference_row(FILE *out, const struct option_row *row)
{
	char names[FACT_COMMANDS];

	fputs("| `", out);
	if (row->letter)
		fprintf(out, "-%c, ", row->letter);
	fprintf(out, "--%s", row->name);
	if (row->argument) {
		fputc(' ', out);
		cell(out, row->argument);
	}
	fprintf(out, "` | %s | %s | %c", fact_commands(row, names, sizeof(names)),
		row->initial ? row->initial : "", toupper((unsigned char)*row->meaning));
	cell(out, row->meaning + 1);
	fputs(row->more ? ". " : ".", out);
	cell(out, row->more ? row->more : "");
	fputs(" |\n", out);
}

void reference_write(FILE *out)
{
	fputs("| option | taken by | default | meaning |\n|---|---|---|---|\n", out);
	for (const struct option_row *row = option_table; row->name; row++)
		reference_row(out, row);
	fputs("\n| variable | meaning |\n|---|---|\n", out);
	for (const struct fact *e = fact_environment; e->name; e++) {
		fprintf(out, "| `%s` | ", e->name);
		cell(out, e->meaning);
		fputs(" |\n", out);
	}
	fputs("\n| topic of `DBLEAK_DEBUG` | meaning |\n|---|---|\n", out);
	for (int i = 0; i < DEBUG_TOPICS; i++)
		fprintf(out, "| `%s` | %c%s. |\n", debug_table[i].name,
			toupper((unsigned char)*debug_table[i].meaning),
			debug_table[i].meaning + 1);
}
