/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * option_value.c - see option_value.h.
 */
#include "user/command/option_value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	fprintf(stderr, "dbleak: --%s takes a number from %g to %g, not \"%s\"\n", row->name,
		row->least, row->most, text);
	return 2;
}

int value_number(const struct option_row *row, struct options *o, const char *value)
{
	return read_number(row, value, field_of(row, o));
}

/* Bytes, or K, M, G of 1024 of them. */
int value_size(const struct option_row *row, struct options *o, const char *value)
{
	static const char units[] = "KMG";
	const char *unit;
	char *end;
	double bytes = strtod(value, &end);
	unsigned int shift = 0;

	unit = *end ? strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end) : NULL;
	if (unit) {
		shift = 10 * (unsigned int)(unit - units + 1);
		end++;
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

static int selection(struct options *o, enum select_kind kind, const char *text)
{
	int err = select_add(&o->select, kind, text);

	if (!err)
		return -1;
	fprintf(stderr, "dbleak: cannot select \"%s\": %s\n", text,
		err == -EINVAL ? "not a name or number of that kind" : strerror(-err));
	return 2;
}

int value_pid(const struct option_row *row, struct options *o, const char *value)
{
	(void)row;
	return selection(o, SELECT_PID, value);
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
	(void)row;
	return selection(o, SELECT_COMM, value);
}

int value_cgroup(const struct option_row *row, struct options *o, const char *value)
{
	(void)row;
	return selection(o, SELECT_CGROUP, value);
}

int value_container(const struct option_row *row, struct options *o, const char *value)
{
	(void)row;
	return selection(o, SELECT_CONTAINER, value);
}

int value_heap(const struct option_row *row, struct options *o, const char *value)
{
	static const char *const names[] = {[EV_TIER_OFF] = "off",
					    [EV_TIER_GROWTH] = "growth",
					    [EV_TIER_CLIENT] = "client",
					    [EV_TIER_FULL] = "full"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i], value)) {
			o->heap = i;
			return -1;
		}
	fprintf(stderr,
		"dbleak: --%s takes \"off\", \"growth\", \"client\" or \"full\", not \"%s\"\n",
		row->name, value);
	return 2;
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
	o->probe_at_entry = !strcmp(value, "entry");
	o->no_libraries = !strcmp(value, "none");
	if (o->probe_at_entry || o->no_libraries || !strcmp(value, "best"))
		return -1;
	fprintf(stderr,
		"dbleak: --%s takes \"best\" (cheap instructions), \"entry\" (the first of each "
		"function) or \"none\" (no client libraries), not \"%s\"\n",
		row->name, value);
	return 2;
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
