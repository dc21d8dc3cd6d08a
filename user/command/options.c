/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * options.c - see options.h.
 */
#include "user/command/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MEMORY	 (256ULL << 20)
#define RECORD_LIMIT	 (1ULL << 30) /* a day of a busy host; a tenant is not to fill the disk */
#define SIZE_MOST	 1e18
#define HEAP_SAMPLE	 16384 /* bytes */
#define HEAP_SAMPLE_MOST (1 << 30)

enum {
	OPT_COMM = 256,
	OPT_CGROUP,
	OPT_CONTAINER,
	OPT_DURATION,
	OPT_INTERVAL,
	OPT_MIN_AGE,
	OPT_MAX_OVERHEAD,
	OPT_RECORD,
	OPT_JSON,
	OPT_SHOW_LITERALS,
	OPT_SHOW_ARGUMENTS,
	OPT_HEAP,
	OPT_HEAP_SAMPLE,
	OPT_PROBE_AT,
	OPT_NO_STACKS,
	OPT_LIBRARY,
	OPT_USER,
	OPT_RECORD_LIMIT,
	OPT_MAX_MEMORY,
};

static const struct {
	const char *name;
	int has_argument, value;
	unsigned int group;
} table[] = {
	{"pid", 1, 'p', OPTIONS_SELECT},
	{"comm", 1, OPT_COMM, OPTIONS_SELECT},
	{"cgroup", 1, OPT_CGROUP, OPTIONS_SELECT},
	{"container", 1, OPT_CONTAINER, OPTIONS_SELECT},
	{"duration", 1, OPT_DURATION, OPTIONS_TIME},
	{"interval", 1, OPT_INTERVAL, OPTIONS_TIME},
	{"min-age", 1, OPT_MIN_AGE, OPTIONS_TIME},
	{"max-overhead", 1, OPT_MAX_OVERHEAD, OPTIONS_TIME},
	{"max-memory", 1, OPT_MAX_MEMORY, OPTIONS_SELECT},
	{"heap", 1, OPT_HEAP, OPTIONS_TIME},
	{"heap-sample", 1, OPT_HEAP_SAMPLE, OPTIONS_TIME},
	{"probe-at", 1, OPT_PROBE_AT, OPTIONS_TIME},
	{"no-stacks", 0, OPT_NO_STACKS, OPTIONS_TIME},
	{"output", 1, 'o', OPTIONS_OUTPUT},
	{"record", 1, OPT_RECORD, OPTIONS_RECORD},
	{"record-limit", 1, OPT_RECORD_LIMIT, OPTIONS_TIME},
	{"json", 0, OPT_JSON, OPTIONS_REPORT},
	{"library", 1, OPT_LIBRARY, OPTIONS_REPORT},
	{"verbose", 0, 'v', OPTIONS_REPORT},
	{"show-literals", 0, OPT_SHOW_LITERALS, OPTIONS_SQL},
	{"user", 1, OPT_USER, OPTIONS_COMMAND},
	{"show-arguments", 0, OPT_SHOW_ARGUMENTS, OPTIONS_LIVE},
	{"help", 0, 'h', ~0U},
};

#define OPTIONS (sizeof(table) / sizeof(table[0]))

static int options_number(const char *name, const char *text, double least, double most,
			  double *out)
{
	char *end;

	errno = 0;
	*out = strtod(text, &end);
	if (!*text || *end || errno || !isfinite(*out) || *out < least || *out > most) {
		fprintf(stderr, "dbleak: --%s takes a number from %g to %g, not \"%s\"\n", name,
			least, most, text);
		return 2;
	}
	return -1;
}

/* Bytes, or K, M, G of 1024 of them. */
static int size(const char *name, const char *text, uint64_t *out)
{
	static const char units[] = "KMG";
	const char *unit;
	char *end;
	double value = strtod(text, &end);
	unsigned int shift = 0;

	unit = *end ? strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end) : NULL;
	if (unit) {
		shift = 10 * (unsigned int)(unit - units + 1);
		end++;
	}
	value *= (double)(1ULL << shift);
	if (end == text || *end || !(value >= 1 && value <= SIZE_MOST)) {
		fprintf(stderr, "dbleak: --%s takes a size such as 500M or 2G, not \"%s\"\n", name,
			text);
		return 2;
	}
	*out = (uint64_t)value;
	return -1;
}

static int selection(struct options *o, enum select_kind kind, const char *text)
{
	int err = select_add(&o->select, kind, text);

	if (!err)
		return -1;
	fprintf(stderr, "dbleak: cannot select \"%s\": %s\n", text,
		err == -EINVAL ? "not a name or number of that kind" : strerror(-err));
	return 2;
}

static int probe_at(struct options *o, const char *text)
{
	o->probe_at_entry = !strcmp(text, "entry");
	o->no_libraries = !strcmp(text, "none");
	if (o->probe_at_entry || o->no_libraries || !strcmp(text, "best"))
		return -1;
	fprintf(stderr,
		"dbleak: --probe-at takes \"best\" (cheap instructions), \"entry\" (the "
		"first of each function) or \"none\" (no client libraries), not \"%s\"\n",
		text);
	return 2;
}

