/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * option_value.c - see option_value.h.
 */
#include "user/command/option_value.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "user/capture/dsn/dsn.h"
#include "user/command/baseline_file.h"
#include "user/command/nearest.h"
#include "user/serve/exporter.h"

#define SIZE_MOST 1e18

static void *field_of(const struct option_row *row, struct options *o)
{
	return (char *)o + row->field;
}

int value_flag(const struct option_row *row, struct options *o, const char *value)
{
	(void)value;
	*(bool *)field_of(row, o) = true;
	return -1;
}

int value_text(const struct option_row *row, struct options *o, const char *value)
{
	*(const char **)field_of(row, o) = value;
	return -1;
}

static int read_number(const struct option_row *row, const char *text, double *out)
{
	char *end;

	errno = 0;
	*out = strtod(text, &end);
	if (*text && !*end && !errno && isfinite(*out) && *out >= row->least && *out <= row->most)
		return -1;
	fprintf(stderr, "dbleak: --%s takes a number from %.10g to %.10g, not \"%s\"\n", row->name,
		row->least, row->most, text);
	return 2;
}

int value_number(const struct option_row *row, struct options *o, const char *value)
{
	return read_number(row, value, field_of(row, o));
}

static const struct time_unit {
	const char *name;
	double seconds;
} time_units[] = {{"ms", 0.001}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {NULL, 0}};

/* Seconds of 30, 1.5h or 1h30m; a number without a unit stands alone. */
static bool read_time(const char *text, double *out)
{
	const char *start = text;

	for (*out = 0; isdigit((unsigned char)*text) || *text == '.';) {
		const struct time_unit *u = time_units;
		char *end;
		double number = strtod(text, &end);

		while (u->name && strncmp(end, u->name, strlen(u->name)) != 0)
			u++;
		*out += number * (u->name ? u->seconds : 1);
		if (!u->name)
			return text == start && end > text && !*end;
		text = end + strlen(u->name);
	}
	return text > start && !*text;
}

int value_time(const struct option_row *row, struct options *o, const char *value)
{
	double *field = field_of(row, o), seconds;

	if (read_time(value, &seconds) && seconds >= row->least && seconds <= row->most) {
		*field = seconds;
		return -1;
	}
	fprintf(stderr, "dbleak: --%s takes %.10g to %.10g seconds (30, 30s, 5m, 1h), not \"%s\"\n",
		row->name, row->least, row->most, value);
	return 2;
}

/* Bytes, or K, M, G of 1024 times as many; MB and MiB are M. */
int value_size(const struct option_row *row, struct options *o, const char *value)
{
	static const char units[] = "KMG";
	const char *unit;
	char *end;
	double bytes = strtod(value, &end);
	unsigned int shift = 0;

	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit) {
		shift = 10 * (unsigned int)(unit - units + 1);
		end += strncasecmp(end + 1, "iB", 2) ? 1 : 2;
		end += toupper((unsigned char)*end) == 'B';
	}
	bytes *= (double)(1ULL << shift);
	if (end == value || *end || !(bytes >= 1 && bytes <= SIZE_MOST)) {
		fprintf(stderr, "dbleak: --%s takes a size such as 500M or 2G, not \"%s\"\n",
			row->name, value);
		return 2;
	}
	*(uint64_t *)field_of(row, o) = (uint64_t)bytes;
	return -1;
}

static int selection(const struct option_row *row, struct options *o, enum select_kind kind,
		     const char *text)
{
	int err = select_add(&o->select, kind, text);
	const char *why = kind == SELECT_PID ? "not a process id" : "not a name";

	if (!err)
		return -1;
	fprintf(stderr, "dbleak: --%s \"%s\": %s", row->name, text,
		err == -EINVAL ? why : strerror(-err));
	if (err == -EINVAL && kind == SELECT_PID && *text && !isdigit((unsigned char)*text))
		fprintf(stderr, "; did you mean --comm %s?", text);
	fputc('\n', stderr);
	return 2;
}

int value_pid(const struct option_row *row, struct options *o, const char *value)
{
	return selection(row, o, SELECT_PID, value);
}

/* The number of one process. */
int value_process(const struct option_row *row, struct options *o, const char *value)
{
	char *end;
	unsigned long pid = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || !pid || pid > UINT32_MAX) {
		fprintf(stderr, "dbleak: --%s takes the number of a process, not \"%s\"\n",
			row->name, value);
		return 2;
	}
	*(uint32_t *)field_of(row, o) = (uint32_t)pid;
	return -1;
}

int value_comm(const struct option_row *row, struct options *o, const char *value)
{
	return selection(row, o, SELECT_COMM, value);
}

int value_cgroup(const struct option_row *row, struct options *o, const char *value)
{
	return selection(row, o, SELECT_CGROUP, value);
}

int value_container(const struct option_row *row, struct options *o, const char *value)
{
	return selection(row, o, SELECT_CONTAINER, value);
}

int value_pod(const struct option_row *row, struct options *o, const char *value)
{
	return selection(row, o, SELECT_POD, value);
}

int value_namespace(const struct option_row *row, struct options *o, const char *value)
{
	return selection(row, o, SELECT_NAMESPACE, value);
}

/* The number of the value among the names; count: there is no such name, which is said. */
static size_t value_choose(const struct option_row *row, const char *const *names, size_t count,
			   const char *value)
{
	struct nearest near = nearest_begin(value, strlen(value));
	size_t i = 0;

	while (i < count && strcmp(names[i], value) != 0)
		nearest_try(&near, names[i++]);
	if (i < count)
		return i;
	fprintf(stderr, "dbleak: --%s takes ", row->name);
	for (size_t k = 0; k < count; k++)
		fprintf(stderr, "%s%s", !k ? "" : k + 1 < count ? ", " : " or ", names[k]);
	fprintf(stderr, ", not \"%s\"", value);
	if (near.name)
		fprintf(stderr, "; did you mean %s?", near.name);
	fputc('\n', stderr);
	return count;
}

