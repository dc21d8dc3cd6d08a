/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * junit.c - the leaks as test results, in the XML that CI reads of every test tool; see ci.h.
 *
 * A leak is a case that failed, in the test that it was found in where one stands on the stack.
 * What the baseline knows was skipped.  Without leaks one case passes.  Names of cases stay the
 * same from run to run: they hold no number and no line.
 */
#include "user/report/ci.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "user/base/escape.h"
#include "user/report/ci_words.h"

#define SUITE "dbleak"

/* Text for an attribute or an element.  escape_next leaves no control character, which XML 1.0 has
 * no way to write, and only characters that it allows. */
static void xml_text(FILE *out, const char *text)
{
	static const struct {
		char c;
		const char *entity;
	} entities[] = {
		{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&apos;"}};
	struct escape_unit unit;

	for (size_t left = strlen(text); left;) {
		size_t used = escape_next(&unit, text, left), i = 0;

		while (i < sizeof(entities) / sizeof(*entities) && entities[i].c != *unit.text)
			i++;
		fputs(i < sizeof(entities) / sizeof(*entities) ? entities[i].entity : unit.text,
		      out);
		text += used;
		left -= used;
	}
}

static void xml_attribute(FILE *out, const char *name, const char *value)
{
	fprintf(out, " %s=\"", name);
	xml_text(out, value);
	fputc('"', out);
}

/* "test_orders.py" and "test_pay: unclosed-connection in report.py monthly" */
static void junit_names(struct words *class, struct words *name, const struct leak *l)
{
	const struct finding_view *f = l->finding;
	const struct frame_view *at = f->site;
	const char *test = f->test ? strstr(f->test, "::") : NULL;
	const char *file = at && at->file ? at->file : at && at->module ? at->module : NULL;
	const char *slash = file ? strrchr(file, '/') : NULL;

	if (test)
		words_add(class, "%.*s", (int)(test - f->test), f->test);
	else
		words_add(class, "%s", f->test ? f->test : SUITE);
	if (test)
		words_add(name, "%s: ", test + 2);
	words_add(name, "%s", cause_name(f->cause));
	if (file)
		words_add(name, " in %s", slash ? slash + 1 : file);
	if (at && at->function)
		words_add(name, " %s", at->function);
	if (!at && l->process->comm)
		words_add(name, " of %s", l->process->comm);
}

static void junit_failure(FILE *out, const struct leak *l)
{
	struct words headline = {0}, rule = {0};
	struct ci_message message;

	words_leak(&headline, l);
	words_rule(&rule, l->finding->cause);
	ci_message(&message, l);
	fputs("<failure", out);
	xml_attribute(out, "type", rule.text);
	xml_attribute(out, "message", headline.text);
	fputc('>', out);
	for (size_t i = 0; i < message.count; i++) {
		xml_text(out, message.lines[i].text);
		fputc('\n', out);
	}
	fputs("fingerprint: ", out);
	xml_text(out, l->finding->fingerprint);
	fputs("</failure>", out);
}

static bool is_skipped(const struct leak *l, const struct ci_options *o)
{
	return l->finding->known || l->sum.verdict < o->fail_on;
}

/* The finding, and why it is no failure. */
static void junit_skipped(FILE *out, const struct leak *l)
{
	struct words w = {0};

	words_leak(&w, l);
	if (l->finding->known)
		words_add(&w, "; known: the baseline has it");
	else
		words_add(&w, "; --fail-on %s makes it a failure", verdict_name(l->sum.verdict));
	fputs("<skipped", out);
	xml_attribute(out, "message", w.text);
	fputs("/>", out);
}

static void junit_case(FILE *out, const struct leak *l, const struct ci_options *o)
{
	const struct frame_view *f = leak_frame(l);
	struct words class = {0}, name = {0};

	junit_names(&class, &name, l);
	fputs("  <testcase", out);
	xml_attribute(out, "classname", class.text);
	xml_attribute(out, "name", name.text);
	fputs(" time=\"0\"", out);
	if (f)
		xml_attribute(out, "file", ci_path(f, o->root));
	if (f && f->line)
		fprintf(out, " line=\"%" PRIu32 "\"", f->line);
	fputc('>', out);
	if (is_skipped(l, o))
		junit_skipped(out, l);
	else
		junit_failure(out, l);
	fputs("</testcase>\n", out);
}

static size_t count_skipped(const struct leak *leaks, size_t count, const struct ci_options *o)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += is_skipped(&leaks[i], o);
	return n;
}

static void junit_suite(FILE *out, const struct report_view *v, const struct leak *leaks,
			size_t count, const struct ci_options *o)
{
	time_t start = (time_t)(v->start_realtime_ns / 1000000000);
	size_t skipped = count_skipped(leaks, count, o);
	char text[32];
	struct tm tm;

	fprintf(out,
		"<testsuite name=\"" SUITE "\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" "
		"skipped=\"%zu\" time=\"%.3f\"",
		count ? count : 1, count - skipped, skipped,
		isfinite(v->seconds) && v->seconds > 0 ? v->seconds : 0);
	if (v->start_realtime_ns && gmtime_r(&start, &tm) &&
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm))
		xml_attribute(out, "timestamp", text);
	if (v->host_name)
		xml_attribute(out, "hostname", v->host_name);
	fputs(">\n", out);
	for (size_t i = 0; i < count; i++)
		junit_case(out, &leaks[i], o);
	if (!count)
		fprintf(out, "  <testcase classname=\"" SUITE "\" name=\"%s\" time=\"0\"/>\n",
			v->process_count || v->forgotten_processes ? "no leak seen"
								   : "no database client seen");
	if (v->cut)
		fputs("  <system-err>the recording was cut, and what came after is not in this "
		      "report</system-err>\n",
		      out);
	fputs("</testsuite>\n", out);
}

int report_junit(FILE *out, const struct report_view *v, const struct ci_options *o)
{
	size_t count;
	struct leak *leaks = leaks_list(v, &count);

	if (!leaks)
		return -ENOMEM;
	errno = 0;
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"" SUITE "\">\n", out);
	junit_suite(out, v, leaks, count, o);
	fputs("</testsuites>\n", out);
	free(leaks);
	return ferror(out) ? (errno ? -errno : -EIO) : 0;
}
