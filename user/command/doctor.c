/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * doctor.c - dbleak doctor: what this host allows, what will be missing, and how to get it.
 *
 * Prints what feature.c found.  Changes nothing on the host and gives no advice to weaken it.
 */
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "user/base/escape.h"
#include "user/capture/host/platform.h"
#include "user/capture/host_check.h"
#include "user/capture/kernel/feature.h"
#include "user/capture/rights.h"
#include "user/command/command.h"
#include "user/command/parse.h"

#define COLUMNS	    80
#define NAME_WIDTH  20
#define RIGHT_WIDTH 24
#define INDENT	    6

/* A feature that this host has or lacks. */
struct doctor_line {
	const struct feature *about;
	int err;
	char detail[FEATURE_DETAIL];
	bool kernel;  /* one of many features that the kernel has or lacks */
	bool untried; /* for lack of rights */
	bool spare;   /* the other of the two doors (ways to attach) is open: no harm */
	bool idle;    /* nothing here needs it */
};

static size_t lines(struct doctor_line out[FEATURES + HOST_CHECKS])
{
	bool door = feature_door() != FEATURE_DOOR_NONE;
	size_t n = 0;

	for (int i = 0; i < FEATURES; i++) {
		enum feature_id id = (enum feature_id)i;
		struct doctor_line *l = &out[n++];

		*l = (struct doctor_line){.about = feature_about(id),
					  .err = feature_try(id),
					  .kernel = id >= FEATURE_TYPES && id != FEATURE_MEMORY &&
						    id != FEATURE_WARNINGS &&
						    id != FEATURE_HEAP_FULL,
					  .untried = feature_is_untried(id)};
		l->spare = l->about->need == FEATURE_ALTERNATIVE && l->err && door;
		snprintf(l->detail, sizeof(l->detail), "%s", feature_detail(id));
	}
	for (int i = 0; i < HOST_CHECKS; i++) {
		enum host_check_id id = (enum host_check_id)i;
		struct doctor_line *l = &out[n++];

		*l = (struct doctor_line){.about = host_check_about(id)};
		l->err = host_check_try(id, l->detail);
		l->idle = l->err > 0;
		l->err = l->idle ? 0 : l->err;
		l->untried = feature_try(FEATURE_PROC) ||
			     ((l->err == -EPERM || l->err == -EACCES) && id != HOST_FOLDER &&
			      feature_try(FEATURE_RIGHTS));
	}
	return n;
}

