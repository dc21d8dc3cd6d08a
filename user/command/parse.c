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

#include "user/command/nearest.h"
#include "user/command/option_table.h"
#include "user/command/suggest.h"
#include "user/command/usage.h"

#define LONG	     256 /* getopt's values: a letter, or this and the number of the row */
#define FOREIGN	     1	 /* getopt's value of a name that must not pass for a short form of ours */
#define OPTION_NAMES 128

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

int command_unknown(enum command_id id, const char *name)
{
	char meant[SUGGEST_TEXT];

	fprintf(stderr, "dbleak: no command \"%s\"%s\n\"dbleak --help\" lists all commands\n", name,
		suggest_word(meant, sizeof(meant), id, name));
	return 2;
}

int options_stray(enum command_id id, const char *word)
{
	char meant[SUGGEST_TEXT];

	return options_misused(id, "%s takes no argument \"%s\"%s", command_table[id].name, word,
			       suggest_word(meant, sizeof(meant), id, word));
}

/* The row of getopt's value; NULL: a letter that the command does not take. */
static const struct option_row *row_of(int value, enum command_id id)
{
	if (value >= LONG)
		return &option_table[value - LONG];
	for (const struct option_row *row = option_table; row->name; row++)
		if (row->letter == value && option_taken(row, id))
			return row;
	return NULL;
}

/* An option that other commands take: its name, whole or shortened, or its letter. */
static const struct option_row *row_elsewhere(const char *name, size_t length, char letter)
{
	const struct option_row *found = NULL;

	for (const struct option_row *row = option_table; row->name; row++) {
		if (letter ? row->letter != letter : strncmp(row->name, name, length) != 0)
			continue;
		if (letter || !row->name[length])
			return row;
		if (found && strcmp(found->name, row->name) != 0)
			return NULL; /* short for several */
		found = row;
	}
	return found;
}

static int refuse_taken_elsewhere(const struct option_row *row, enum command_id id)
{
	unsigned int takers = option_takers(row->name) & ((1U << COMMANDS) - 1);
	char names[OPTION_NAMES];

	command_names(names, sizeof(names), takers);
	if (!takers)
		return options_misused(id, "--%s stands alone, before any command", row->name);
	return options_misused(id, "%s takes no --%s; %s %s", command_table[id].name, row->name,
			       names, takers & (takers - 1) ? "do" : "does");
}

/* Names that a shortened one may mean: "--max-overhead or --max-memory"; how many there are. */
static size_t names_begun(char *out, size_t size, const char *name, size_t length,
			  enum command_id id)
{
	size_t count = 0, at = 0;

	for (const struct option_row *row = option_table; row->name && at < size; row++)
		if (option_taken(row, id) && !strncmp(row->name, name, length))
			at += (size_t)snprintf(out + at, size - at, "%s--%s", count++ ? " or " : "",
					       row->name);
	return count;
}

static int refuse_unknown(const char *word, const char *name, size_t length, enum command_id id)
{
	struct nearest near = nearest_begin(name, length);
	const char *meant = suggest_option(id, name, length, 0);

	if (meant)
		return options_misused(id, "no such option \"%s\"; did you mean --%s?", word,
				       meant);
	for (const struct option_row *row = option_table; row->name; row++)
		if (option_taken(row, id))
			nearest_try(&near, row->name);
	if (near.name)
		return options_misused(id, "no such option \"%s\"; did you mean --%s?", word,
				       near.name);
	return options_misused(id, "no such option \"%s\"", word);
}

static int refuse_long(const char *word, enum command_id id)
{
	const char *name = word + strspn(word, "-");
	size_t length = strcspn(name, "=");
	const struct option_row *row = row_elsewhere(name, length, 0);
	char names[OPTION_NAMES];

	if (length && names_begun(names, sizeof(names), name, length, id) > 1)
		return options_misused(id, "\"%s\" is short for %s", word, names);
	if (length && row)
		return refuse_taken_elsewhere(row, id);
	return refuse_unknown(word, name, length, id);
}

static int refuse_letter(char letter, enum command_id id)
{
	const struct option_row *row = row_elsewhere("", 0, letter);
	const char *meant = suggest_option(id, "", 0, letter);

	if (row)
		return refuse_taken_elsewhere(row, id);
	if (meant)
		return options_misused(id, "no such option \"-%c\"; did you mean --%s?", letter,
				       meant);
	return options_misused(id, "no such option \"-%c\"", letter);
}

/* what: getopt's, of the option: 0 when it is a long one that is not known. */
static int options_refuse(enum command_id id, const char *word, int value, int what)
{
	const struct option_row *row = what ? row_of(what, id) : NULL;

	if (row && value == ':')
		return options_misused(id, "a value is missing after --%s %s", row->name,
				       row->argument);
	if (row && what >= LONG)
		return options_misused(id, "--%s takes no value", row->name);
	return what ? refuse_letter((char)what, id) : refuse_long(word, id);
}

/* The options as getopt takes them: longs and shorts have room for all rows. */
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
	/* --name selects by the name of a process elsewhere, and would be short for --namespace. */
	*longs++ = (struct option){"name", 2, NULL, FOREIGN};
	*longs = (struct option){};
	*shorts = '\0';
}

static int refuse_foreign(const char *word, enum command_id id)
{
	return refuse_unknown(word, word + 2, strcspn(word + 2, "="), id);
}

static int options_take(struct options *o, const struct option_row *row, enum command_id id)
{
	if (row->set)
		return row->set(row, o, optarg);
	usage_command(stdout, id);
	return 0;
}

/* A report has one form. */
static int refuse_forms(const struct options *o, enum command_id id)
{
	if (o->events && o->json)
		return options_misused(id, "--events prints lines of JSON, and --json a report; "
					   "choose one");
	if (o->brief && (o->json || o->events))
		return options_misused(id,
				       "--brief prints lines of text, and --%s JSON; choose one",
				       o->json ? "json" : "events");
	return -1;
}

int options_parse(struct options *o, int argc, char **argv, enum command_id id)
{
	struct option *longs = calloc(option_count + 2, sizeof(*longs));
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
		status = value == FOREIGN ? refuse_foreign(argv[optind - 1], id)
			 : value == '?' || value == ':'
				 ? options_refuse(id, argv[optind - 1], value, optopt)
				 : options_take(o, row_of(value, id), id);
	o->next = optind;
	free(longs);
	free(shorts);
	return status < 0 ? refuse_forms(o, id) : status;
}
