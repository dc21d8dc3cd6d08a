/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * parse.c - see parse.h.
 *
 * getopt_long splits the words; what they mean is in option_table.c.
 */
#include "user/command/parse.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/command/option_table.h"
#include "user/command/usage.h"

#define LONG 256 /* getopt's values: a letter, or this and the number of the row */

int options_misused(enum command_id id, const char *format, ...)
{
	va_list more;

	fputs("dbleak: ", stderr);
	va_start(more, format);
	vfprintf(stderr, format, more);
	va_end(more);
	fprintf(stderr, "\n\"dbleak %s --help\" lists all options\n", command_table[id].name);
	return 2;
}

static int options_refuse(enum command_id id, const char *word, int value)
{
	return options_misused(id, "%s \"%s\"",
			       value == ':' ? "a value is missing after" : "no such option", word);
}

/* What getopt is to know: longs and shorts have room for all rows. */
static void options_choose(struct option *longs, char *shorts, enum command_id id)
{
	if (command_table[id].starts_another)
		*shorts++ = '+';
	*shorts++ = ':';
	for (size_t i = 0; i < option_count; i++) {
		const struct option_row *row = &option_table[i];

		if (!option_taken(row, id))
			continue;
		*longs++ = (struct option){row->name, row->argument ? 1 : 0, NULL, LONG + (int)i};
		if (!row->letter)
			continue;
		*shorts++ = row->letter;
		if (row->argument)
			*shorts++ = ':';
	}
	*longs = (struct option){};
	*shorts = '\0';
}

static const struct option_row *row_of(int value, enum command_id id)
{
	const struct option_row *row = option_table;

	if (value >= LONG)
		return &option_table[value - LONG];
	while (row->letter != value || !option_taken(row, id))
		row++;
	return row;
}

static int options_take(struct options *o, const struct option_row *row, enum command_id id)
{
	if (row->set)
		return row->set(row, o, optarg);
	usage_command(stdout, id);
	return 0;
}

int options_parse(struct options *o, int argc, char **argv, enum command_id id)
{
	struct option *longs = calloc(option_count + 1, sizeof(*longs));
	char *shorts = calloc(option_count + 2, 2);
	int value, status = longs && shorts ? -1 : 2;

	*o = (struct options){};
	if (status < 0) {
		option_initials(o, id);
		options_choose(longs, shorts, id);
	}
	optind = 0; /* begins anew, also after another command line */
	opterr = 0; /* the words are ours */
	while (status < 0 && (value = getopt_long(argc, argv, shorts, longs, NULL)) != -1)
		status = value == '?' || value == ':' ? options_refuse(id, argv[optind - 1], value)
						      : options_take(o, row_of(value, id), id);
	o->next = optind;
	free(longs);
	free(shorts);
	return status;
}