static const char *verdict(const struct doctor_line *l)
{
	if (l->spare || l->idle)
		return "-";
	if (!l->err)
		return "ok";
	return l->untried ? "?" : "no";
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

/* The name without what "ok" or "no" before it would turn round. */
static const char *label(const struct doctor_line *l)
{
	static const char *const prefixes[] = {"no ", "lines of "};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
		if (!strncmp(l->about->name, prefixes[i], strlen(prefixes[i])))
			return l->about->name + strlen(prefixes[i]);
	return l->about->name;
}

static void doctor_print_line(const struct doctor_line *l)
{
	const char *words = *l->detail ? l->detail : l->about->purpose;

	printf("%-4s  %-*s", verdict(l), NAME_WIDTH, label(l));
	print_wrapped(l->spare ? "not needed: another way is open" : words, INDENT + NAME_WIDTH);
	if (!l->err || l->untried || l->spare)
		return;
	print_note("", l->about->purpose);
	print_note("without it: ", l->about->without);
	print_note("to get it:  ", l->about->remedy);
}

static bool is_missing(const struct doctor_line *l)
{
	return l->err && !l->untried && !l->spare && l->about->need != FEATURE_REMARK;
}

/* All features of the kernel that are there, in one line; nothing where they could not be tried. */
static void print_kernel(const struct doctor_line *all, size_t n)
{
	size_t there = 0, wanted = 0, untried = 0;

	for (size_t i = 0; i < n; i++) {
		wanted += all[i].kernel && !all[i].spare;
		there += all[i].kernel && !all[i].err;
		untried += all[i].kernel && all[i].untried;
	}
	if (!untried)
		printf("%-4s  %-*s%zu of %zu features that dbleak uses\n", "ok", NAME_WIDTH,
		       "kernel", there, wanted);
}

/* Without -v: what is missing one by one, what is there in few lines. */
static void print_lines(const struct doctor_line *all, size_t n, bool verbose)
{
	bool begun = verbose;

	for (size_t i = 0; i < n; i++) {
		if (all[i].kernel && !begun)
			print_kernel(all, n);
		begun |= all[i].kernel;
		if (verbose || (!all[i].untried && !all[i].spare && !all[i].idle &&
				(!all[i].kernel || all[i].err)))
			doctor_print_line(&all[i]);
	}
}

/* Without -v a right is shown where it alone is missing, and missed. */
static bool is_shown(const struct right *r, bool verbose)
{
	return verbose || (!right_is_held(r) && strncmp(r->without, "nothing", 7) != 0);
}

static void print_rights(bool verbose)
{
	size_t count, shown = 0;
	const struct right *r = rights_list(&count), *last = r + count;

	for (; r < last; r++) {
		if (!is_shown(r, verbose))
			continue;
		if (!shown++)
			printf("\nWhat watching takes of root's rights, and what for:\n");
		printf("%-4s  %-*s", right_is_held(r) ? "ok" : "no", RIGHT_WIDTH, r->name);
		print_wrapped(r->feature, INDENT + RIGHT_WIDTH);
		if (!right_is_held(r))
			print_note("without it: ", r->without);
	}
}

static void print_answer(const struct doctor_line *all, size_t n, const struct utsname *host)
{
	const char *platform = feature_main_job() ? NULL : platform_without_bpf(host);
	size_t missing = 0;

	for (size_t i = 0; i < n; i++)
		missing += is_missing(&all[i]);
	if (feature_main_job() && !missing)
		puts("OK: dbleak can watch this host.\n");
	else if (feature_main_job())
		puts("OK: dbleak can watch this host, but for what is marked no.\n");
	else if (platform)
		printf("NO: this is %s, where nobody can load eBPF programs.\n"
		       "Run dbleak on a host of your own; nothing below can be mended here.\n\n",
		       platform);
	else if (!feature_try(FEATURE_PROC) && feature_try(FEATURE_RIGHTS))
		puts("NO: dbleak needs root to watch this host.\n");
	else
		puts("NO: dbleak cannot watch this host; see what is marked no.\n");
}

static void print_text(const struct utsname *host, bool verbose)
{
	struct doctor_line all[FEATURES + HOST_CHECKS];
	size_t n = lines(all), untried = 0;

	for (size_t i = 0; i < n; i++)
		untried += all[i].untried;
	printf("dbleak %s on Linux %s %s\n", DBLEAK_VERSION, host->release, host->machine);
	print_answer(all, n, host);
	print_lines(all, n, verbose);
	if (untried && feature_try(FEATURE_RIGHTS) && !feature_try(FEATURE_PROC))
		printf("\nRun with sudo to test the rest (%zu checks).\n", untried);
	else if (untried)
		printf("\nWhat is marked no keeps %zu more from being tested.\n", untried);
	if (verbose || !feature_try(FEATURE_RIGHTS))
		print_rights(verbose);
	if (!verbose)
		puts("\n\"dbleak doctor -v\" lists all features and rights.");
}

static json_t *line_json(const struct doctor_line *l)
{
	static const char *const needs[] = {"needed", "alternative", "helpful", "remark"};
	json_t *available = l->untried ? json_null() : json_boolean(!l->err);

	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:s}", "name", l->about->name, "need",
			 needs[l->about->need], "purpose", l->about->purpose, "available",
			 available, "detail", l->detail, "without", l->about->without, "remedy",
			 l->about->remedy);
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
	struct doctor_line all[FEATURES + HOST_CHECKS];
	size_t n = lines(all);
	json_t *features = json_array();
	json_t *top;
	int err;

	for (size_t i = 0; i < n; i++)
		json_array_append_new(features, line_json(&all[i]));
	top = json_pack("{s:s, s:s, s:{s:s, s:s, s:s?}, s:b, s:s?, s:o, s:o}", "schema",
			"dbleak.doctor/1", "version", DBLEAK_VERSION, "host", "kernel",
			host->release, "arch", host->machine, "platform_without_bpf",
			feature_main_job() ? NULL : platform_without_bpf(host), "able",
			(int)feature_main_job(), "door",
			door == FEATURE_DOOR_NONE ? NULL : feature_door_name(door), "features",
			features, "rights", rights_json());
	err = top ? json_dumpf(top, stdout, JSON_INDENT(2)) : -1;
	json_decref(top);
	putchar('\n');
	return err;
}

int command_doctor(int argc, char **argv)
{
	struct utsname host;
	struct options o;
	int status = options_parse(&o, argc, argv, COMMAND_DOCTOR), err = 0;

	if (status < 0 && o.next < argc)
		status = options_stray(COMMAND_DOCTOR, argv[o.next]);
	options_free(&o);
	if (status >= 0)
		return status;
	uname(&host);
	if (o.json)
		err = print_json(&host);
	else
		print_text(&host, o.verbose);
	feature_close();
	if (fflush(stdout) || ferror(stdout) || err) {
		fprintf(stderr, "dbleak: doctor: cannot write: %s\n", strerror(errno));
		return 2;
	}
	return feature_main_job() ? 0 : 2;
}
