/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * command_table.c - see command_table.h.
 */
#include "user/command/command_table.h"

#include <stdio.h>
#include <string.h>

const struct command_row command_table[COMMANDS] = {
	[COMMAND_WATCH] =
		{
			.name = "watch",
			.synopsis = "[watch] [OPTIONS]",
			.summary = "watch database clients, then report leaks (the default)",
			.about = "Watch database clients until Ctrl-C (or --duration), then "
				 "report leaks.",
			.status = "0 no leak seen, 1 leak or stuck, 2 could not watch, or not "
				  "write all that was asked for.",
		},
	[COMMAND_TOP] =
		{
			.name = "top",
			.synopsis = "top [OPTIONS]",
			.summary = "watch database clients on a live screen, the worst first",
			.about = "Show live, as htop does, which processes hold database "
				 "connections, the worst first, with the guilty line. Enter looks "
				 "into one: lines, stacks, SQL, where its threads are now. Needs a "
				 "terminal; the report comes at the end. ? lists the keys.",
			.status = "0 no leak seen, 1 leak or stuck, 2 could not watch, or not "
				  "write all that was asked for.",
		},
	[COMMAND_RUN] =
		{
			.name = "run",
			.synopsis = "run [OPTIONS] -- COMMAND [ARGUMENT...]",
			.summary = "run a command and report what it leaked",
			.about = "Run a command and report what it and its children leaked, on "
				 "standard error or to a file. Under sudo the command runs as "
				 "whoever called sudo; --user says otherwise (--user root).",
			.status = "1 leak or stuck, else the command's own (128 + N: ended by "
				  "signal N); 2 could not watch, or not write all that was asked "
				  "for; 126 or 127 could not start the command, 127 not found.",
			.starts_another = true,
		},
	[COMMAND_SNAPSHOT] =
		{
			.name = "snapshot",
			.synopsis = "snapshot [OPTIONS]",
			.summary = "show what is open now",
			.about = "Show which processes hold database connections now, at once and "
				 "without any probe. A snapshot accuses nobody.",
			.status = "0 shown, 2 could not watch, or not write the report.",
		},
	[COMMAND_RECORD] =
		{
			.name = "record",
			.synopsis = "record [OPTIONS] [FILE]",
			.summary = "watch, and keep a recording to report on later",
			.about = "Record what \"dbleak watch\" would see; \"dbleak report FILE\" "
				 "reports on it later, without root.",
			.status = "0 recorded, 2 could not watch or write.",
		},
	[COMMAND_SERVE] =
		{
			.name = "serve",
			.synopsis = "serve [OPTIONS]",
			.summary = "watch, and serve metrics to Prometheus",
			.about =
				"Watch database clients until Ctrl-C or SIGTERM, and serve what is "
				"seen over HTTP: /metrics for Prometheus, /html for a "
				"browser, /report as JSON, /healthz. "
				"Connections come from this host alone; others need --token-file.",
			.status = "0 served, 2 could not watch, listen or write.",
		},
	[COMMAND_REPORT] =
		{
			.name = "report",
			.synopsis = "report FILE [OPTIONS]",
			.summary = "report on a recording",
			.about = "Report on a recording, or on standard input (-). Needs no root.",
			.status =
				"0 no leak seen, 1 leak or stuck, 2 could not read the recording "
				"or write the report, 3 no leak seen in what is there of a cut or "
				"damaged recording.",
		},
	[COMMAND_DUMP] =
		{
			.name = "dump",
			.synopsis = "dump FILE [OPTIONS]",
			.summary = "print the records of a recording as JSON",
			.about = "Print the records of a recording, one JSON object a line. Needs "
				 "no root.",
			.status = "0 all were printed, 2 could not read or write all.",
		},
	[COMMAND_DOCTOR] =
		{
			.name = "doctor",
			.synopsis = "doctor [OPTIONS]",
			.summary = "check what this host allows",
			.about =
				"Check what this host allows, what will be missing, and how to get "
				"it.",
			.status = "0 connections can be watched, 2 they cannot.",
		},
	[COMMAND_HELP] =
		{
			.name = "help",
			.synopsis = "help [COMMAND] [OPTIONS]",
			.summary = "show the help of a command, or the man page",
			.about = "Show the help of dbleak or of one command.",
			.status = "0 printed, 2 no such command, or could not write.",
		},
};

enum command_id command_find(const char *name)
{
	int id = 0;

	while (id < COMMANDS && strcmp(command_table[id].name, name) != 0)
		id++;
	return (enum command_id)id;
}

void command_names(char *out, size_t size, unsigned int mask)
{
	size_t length = 0;

	*out = '\0';
	for (int id = 0; id < COMMANDS && length < size; id++) {
		if (!(mask & 1U << id))
			continue;
		mask &= ~(1U << id);
		length += (size_t)snprintf(out + length, size - length, "%s%s",
					   !length ? ""
					   : mask  ? ", "
						   : " and ",
					   command_table[id].name);
	}
}
