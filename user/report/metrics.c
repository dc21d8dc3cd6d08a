/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * metrics.c - see metrics.h.
 *
 * The two formats differ little: OpenMetrics names a counter without _total in its comments, tells
 * units, and ends with a line of its own.
 */
#include "user/report/metrics.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/report/metrics_fit.h"

static const char *const type_names[] = {
	[METRIC_GAUGE] = "gauge", [METRIC_COUNTER] = "counter", [METRIC_HISTOGRAM] = "histogram"};

static void print_header(FILE *out, enum metrics_format format, const struct metric_row *r)
{
	const char *ending = format == METRICS_PLAIN && r->type == METRIC_COUNTER ? "_total" : "";

	fprintf(out, "# HELP %s%s %s\n# TYPE %s%s %s\n", r->name, ending, r->help, r->name, ending,
		type_names[r->type]);
	if (format == METRICS_OPEN && r->unit)
		fprintf(out, "# UNIT %s %s\n", r->name, r->unit);
}

/* Whole numbers are the most, and need no floating point. */
static void print_value(FILE *out, double value)
{
	char digits[24], *at = digits + sizeof(digits);

	if (!(value >= 0 && value < 1e15 && value == (double)(uint64_t)value)) {
		fprintf(out, " %.15g\n", value);
		return;
	}
	*--at = '\0';
	*--at = '\n';
	for (uint64_t n = (uint64_t)value; at == digits + sizeof(digits) - 2 || n; n /= 10)
		*--at = (char)('0' + n % 10);
	*--at = ' ';
	fputs_unlocked(at, out);
}

static void print_sample(FILE *out, const struct metric_row *r, const char *labels, double value)
{
	const char *own = r->label ? r->label : "";

	fputs_unlocked(r->name, out);
	if (r->type == METRIC_COUNTER)
		fputs_unlocked("_total", out);
	if (r->part)
		fputs_unlocked(r->part, out);
	if (*labels || *own) {
		fputs_unlocked("{", out);
		fputs_unlocked(labels, out);
		fputs_unlocked(*labels && *own ? "," : "", out);
		fputs_unlocked(own, out);
		fputs_unlocked("}", out);
	}
	print_value(out, value);
}

/* Rows of one name share a header, which stands only above samples. */
static void print_list(FILE *out, enum metrics_format format, const struct metric_list *l)
{
	size_t count;
	const struct metric_row *rows = metric_rows(l->scope, &count);
	const char *headed = NULL;

	for (size_t r = 0; r < count; r++) {
		for (size_t i = 0; i < l->count; i++) {
			const struct metric_item *item = &l->items[i];

			if (isnan(item->value[r]))
				continue;
			if (!headed || strcmp(headed, rows[r].name) != 0)
				print_header(out, format, &rows[r]);
			headed = rows[r].name;
			print_sample(out, &rows[r],
				     rows[r].semantic && item->semantic ? item->semantic
									: item->labels,
				     item->value[r]);
		}
	}
}

static void print_alone(FILE *out, enum metrics_format format, const struct metric_row *r,
			const char *labels, double value)
{
	print_header(out, format, r);
	print_sample(out, r, labels, value);
}

/* About the exposition itself; series counts what stands above. */
static void print_about(FILE *out, enum metrics_format format, const struct report_view *v,
			size_t series, size_t dropped)
{
	static const struct metric_row build = {"dbleak_build_info", NULL, "Version of dbleak.",
						.of = NULL};
	static const struct metric_row shown = {
		"dbleak_series", NULL, "Series of clients in this exposition.", .of = NULL};
	static const struct metric_row others = {"dbleak_series_dropped", NULL,
						 "Series that are only part of a sum, \"other\".",
						 .of = NULL};
	const char *version = v->version ? v->version : "?";
	char text[256], label[sizeof(text) + 16];

	/* A version holds no quote and no backslash once it is a number with dots. */
	escape_fit(text, sizeof(text), version, strcspn(version, "\"\\"), 60, ESCAPE_CUT_END);
	snprintf(label, sizeof(label), "version=\"%.200s\"", text);
	print_alone(out, format, &build, label, 1);
	print_alone(out, format, &shown, "", (double)series);
	print_alone(out, format, &others, "", (double)dropped);
}

static int print_self(FILE *out, enum metrics_format format, const struct report_view *v)
{
	struct metric_list self = {.scope = METRIC_SELF};
	const struct metric_source source = {.view = v};

	if (!metric_list_add(&self, "", NULL, &source))
		return -ENOMEM;
	print_list(out, format, &self);
	metric_list_free(&self);
	return 0;
}

int report_metrics(FILE *out, const struct report_view *v, enum metrics_format format,
		   struct metrics_totals *totals)
{
	struct metrics_fit fit;
	size_t series = 0;
	int err = metrics_fit(&fit, v, totals);

	if (!err)
		err = print_self(out, format, v);
	for (int s = METRIC_CLIENT; s < METRIC_SCOPES && !err; s++) {
		series += metric_list_series(&fit.lists[s]);
		print_list(out, format, &fit.lists[s]);
	}
	if (!err) {
		print_about(out, format, v, series, fit.dropped);
		if (format == METRICS_OPEN)
			fputs("# EOF\n", out);
		errno = 0;
		if (fflush(out) || ferror(out))
			err = errno ? -errno : -EIO;
	}
	metrics_fit_free(&fit);
	return err;
}
