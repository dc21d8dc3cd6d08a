/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * record_file.c - see record_file.h.
 */
#include "user/command/record_file.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

#include "user/command/parse.h"
#include "user/system/clock.h"

/* A number is no file's name by intention: perf and bcc take pids and seconds so. */
static bool is_number(const char *word)
{
	return isdigit((unsigned char)*word) && !word[strspn(word, "0123456789smhd")];
}

const char *record_file_name(char name[RECORD_FILE])
{
	time_t now = (time_t)(clock_wall_ns() / 1000000000);
	struct tm at;

	if (!localtime_r(&now, &at))
		return NULL;
	strftime(name, RECORD_FILE, "dbleak-%Y%m%d-%H%M%S.rec", &at);
	return name;
}

int record_file_choose(struct options *o, char name[RECORD_FILE], int count, char **words)
{
	if (count && is_number(*words))
		return options_stray(COMMAND_RECORD, *words);
	if (count && o->output)
		return options_misused(COMMAND_RECORD, "record takes one file, not \"%s\" too",
				       *words);
	if (count > 1)
		return options_stray(COMMAND_RECORD, words[1]);
	if (count)
		o->output = *words;
	if (!o->output)
		o->output = record_file_name(name);
	return o->output ? -1 : 2;
}
