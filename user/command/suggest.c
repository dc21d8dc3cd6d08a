/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * suggest.c - see suggest.h.
 */
#include "user/command/suggest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf/event.h"
#include "user/command/nearest.h"
#include "user/command/option_table.h"

/* Names that docker, perf, ps, strace, tcpdump, Inspektor Gadget and the tools of bcc have. */
static const struct foreign {
	const char *name;
	char letter; /* 0: none */
	const char *here;
} foreign[] = {
	{"timeout", 't', "duration"},
	{"time", 0, "duration"},
	{"seconds", 0, "duration"},
	{"for", 0, "duration"},
	{"containername", 0, "container"},
	{"docker", 0, "container"},
	{"process", 0, "pid"},
	{"name", 0, "comm"},
	{"filter", 0, "comm"},
	{"period", 'i', "interval"},
	{"frequency", 0, "interval"},
	{"older", 0, "min-age"},
	{"threshold", 0, "min-age"},
	{"write", 'w', "record"},
	{"save", 0, "record"},
	{"write", 'w', "output"},
	{"save", 0, "output"},
	{"file", 0, "output"},
	{"format", 0, "json"},
	{"all", 'a', "verbose"},
	{"debug", 0, "verbose"},
	{"exit-code", 0, "error-exitcode"},
	{"silent", 's', "quiet"},
};

static bool is_taken(enum command_id id, const char *name)
{
	return option_takers(name) & 1U << id;
}

const char *suggest_option(enum command_id id, const char *name, size_t length, char letter)
{
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++) {
		const struct foreign *f = &foreign[i];
		bool same = letter ? f->letter == letter
				   : strlen(f->name) == length && !memcmp(f->name, name, length);

		if (same && is_taken(id, f->here))
			return f->here;
	}
	return NULL;
}

/* Digits, and perhaps the letter of a unit of time behind them. */
static bool is_amount(const char *word, bool unit)
{
	size_t digits = strspn(word, "0123456789");

	return digits &&
	       (!word[digits] || (unit && strchr("smhd", word[digits]) && !word[digits + 1]));
}

/* Could it be a process, or a container? */
static bool is_name(const char *word)
{
	size_t length = strlen(word);

	if (length >= EV_COMM_LEN || !isalnum((unsigned char)*word))
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)word[i]) && !strchr("_-.", word[i]))
			return false;
	return true;
}

/* Processes and files that the word can choose, as options of a command. */
static size_t suggest_options(char *out, size_t size, enum command_id id, const char *word)
{
	const struct {
		const char *name;
		bool fits;
	} options[] = {
		{"pid", is_amount(word, false)},
		{"duration", is_amount(word, true)},
		{"comm", !is_amount(word, true) && is_name(word)},
		{"container", !is_amount(word, true) && is_name(word)},
	};
	size_t at = 0, count = 0;

	for (size_t i = 0; i < sizeof(options) / sizeof(*options) && at < size; i++)
		if (options[i].fits && is_taken(id, options[i].name))
			at += (size_t)snprintf(out + at, size - at, "%s--%s %s",
					       count++ ? " or " : "", options[i].name, word);
	return count;
}

/* A command of nearly that name. */
static const char *suggest_command(const char *word)
{
	struct nearest near = nearest_begin(word, strlen(word));

	for (int id = 0; id < COMMANDS; id++)
		nearest_try(&near, command_table[id].name);
	return near.name;
}

/* A file is to be read, or to be run. */
static const char *suggest_file(const char *word)
{
	struct stat st;

	if (stat(word, &st) || !S_ISREG(st.st_mode))
		return NULL;
	return access(word, X_OK) ? "report" : "run --";
}

const char *suggest_word(char *out, size_t size, enum command_id id, const char *word)
{
	bool names_command = id == COMMANDS || id == COMMAND_HELP;
	const char *command = names_command ? suggest_command(word) : NULL;
	const char *before = id == COMMANDS && !command ? suggest_file(word) : NULL;
	char options[SUGGEST_TEXT];

	*out = '\0';
	if (command)
		snprintf(out, size, "; did you mean %s?", command);
	else if (before)
		snprintf(out, size, "; did you mean %s %s?", before, word);
	else if (suggest_options(options, sizeof(options), id == COMMANDS ? COMMAND_WATCH : id,
				 word))
		snprintf(out, size, "; did you mean %s?", options);
	return out;
}