int value_heap(const struct option_row *row, struct options *o, const char *value)
{
	static const char *const names[] = {[EV_TIER_OFF] = "off",
					    [EV_TIER_GROWTH] = "growth",
					    [EV_TIER_CLIENT] = "client",
					    [EV_TIER_FULL] = "full"};
	const size_t count = sizeof(names) / sizeof(names[0]);
	size_t tier = value_choose(row, names, count, value);

	if (tier == count)
		return 2;
	o->heap = (enum ev_tier)tier;
	return -1;
}

int value_heap_sample(const struct option_row *row, struct options *o, const char *value)
{
	double bytes;
	int status = read_number(row, value, &bytes);

	if (status < 0)
		o->heap_sample = bytes < 1 ? 1 : bytes;
	return status;
}

int value_probe_at(const struct option_row *row, struct options *o, const char *value)
{
	static const char *const names[] = {"best", "entry", "none"};
	size_t where = value_choose(row, names, 3, value);

	o->probe_at_entry = where == 1;
	o->no_libraries = where == 2;
	return where < 3 ? -1 : 2;
}

int value_fail_on(const struct option_row *row, struct options *o, const char *value)
{
	static const char *const names[] = {"big", "stuck", "leaking"};
	static const enum verdict verdicts[] = {VERDICT_BIG, VERDICT_STUCK, VERDICT_LEAKING};
	size_t lowest = value_choose(row, names, 3, value);

	if (lowest == 3)
		return 2;
	o->fail_on = verdicts[lowest];
	return -1;
}

int value_exitcode(const struct option_row *row, struct options *o, const char *value)
{
	char *end;
	unsigned long code = strtoul(value, &end, 10);

	if (isdigit((unsigned char)*value) && !*end && code <= 255) {
		o->error_exitcode = (int)code;
		return -1;
	}
	fprintf(stderr, "dbleak: --%s takes an exit status from 0 to 255, not \"%s\"\n", row->name,
		value);
	return 2;
}

/* Without TLS a collector is one of this node. */
int value_otlp(const struct option_row *row, struct options *o, const char *value)
{
	struct export_target target;

	switch (export_target_parse(&target, value)) {
	case EXPORT_URL_GOOD:
		o->otlp = value;
		return -1;
	case EXPORT_URL_HTTPS:
		fprintf(stderr,
			"dbleak: --%s has no TLS: https is not spoken\n"
			"run a collector on this node, at http://127.0.0.1:4318, which forwards "
			"with "
			"TLS\n",
			row->name);
		return 2;
	default:
		fprintf(stderr,
			"dbleak: --%s takes http://ADDRESS:PORT with an address in numbers or "
			"localhost, not \"%s\"\n",
			row->name, value);
		return 2;
	}
}

/* A URL shows in ps: what follows its scheme is overwritten there. */
int value_dsn(const struct option_row *row, struct options *o, const char *value)
{
	char url[DSN_LEN];
	const char *why;
	int err = dsn_read(value, url, &why);

	dsn_hide((char *)value);
	if (err) {
		fprintf(stderr, "dbleak: --%s: %s\n", row->name, why);
		return 2;
	}
	options_forget_dsn(o);
	o->dsn = strdup(url);
	explicit_bzero(url, sizeof(url));
	return o->dsn ? -1 : 2;
}

int value_shell(const struct option_row *row, struct options *o, const char *value)
{
	static const char *const names[] = {"bash", "zsh", "fish"};
	static const enum completion_shell shells[] = {COMPLETION_BASH, COMPLETION_ZSH,
						       COMPLETION_FISH, COMPLETION_NONE};

	o->completion = shells[value_choose(row, names, 3, value)];
	return o->completion ? -1 : 2;
}

int value_by(const struct option_row *row, struct options *o, const char *value)
{
	size_t by = value_choose(row, top_by_names, TOP_BYS, value);

	o->by = by < TOP_BYS ? (enum top_by)by : TOP_BY_PROCESS;
	return by < TOP_BYS ? -1 : 2;
}

int value_sort(const struct option_row *row, struct options *o, const char *value)
{
	size_t sort = value_choose(row, top_sort_names, TOP_SORTS, value);

	o->sort = sort < TOP_SORTS ? (enum top_sort)sort : TOP_SORT_URGENCY;
	return sort < TOP_SORTS ? -1 : 2;
}

int value_github(const struct option_row *row, struct options *o, const char *value)
{
	uint64_t random[2];

	(void)value;
	if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
		fprintf(stderr, "dbleak: --%s: there are no random numbers: %s\n", row->name,
			strerror(errno));
		return 2;
	}
	snprintf(o->github_word, sizeof(o->github_word), "%016llx%016llx",
		 (unsigned long long)random[0], (unsigned long long)random[1]);
	o->exports[EXPORT_GITHUB] = "-";
	return -1;
}

int value_baseline(const struct option_row *row, struct options *o, const char *value)
{
	(void)row;
	baseline_free(o->baseline);
	o->baseline = baseline_file_read(value);
	return o->baseline ? -1 : 2;
}

int value_library(const struct option_row *row, struct options *o, const char *value)
{
	size_t size = (o->library.count + 1) * sizeof(*o->library.pattern);
	const char **more = *value ? realloc((void *)o->library.pattern, size) : NULL;

	if (!more) {
		fprintf(stderr, "dbleak: --%s: %s\n", row->name,
			*value ? strerror(ENOMEM) : "the pattern is empty");
		return 2;
	}
	more[o->library.count++] = value;
	o->library.pattern = more;
	return -1;
}
