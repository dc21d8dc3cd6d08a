/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_ci.c - the leaks for CI and for scripts: SARIF, JUnit, GitHub, one line each.
 */
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/support/sample_view.h"
#include "user/report/brief.h"
#include "user/report/ci.h"
#include "user/report/leaks.h"

#define WORKERS 16

static struct finding_view leak;
static struct frame_view frames[2];
static struct process_view app;
static struct report_view report;
static struct ci_options options;

static int setup(void **state)
{
	(void)state;
	leak = sample_finding();
	strcpy(leak.fingerprint, "0123456789abcdef");
	sample_site(&leak, frames);
	app = sample_process(4711, VERDICT_LEAKING, NULL, &leak);
	report = sample_view(&app, 1);
	options = (struct ci_options){.root = "/srv/shop", .fail_on = VERDICT_STUCK};
	return 0;
}

typedef int writer(FILE *out, const struct report_view *v, const struct ci_options *o);

static int brief_writer(FILE *out, const struct report_view *v, const struct ci_options *o)
{
	(void)o;
	return report_brief(out, v);
}

/* What is written; the caller frees it. */
static char *written(writer *write)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(write(out, &report, &options), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void expect_in(writer *write, const char *words)
{
	char *text = written(write);

	if (!strstr(text, words))
		fail_msg("\"%s\" is not in %s", words, text);
	free(text);
}

static void expect_not_in(writer *write, const char *words)
{
	char *text = written(write);

	if (strstr(text, words))
		fail_msg("\"%s\" is in %s", words, text);
	free(text);
}

static void each_names_the_line_the_rule_and_the_test(void **state)
{
	(void)state;
	leak.test = "test_report.py::test_monthly";
	expect_in(report_github,
		  "::error file=app/report.py,line=42,title=12 connections leaked%2C "
		  "all inside an open transaction::12 connections leaked, all");
	expect_in(report_github, "%0ATest: test_report.py::test_monthly%0A");
	expect_in(report_junit, "<testcase classname=\"test_report.py\" name=\"test_monthly: "
				"unclosed-connection in report.py monthly\" time=\"0\" "
				"file=\"app/report.py\" line=\"42\"><failure "
				"type=\"dbleak/unclosed-connection\"");
	expect_in(report_junit, "tests=\"1\" failures=\"1\" errors=\"0\" skipped=\"0\"");
	expect_in(report_sarif, "\"ruleId\": \"dbleak/unclosed-connection\"");
	expect_in(report_sarif, "\"uri\": \"app/report.py\"");
	expect_in(report_sarif, "\"dbleak/v1\": \"0123456789abcdef\"");
	expect_in(report_sarif, "\"test\": \"test_report.py::test_monthly\"");
	expect_in(brief_writer,
		  "leaking\t12\tconnections\tpython3[4711]\t/srv/shop/app/report.py:42 "
		  "monthly()\t2023-11-14T22:13:19Z\t0123456789abcdef\n");
}

static void what_lies_elsewhere_has_its_whole_path(void **state)
{
	(void)state;
	options.root = "/srv/sho";
	expect_in(report_github, "file=/srv/shop/app/report.py,");
	expect_in(report_sarif, "\"uri\": \"file:///srv/shop/app/report.py\"");
	options.root = NULL;
	expect_in(report_sarif, "\"originalUriBaseIds\": {}");
	frames[1].file = "/srv/shop/../etc/x";
	options.root = "/srv/shop";
	expect_in(report_sarif, "\"uri\": \"file:///srv/shop/../etc/x\"");
}

static void a_leak_of_many_processes_is_told_once(void **state)
{
	struct finding_view findings[WORKERS];
	struct process_view processes[WORKERS];
	struct leak *leaks;
	size_t count;

	(void)state;
	for (size_t i = 0; i < WORKERS; i++) {
		findings[i] = leak;
		processes[i] = sample_process(100 + (uint32_t)i, VERDICT_LEAKING, NULL,
					      &findings[i]);
	}
	report = sample_view(processes, WORKERS);
	leaks = leaks_list(&report, &count);
	assert_non_null(leaks);
	assert_int_equal(count, 1);
	assert_int_equal(leaks[0].processes, WORKERS);
	assert_int_equal(leaks[0].sum.open, WORKERS * 12);
	free(leaks);
	expect_in(report_github, "192 connections leaked, all inside an open transaction, in 16 "
				 "processes");
}

static size_t lines_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void github_is_told_the_worst_ten(void **state)
{
	struct finding_view findings[WORKERS];
	char *text;

	(void)state;
	for (size_t i = 0; i < WORKERS; i++) {
		findings[i] = leak;
		findings[i].order = i;
		snprintf(findings[i].fingerprint, sizeof(findings[i].fingerprint), "%016zx", i);
	}
	findings[WORKERS - 1].confidence = CONFIDENCE_POSSIBLE;
	app.findings = findings;
	app.finding_count = WORKERS;
	text = written(report_github);
	assert_int_equal(lines_of(text), 10);
	assert_null(strstr(text, "::warning"));
	free(text);
	text = written(brief_writer);
	assert_int_equal(lines_of(text), WORKERS);
	free(text);
}

static void what_is_known_is_marked_by_each(void **state)
{
	char *text;

	(void)state;
	report.baseline = (struct baseline_view){.given = true, .known = 1};
	leak.known = true;
	text = written(report_github);
	assert_string_equal(text, "");
	free(text);
	expect_in(report_junit, "failures=\"0\" errors=\"0\" skipped=\"1\"");
	expect_in(report_junit, "; known: the baseline has it\"/>");
	expect_in(report_sarif, "\"baselineState\": \"unchanged\"");
	expect_in(brief_writer, "\t0123456789abcdef\tknown\n");
	leak.known = false;
	expect_in(report_sarif, "\"baselineState\": \"new\"");
	expect_in(brief_writer, "\t0123456789abcdef\tnew\n");
	report.baseline.given = false;
	expect_not_in(report_sarif, "baselineState");
}

static void what_does_not_fail_is_no_failed_test(void **state)
{
	(void)state;
	leak.verdict = VERDICT_BIG;
	expect_in(report_junit, "skipped=\"1\"");
	expect_in(report_junit, "<skipped message=\"12 connections leaked, all inside an open "
				"transaction; --fail-on big makes it a failure\"/>");
	expect_in(report_sarif, "\"level\": \"note\"");
	expect_in(report_github, "::notice file=");
	leak.verdict = VERDICT_STUCK;
	expect_in(report_junit, "failures=\"1\"");
	expect_in(report_sarif, "\"level\": \"warning\"");
	options.fail_on = VERDICT_LEAKING;
	expect_in(report_junit, "skipped=\"1\"");
}

static void without_a_leak_each_says_so(void **state)
{
	char *text;

	(void)state;
	report = sample_view(NULL, 0);
	expect_in(report_junit,
		  "<testcase classname=\"dbleak\" name=\"no database client seen\" time=\"0\"/>");
	report.forgotten_processes = 1;
	expect_in(report_junit,
		  "<testcase classname=\"dbleak\" name=\"no leak seen\" time=\"0\"/>");
	expect_in(report_sarif, "\"results\": []");
	text = written(report_github);
	assert_string_equal(text, "");
	free(text);
	text = written(brief_writer);
	assert_string_equal(text, "");
	free(text);
	report.cut = true;
	expect_in(report_sarif, "\"executionSuccessful\": false");
	expect_in(report_junit, "<system-err>the recording was cut");
}

#define HOSTILE \
	"\n::set-env name=A::b\r\x1b[31m\t\xe2\x80\xae%0A</failure>]]>&\"'[x](http://a)\x01\xff"

static void make_hostile(void)
{
	app.comm = app.cmdline = HOSTILE;
	leak.test = leak.advice = HOSTILE;
	leak.endpoint = HOSTILE;
	frames[1].file = "/srv/shop/a,b:c%0A\n::error::x.py";
	frames[1].function = HOSTILE;
	app.runtime = "docker";
	app.container_name = HOSTILE;
	report.host_name = report.version = HOSTILE;
}

static void hostile_names_give_github_no_command(void **state)
{
	char *text;

	(void)state;
	make_hostile();
	text = written(report_github);
	assert_int_equal(lines_of(text), 1);
	assert_int_equal(
		strncmp(text, "::error file=a%2Cb%3Ac%250A\\x0a%3A%3Aerror%3A%3Ax.py,line=42,", 58),
		0);
	for (const char *c = text; *c; c++)
		assert_true(*c == '\n' || (unsigned char)*c >= ' ');
	assert_null(strstr(text, "\xe2\x80\xae"));
	free(text);
}

static void hostile_names_leave_xml_whole(void **state)
{
	size_t open = 0, close = 0;
	char *text;

	(void)state;
	make_hostile();
	text = written(report_junit);
	for (const char *c = text; *c; c++) {
		assert_true(*c == '\n' || (unsigned char)*c >= ' ');
		open += *c == '<';
		close += *c == '>';
	}
	assert_int_equal(open, close);
	assert_int_equal(open, 9); /* elements, their ends, and the head */
	assert_null(strstr(text, "&\""));
	free(text);
}

static void hostile_names_are_only_texts_in_sarif(void **state)
{
	json_t *root, *result;
	json_error_t error;
	char *text;

	(void)state;
	make_hostile();
	text = written(report_sarif);
	for (const char *c = text; *c; c++)
		assert_true(*c == '\n' || (*c >= ' ' && *c < 0x7f));
	assert_null(strstr(text, "](http"));
	root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	assert_non_null(root);
	result = json_array_get(
		json_object_get(json_array_get(json_object_get(root, "runs"), 0), "results"), 0);
	assert_string_equal(
		json_string_value(json_object_get(
			json_object_get(
				json_object_get(
					json_array_get(json_object_get(result, "locations"), 0),
					"physicalLocation"),
				"artifactLocation"),
			"uri")),
		"a%2Cb%3Ac%250A%0A%3A%3Aerror%3A%3Ax.py");
	json_decref(root);
	free(text);
}

static void hostile_names_make_no_field_and_no_line(void **state)
{
	char *text;
	size_t tabs = 0;

	(void)state;
	make_hostile();
	text = written(brief_writer);
	for (const char *c = text; *c; c++)
		tabs += *c == '\t';
	assert_int_equal(lines_of(text), 1);
	assert_int_equal(tabs, 6);
	free(text);
}

/* What the only result has at that key, as one line. */
static char *of_result(const char *key)
{
	char *text = written(report_sarif), *part;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	json_t *results = json_object_get(json_array_get(json_object_get(root, "runs"), 0),
					  "results");

	assert_int_equal(json_array_size(results), 1);
	part = json_dumps(json_object_get(json_array_get(results, 0), key),
			  JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(root);
	free(text);
	return part;
}

#define FUNCTION(name) \
	"{\"logicalLocations\":[{\"fullyQualifiedName\":\"" name "\",\"kind\":\"function\"}]"

static void sarif_leads_from_the_outermost_call_to_the_line(void **state)
{
	struct frame_view way[4] = {frames[0],
				    frames[1],
				    {.function = "no file", .line = 9},
				    {.function = "main", .file = "/srv/shop/run.py", .line = 3}};
	char *flow;

	(void)state;
	leak.stack = way;
	leak.stack_count = COUNT(way);
	leak.site = &way[1];
	flow = of_result("codeFlows");
	assert_string_equal(
		flow,
		"[{\"threadFlows\":[{\"locations\":["
		"{\"location\":" FUNCTION(
			"main") ",\"physicalLocation\":{\"artifactLocation\":{"
				"\"uri\":\"run.py\",\"uriBaseId\":\"SRCROOT\"},\"region\":{"
				"\"startLine\":3}},"
				"\"message\":{\"text\":\"main\"}},\"nestingLevel\":0,"
				"\"executionOrder\":1,"
				"\"importance\":\"important\"},"
				"{\"location\":" FUNCTION(
					"monthly") ",\"physicalLocation\":{\"artifactLocation\":{"
						   "\"uri\":\"app/"
						   "report.py\",\"uriBaseId\":\"SRCROOT\"},"
						   "\"region\":{\"startLine\":42}},"
						   "\"message\":{\"text\":\"A database connection "
						   "is opened and never closed.\"}},"
						   "\"nestingLevel\":1,\"executionOrder\":2,"
						   "\"importance\":\"essential\"},"
						   "{\"location\":" FUNCTION(
							   "connect") ",\"physicalLocation\":{"
								      "\"artifactLocation\":{"
								      "\"uri\":\"file:///usr/lib/"
								      "python3/dist-packages/"
								      "psycopg2/__init__.py\"},"
								      "\"region\":{\"startLine\":"
								      "122}},\"message\":{\"text\":"
								      "\"connect\"}},"
								      "\"nestingLevel\":2,"
								      "\"executionOrder\":3,"
								      "\"importance\":"
								      "\"unimportant\"}]}]}]");
	free(flow);
}

static void sarif_tells_where_those_are_who_have_it_and_wait_for_it(void **state)
{
	static const struct frame_view at[] = {{.function = "recv"}, {.function = "charge"}};
	char *stacks;

	(void)state;
	leak.stack_count = 0;
	stacks = of_result("stacks");
	assert_string_equal(stacks ? stacks : "", "");
	leak.holder.stack = at;
	leak.holder.stack_count = 2;
	leak.waiters.stack = at;
	leak.waiters.stack_count = 1;
	stacks = of_result("stacks");
	assert_string_equal(
		stacks,
		"[{\"message\":{\"text\":\"where the first one waits for it now\"},\"frames\":["
		"{\"location\":" FUNCTION(
			"recv") "}}]},"
				"{\"message\":{\"text\":\"where the thread is now that used the "
				"oldest one last\"},"
				"\"frames\":[{\"location\":" FUNCTION(
					"recv") "}},{\"location\":" FUNCTION("charge") "}}]}]");
	free(stacks);
	stacks = of_result("codeFlows");
	assert_string_equal(stacks ? stacks : "", "");
}

static void unknown_lines_have_no_place(void **state)
{
	(void)state;
	leak.site = NULL;
	leak.stack = NULL;
	leak.stack_count = 0;
	expect_in(report_github, "::error title=12 connections");
	expect_in(report_junit, "name=\"unclosed-connection of python3\" time=\"0\"><failure");
	expect_in(report_sarif, "\"locations\": []");
	expect_not_in(report_sarif, "\"stacks\"");
	expect_in(brief_writer, "\tunknown\t");
}

static void each_tells_of_a_full_disk(void **state)
{
	writer *const writers[] = {report_sarif, report_junit, report_github, brief_writer};
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	setvbuf(full, NULL, _IONBF, 0);
	for (size_t i = 0; i < COUNT(writers); i++) {
		clearerr(full);
		assert_int_equal(writers[i](full, &report, &options), -ENOSPC);
	}
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_names_the_line_the_rule_and_the_test, setup),
		cmocka_unit_test_setup(what_lies_elsewhere_has_its_whole_path, setup),
		cmocka_unit_test_setup(a_leak_of_many_processes_is_told_once, setup),
		cmocka_unit_test_setup(github_is_told_the_worst_ten, setup),
		cmocka_unit_test_setup(what_is_known_is_marked_by_each, setup),
		cmocka_unit_test_setup(what_does_not_fail_is_no_failed_test, setup),
		cmocka_unit_test_setup(without_a_leak_each_says_so, setup),
		cmocka_unit_test_setup(hostile_names_give_github_no_command, setup),
		cmocka_unit_test_setup(hostile_names_leave_xml_whole, setup),
		cmocka_unit_test_setup(hostile_names_are_only_texts_in_sarif, setup),
		cmocka_unit_test_setup(hostile_names_make_no_field_and_no_line, setup),
		cmocka_unit_test_setup(sarif_leads_from_the_outermost_call_to_the_line, setup),
		cmocka_unit_test_setup(sarif_tells_where_those_are_who_have_it_and_wait_for_it,
				       setup),
		cmocka_unit_test_setup(unknown_lines_have_no_place, setup),
		cmocka_unit_test_setup(each_tells_of_a_full_disk, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
