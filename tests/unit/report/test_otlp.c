/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_otlp.c - findings as log records: what OTLP wants of its JSON.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <jansson.h>

#include "user/report/otlp.h"
#include "tests/unit/support/sample_view.h"

static struct endpoint_view endpoint;
static struct finding_view findings[1];
static struct frame_view frames[2];
static struct process_view process;
static struct report_view view;

static int leak(void **state)
{
	(void)state;
	endpoint = sample_endpoint(12);
	findings[0] = sample_finding();
	snprintf(findings[0].fingerprint, sizeof(findings[0].fingerprint), "00000000000000aa");
	sample_site(&findings[0], frames);
	process = sample_process(812, VERDICT_LEAKING, &endpoint, findings);
	process.start_realtime_ns = 5;
	view = sample_view(&process, 1);
	view.version = "0.1.0";
	view.host_name = "db\"host";
	return 0;
}

/* --- JSON --------------------------------------------------------------------------------- */

static json_t *request(const struct otlp_item *items, size_t count)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	json_t *json;

	assert_int_equal(report_otlp(out, &view, items, count), 0);
	fclose(out);
	for (const char *c = text; *c; c++)
		assert_true(*c >= ' ' && *c <= '~');
	json = json_loads(text, 0, NULL);
	assert_non_null(json);
	free(text);
	return json;
}

static json_t *only(json_t *object, const char *key)
{
	json_t *array = json_object_get(object, key);

	assert_int_equal(json_array_size(array), 1);
	return json_array_get(array, 0);
}

/* The value of an attribute as its only text; NULL: there is none. */
static const char *attribute(json_t *holder, const char *key, const char *type)
{
	json_t *a = json_object_get(holder, "attributes");

	for (size_t i = 0; i < json_array_size(a); i++) {
		json_t *one = json_array_get(a, i);

		if (!strcmp(json_string_value(json_object_get(one, "key")), key))
			return json_string_value(
				json_object_get(json_object_get(one, "value"), type));
	}
	return NULL;
}

static int add_change(void *context, const struct change *c)
{
	return otlp_items_add(context, c);
}

static int pass_process(void *context, const struct change *c)
{
	(void)context;
	(void)c;
	return 0;
}

static int pass_gap(void *context, const struct gap_view *gap)
{
	(void)context;
	(void)gap;
	return 0;
}

/* The caller frees the items. */
static struct otlp_items changes_of(struct changes *c)
{
	struct otlp_items items = {};
	const struct change_sink sink = {
		.process = pass_process, .finding = add_change, .gap = pass_gap, .context = &items};

	assert_int_equal(changes_step(c, &view, &sink), 0);
	return items;
}

static void records_are_as_otlp_wants_them(void **state)
{
	struct changes *c = changes_open();
	struct otlp_items items = changes_of(c);
	json_t *root, *logs, *record;

	(void)state;
	assert_int_equal(items.count, 1);
	root = request(items.items, items.count);
	logs = only(root, "resourceLogs");
	assert_string_equal(
		attribute(json_object_get(logs, "resource"), "host.name", "stringValue"),
		"db\"host");
	record = only(only(logs, "scopeLogs"), "logRecords");
	assert_string_equal(json_string_value(json_object_get(record, "timeUnixNano")),
			    "1700000030323456789");
	assert_int_equal(json_integer_value(json_object_get(record, "severityNumber")), 17);
	assert_string_equal(json_string_value(json_object_get(record, "severityText")), "ERROR");
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(record, "body"), "stringValue")),
		"leaking: unclosed-connection, python3[812]");
	assert_string_equal(attribute(record, "event.name", "stringValue"), "dbleak.finding.new");
	assert_string_equal(attribute(record, "process.pid", "intValue"), "812");
	assert_string_equal(attribute(record, "dbleak.open", "intValue"), "12");
	assert_string_equal(attribute(record, "code.line.number", "intValue"), "42");
	assert_string_equal(attribute(record, "code.function.name", "stringValue"), "monthly");
	assert_string_equal(attribute(record, "dbleak.fingerprint", "stringValue"),
			    "00000000000000aa");
	assert_null(attribute(record, "container.id", "stringValue"));
	json_decref(root);
	free(items.items);
	process.exited = true;
	items = changes_of(c);
	root = request(items.items, items.count);
	record = only(only(only(root, "resourceLogs"), "scopeLogs"), "logRecords");
	assert_string_equal(attribute(record, "event.name", "stringValue"), "dbleak.finding.ended");
	assert_string_equal(json_string_value(json_object_get(record, "severityText")), "INFO");
	json_decref(root);
	free(items.items);
	changes_close(c);
}

static void what_is_past_and_hostile_is_valid_too(void **state)
{
	struct otlp_item item = {
		.event = CHANGE_ENDED,
		.told = {.pid = 7, .verdict = VERDICT_STUCK, .comm = "\xff\"\n\x1b"}};
	json_t *root, *record;

	(void)state;
	root = request(&item, 1);
	record = only(only(only(root, "resourceLogs"), "scopeLogs"), "logRecords");
	assert_string_equal(json_string_value(json_object_get(record, "severityText")), "INFO");
	assert_string_equal(attribute(record, "process.executable.name", "stringValue"),
			    "\xef\xbf\xbd\"\n\x1b");
	json_decref(root);
	findings[0].oldest_seconds = findings[0].exhausts_seconds = 0.0 / 0.0;
	findings[0].open = UNKNOWN64;
	findings[0].site = NULL;
	item = (struct otlp_item){.process = &process, .finding = &findings[0]};
	root = request(&item, 1);
	record = only(only(only(root, "resourceLogs"), "scopeLogs"), "logRecords");
	assert_null(attribute(record, "dbleak.open", "intValue"));
	json_decref(root);
}

static void an_output_of_records_that_is_full_is_an_error(void **state)
{
	FILE *full = fopen("/dev/full", "we");

	(void)state;
	assert_non_null(full);
	assert_int_equal(report_otlp(full, &view, NULL, 0), -ENOSPC);
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(records_are_as_otlp_wants_them, leak),
		cmocka_unit_test_setup(what_is_past_and_hostile_is_valid_too, leak),
		cmocka_unit_test_setup(an_output_of_records_that_is_full_is_an_error, leak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