static int heap(struct options *o, const char *text)
{
	static const char *const names[] = {[EV_TIER_OFF] = "off",
					    [EV_TIER_GROWTH] = "growth",
					    [EV_TIER_CLIENT] = "client",
					    [EV_TIER_FULL] = "full"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i], text)) {
			o->heap = i;
			return -1;
		}
	fprintf(stderr,
		"dbleak: --heap takes \"off\", \"growth\", \"client\" or \"full\", not \"%s\"\n",
		text);
	return 2;
}

static int heap_sample(struct options *o, const char *text)
{
	double bytes;
	int status = options_number("heap-sample", text, 0, HEAP_SAMPLE_MOST, &bytes);

	o->heap_sample = bytes < 1 ? 1 : bytes;
	return status;
}

static int library(struct options *o, const char *text)
{
	size_t size = (o->library.count + 1) * sizeof(*o->library.pattern);
	const char **more = *text ? realloc((void *)o->library.pattern, size) : NULL;

	if (!more) {
		fprintf(stderr, "dbleak: --library: %s\n",
			*text ? strerror(ENOMEM) : "the pattern is empty");
		return 2;
	}
	more[o->library.count++] = text;
	o->library.pattern = more;
	return -1;
}

/* Takes one option.  -1 to go on, or the status to exit with. */
static int options_take(struct options *o, int value, const char *usage)
{
	switch (value) {
	case 'p':
		return selection(o, SELECT_PID, optarg);
	case OPT_COMM:
		return selection(o, SELECT_COMM, optarg);
	case OPT_CGROUP:
		return selection(o, SELECT_CGROUP, optarg);
	case OPT_CONTAINER:
		return selection(o, SELECT_CONTAINER, optarg);
	case OPT_DURATION:
		return options_number("duration", optarg, 0.1, 1e7, &o->duration_s);
	case OPT_INTERVAL:
		return options_number("interval", optarg, 0.05, 3600, &o->interval_s);
	case OPT_MIN_AGE:
		return options_number("min-age", optarg, 0.1, 1e7, &o->min_age_s);
	case OPT_MAX_OVERHEAD:
		return options_number("max-overhead", optarg, 0.01, 100, &o->max_overhead);
	case OPT_MAX_MEMORY:
		return size("max-memory", optarg, &o->max_memory);
	case OPT_HEAP:
		return heap(o, optarg);
	case OPT_HEAP_SAMPLE:
		return heap_sample(o, optarg);
	case OPT_PROBE_AT:
		return probe_at(o, optarg);
	case OPT_NO_STACKS:
		o->no_stacks = true;
		return -1;
	case OPT_LIBRARY:
		return library(o, optarg);
	case 'o':
		o->output = optarg;
		return -1;
	case OPT_RECORD:
		o->record = optarg;
		return -1;
	case OPT_RECORD_LIMIT:
		return size("record-limit", optarg, &o->record_limit);
	case OPT_JSON:
		o->json = true;
		return -1;
	case 'v':
		o->verbose = true;
		return -1;
	case OPT_SHOW_LITERALS:
		o->show_literals = true;
		return -1;
	case OPT_USER:
		o->user = optarg;
		return -1;
	case OPT_SHOW_ARGUMENTS:
		o->show_arguments = true;
		return -1;
	case 'h':
		fputs(usage, stdout);
		return 0;
	default:
		return 2;
	}
}

static int options_refuse(const char *argument, int value, const char *usage)
{
	fprintf(stderr, "dbleak: %s \"%s\"\n%s",
		value == ':' ? "a value is missing after" : "no such option", argument, usage);
	return 2;
}

static size_t options_choose(struct option *out, unsigned int takes)
{
	size_t n = 0;

	for (size_t i = 0; i < OPTIONS; i++)
		if (table[i].group & takes)
			out[n++] = (struct option){table[i].name, table[i].has_argument, NULL,
						   table[i].value};
	out[n] = (struct option){};
	return n;
}

int options_parse(struct options *o, int argc, char **argv, unsigned int takes, const char *usage)
{
	struct option longs[OPTIONS + 1];
	char shorts[16];
	int value, status;

	*o = (struct options){.interval_s = 1,
			      .min_age_s = 10,
			      .max_overhead = 2,
			      .max_memory = MAX_MEMORY,
			      .heap = EV_TIER_GROWTH,
			      .heap_sample = HEAP_SAMPLE,
			      .record_limit = RECORD_LIMIT};
	options_choose(longs, takes);
	snprintf(shorts, sizeof(shorts), "%s:h%s%s%s", takes & OPTIONS_COMMAND ? "+" : "",
		 takes & OPTIONS_SELECT ? "p:" : "", takes & OPTIONS_OUTPUT ? "o:" : "",
		 takes & OPTIONS_REPORT ? "v" : "");
	optind = 1;
	opterr = 0; /* the words are ours */
	while ((value = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		status = value == '?' || value == ':'
				 ? options_refuse(argv[optind - 1], value, usage)
				 : options_take(o, value, usage);
		if (status >= 0)
			return status;
	}
	o->next = optind;
	return -1;
}

void options_free(struct options *o)
{
	select_free(&o->select);
	free((void *)o->library.pattern);
}
