/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * baseline.c - see baseline.h.
 */
#include "user/judge/baseline.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/judge/view_owner.h"

#define DIGITS	  16
#define BLANKS	  " \t\r\f\v"
#define NO_MEMORY "there is no memory for it"

struct baseline {
	uint64_t *all; /* in their order, each once */
	size_t count, room;
};

void baseline_free(struct baseline *b)
{
	if (!b)
		return;
	free(b->all);
	free(b);
}

static bool read_digits(const char *text, size_t length, uint64_t *out)
{
	uint64_t value = 0;

	if (length != DIGITS)
		return false;
	for (size_t i = 0; i < DIGITS; i++) {
		const char *digits = "0123456789abcdef", *at = strchr(digits, text[i]);

		if (!text[i] || !at)
			return false;
		value = value << 4 | (uint64_t)(at - digits);
	}
	*out = value;
	return true;
}

static bool baseline_add(struct baseline *b, uint64_t fingerprint)
{
	if (b->count == b->room) {
		size_t room = b->room ? 2 * b->room : 64;
		uint64_t *all = realloc(b->all, room * sizeof(*all));

		if (!all)
			return false;
		b->all = all;
		b->room = room;
	}
	b->all[b->count++] = fingerprint;
	return true;
}

/* Of a line; false: it has none. */
static bool read_line(const char *line, size_t length, uint64_t *out)
{
	while (length) {
		size_t word = 0;

		while (word < length && !strchr(BLANKS, line[word]))
			word++;
		if (read_digits(line, word, out))
			return true;
		word += word < length;
		line += word;
		length -= word;
	}
	return false;
}

static bool is_blank(const char *line, size_t length)
{
	size_t i = 0;

	while (i < length && line[i] && strchr(BLANKS, line[i]))
		i++;
	return i == length || line[i] == '#';
}

static const char *read_text(struct baseline *b, const char *bytes, size_t length, size_t *number)
{
	for (*number = 1; length; ++*number) {
		const char *end = memchr(bytes, '\n', length);
		size_t line = end ? (size_t)(end - bytes) : length;
		uint64_t fingerprint;

		if (!is_blank(bytes, line)) {
			if (!read_line(bytes, line, &fingerprint))
				return "it is neither a report (dbleak report --json) nor a list "
				       "of fingerprints";
			if (!baseline_add(b, fingerprint))
				return NO_MEMORY;
		}
		line += end != NULL;
		bytes += line;
		length -= line;
	}
	*number = 0;
	return NULL;
}

static const char *read_findings(struct baseline *b, const json_t *findings)
{
	const json_t *finding;
	size_t i;

	json_array_foreach(findings, i, finding)
	{
		const char *text = json_string_value(json_object_get(finding, "fingerprint"));
		uint64_t fingerprint;

		if (!text || !read_digits(text, strlen(text), &fingerprint))
			return "a finding in it has no fingerprint";
		if (!baseline_add(b, fingerprint))
			return NO_MEMORY;
	}
	return NULL;
}

static const char *read_report(struct baseline *b, const json_t *report)
{
	const char *schema = json_string_value(json_object_get(report, "schema")), *why = NULL;
	const json_t *processes = json_object_get(report, "processes"), *process;
	size_t i;

	if (!schema || strcmp(schema, "dbleak.report/1") != 0 || !json_is_array(processes))
		return "it is JSON, but no report of dbleak (dbleak.report/1)";
	json_array_foreach(processes, i, process)
	{
		if (!why)
			why = read_findings(b, json_object_get(process, "findings"));
	}
	return why;
}

static const char *read_json(struct baseline *b, const char *bytes, size_t length, size_t *line)
{
	json_error_t error;
	json_t *report = json_loadb(bytes, length, 0, &error);
	const char *why;

	if (!report) {
		*line = error.line > 0 ? (size_t)error.line : 0;
		return "it is cut, or not JSON";
	}
	why = read_report(b, report);
	json_decref(report);
	return why;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void baseline_sort(struct baseline *b)
{
	size_t n = 0;

	if (b->count)
		qsort(b->all, b->count, sizeof(*b->all), by_number);
	for (size_t i = 0; i < b->count; i++)
		if (!n || b->all[n - 1] != b->all[i])
			b->all[n++] = b->all[i];
	b->count = n;
}

struct baseline *baseline_read(const char *bytes, size_t length, const char **why, size_t *line)
{
	struct baseline *b = calloc(1, sizeof(*b));
	size_t blank = 0;

	*line = 0;
	while (blank < length && bytes[blank] && strchr(BLANKS "\n", bytes[blank]))
		blank++;
	if (!b)
		*why = NO_MEMORY;
	else if (length > BASELINE_BYTES_MOST)
		*why = "it is larger than 16 MiB";
	else if (blank < length && bytes[blank] == '{')
		*why = read_json(b, bytes, length, line);
	else
		*why = read_text(b, bytes, length, line);
	if (!*why) {
		baseline_sort(b);
		return b;
	}
	baseline_free(b);
	return NULL;
}

static const uint64_t *find_known(const struct baseline *b, const struct finding_view *f)
{
	uint64_t fingerprint;

	if (!b->count || !read_digits(f->fingerprint, strlen(f->fingerprint), &fingerprint))
		return NULL;
	return bsearch(&fingerprint, b->all, b->count, sizeof(*b->all), by_number);
}

/* What is part of a known leak is known, too. */
static void mark_finding(const struct baseline *b, bool *seen, struct baseline_view *v,
			 struct finding_view *f)
{
	const uint64_t *own = find_known(b, f),
		       *whole = f->part_of ? find_known(b, f->part_of) : NULL;

	f->known = own || whole;
	if (own)
		seen[own - b->all] = true;
	if (!f->part_of)
		*(f->known ? &v->known : &v->fresh) += 1;
}

/* Names the fingerprints that no finding has any more. */
static int list_gone(const struct baseline *b, const bool *seen, struct arena *a,
		     struct baseline_view *v)
{
	const char **gone = arena_alloc(a, (b->count + 1) * sizeof(*gone));

	if (!gone)
		return -ENOMEM;
	for (size_t i = 0; i < b->count; i++) {
		if (seen[i])
			continue;
		gone[v->gone_count] = arena_format(a, "%016" PRIx64, b->all[i]);
		if (!gone[v->gone_count++])
			return -ENOMEM;
	}
	v->gone = gone;
	return 0;
}

int baseline_mark(const struct baseline *b, struct report_view *v)
{
	bool *seen = b ? calloc(b->count + 1, sizeof(*seen)) : NULL;
	int err;

	if (!b)
		return 0;
	if (!seen)
		return -ENOMEM;
	v->baseline.given = true;
	for (size_t i = 0; i < v->process_count; i++)
		for (size_t k = 0; k < v->processes[i].finding_count; k++)
			mark_finding(b, seen, &v->baseline, &v->processes[i].findings[k]);
	err = list_gone(b, seen, ((struct view_owner *)v)->arena, &v->baseline);
	free(seen);
	return err;
}
