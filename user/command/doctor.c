/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * doctor.c - dbleak doctor: what this host allows, what will be missing, and how to get it.
 *
 * Prints what feature.c found.  Changes nothing on the host and gives no advice to weaken it.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "user/base/escape.h"
#include "user/capture/kernel/feature.h"
#include "user/capture/worker/rights.h"
#include "user/command/command.h"

#define COLUMNS	   80
#define NAME_WIDTH 20
#define RIGHT_WIDTH 24
#define INDENT	   6

static const char usage[] = "usage: dbleak doctor [--json]\n"
			    "What this host allows, what will be missing, and how to get it.\n"
			    "Exit status: 0 connections can be watched, 2 they cannot.\n";

/* A door that is shut while the other one is open is nothing to worry about. */
static bool is_spare(enum feature_id id)
{
	return feature_about(id)->need == FEATURE_ALTERNATIVE && feature_try(id) &&
	       feature_door() != FEATURE_DOOR_NONE;
}

static const char *verdict(enum feature_id id)
{
	if (!feature_try(id))
		return "yes";
	if (is_spare(id))
		return "-";
	return feature_is_untried(id) ? "?" : "no";
}

/* Prints text in lines of 80 columns; the first goes on behind `column`, others begin there. */
static void print_wrapped(const char *text, size_t column)
{
	char line[4 * COLUMNS + 1];
	size_t left = strlen(text);

	while (left) {
		size_t took = escape_line(line, sizeof(line), text, left, COLUMNS - column);

		text += took;
		left -= took;
		printf("%s\n", line);
		if (left)
			printf("%*s", (int)column, "");
	}
}

static void print_note(const char *label, const char *text)
{
	char *note;

	if (!*text || asprintf(&note, "%s%s", label, text) < 0)
		return;
	printf("%*s", INDENT, "");
	print_wrapped(note, INDENT);
	free(note);
}

static void print_feature(enum feature_id id)
{
	const struct feature *about = feature_about(id);
	const char *detail = feature_detail(id);

	printf("%-4s  %-*s", verdict(id), NAME_WIDTH, about->name);
	print_wrapped(*detail ? detail : about->purpose, INDENT + NAME_WIDTH);
	if (!feature_try(id) || feature_is_untried(id) || is_spare(id))
		return;
	print_note("", about->purpose);
	print_note("without it: ", about->without);
	print_note("to get it:  ", about->remedy);
}

static void print_rights(void)
{
	size_t count;
	const struct right *r = rights_list(&count);

	printf("\nWhat watching takes of root's rights, and what for:\n");
	for (; count--; r++) {
		printf("%-4s  %-*s", right_is_held(r) ? "yes" : "no", RIGHT_WIDTH, r->name);
		print_wrapped(r->feature, INDENT + RIGHT_WIDTH);
		if (!right_is_held(r))
			print_note("without it: ", r->without);
	}
}

static void print_text(const struct utsname *host)
{
	bool able = feature_main_job();
	enum feature_door door = feature_door();

	printf("dbleak %s on Linux %s %s\n", DBLEAK_VERSION, host->release, host->machine);
	if (able)
		printf("Database connections can be watched here; door to the sockets: %s.\n\n",
		       feature_door_name(door));
	else if (feature_try(FEATURE_RIGHTS))
		printf("Not without root: what is marked ? could not be tried.\n\n");
	else
		printf("Database connections cannot be watched here: see what is marked no.\n\n");
	for (int id = 0; id < FEATURES; id++)
		print_feature((enum feature_id)id);
	print_rights();
}

static json_t *feature_json(enum feature_id id)
{
	static const char *const needs[] = {"needed", "alternative", "helpful", "remark"};
	const struct feature *about = feature_about(id);
	json_t *available = feature_is_untried(id) ? json_null() : json_boolean(!feature_try(id));

	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:s}", "name", about->name, "need",
			 needs[about->need], "purpose", about->purpose, "available", available,
			 "detail", feature_detail(id), "without", about->without, "remedy",
			 about->remedy);
}

static json_t *rights_json(void)
{
	static const char *const terms[] = {"kept", "helper", "run", "start"};
	json_t *list = json_array();
	size_t count;
	const struct right *r = rights_list(&count);

	for (; count--; r++)
		json_array_append_new(list,
				      json_pack("{s:s, s:b, s:b, s:s, s:s, s:s}", "name", r->name,
						"held", (int)right_is_held(r), "needed",
						(int)r->needed, "kept", terms[r->term], "purpose",
						r->feature, "without", r->without));
	return list;
}

static int print_json(const struct utsname *host)
{
	enum feature_door door = feature_door();
	json_t *features = json_array();
	json_t *top;
	int err;

	for (int id = 0; id < FEATURES; id++)
		json_array_append_new(features, feature_json((enum feature_id)id));
	top = json_pack("{s:s, s:s, s:{s:s, s:s}, s:b, s:s?, s:o, s:o}", "schema",
			"dbleak.doctor/1", "version", DBLEAK_VERSION, "host", "kernel",
			host->release, "arch", host->machine, "able", (int)feature_main_job(),
			"door", door == FEATURE_DOOR_NONE ? NULL : feature_door_name(door),
			"features", features, "rights", rights_json());
	err = top ? json_dumpf(top, stdout, JSON_INDENT(2)) : -1;
	json_decref(top);
	putchar('\n');
	return err;
}

/* 0: JSON or text as in *json; else the exit status plus 1. */
static int parse_options(int argc, char **argv, bool *json)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option;

	optind = 0; /* main has parsed already */
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(usage, stdout);
			return 1;
		}
		if (option != 'j') {
			fputs(usage, stderr);
			return 3;
		}
		*json = true;
	}
	if (optind == argc)
		return 0;
	fputs(usage, stderr);
	return 3;
}

int command_doctor(int argc, char **argv)
{
	struct utsname host;
	bool json = false;
	int stop = parse_options(argc, argv, &json);
	int err = 0;

	if (stop)
		return stop - 1;
	uname(&host);
	if (json)
		err = print_json(&host);
	else
		print_text(&host);
	feature_close();
	if (fflush(stdout) || ferror(stdout) || err) {
		fprintf(stderr, "dbleak: doctor: cannot write: %s\n", strerror(errno));
		return 2;
	}
	return feature_main_job() ? 0 : 2;
}
