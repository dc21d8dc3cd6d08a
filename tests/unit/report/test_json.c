/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_json.c - the JSON report keeps its contract: keys, order, nulls, ASCII.
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
#include <math.h>

#include "user/report/json.h"
#include "tests/unit/support/sample_view.h"

/* The caller frees it. */
static char *print(const struct report_view *v)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(report_json(out, v), 0);
	fclose(out);
	return text;
}

static json_t *parse(const struct report_view *v)
{
	char *text = print(v);
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(root);
	free(text);
	return root;
}

/* "processes.0.pid" */
static json_t *at(json_t *value, const char *path)
{
	char key[64];

	while (*path) {
		size_t len = strcspn(path, ".");

		snprintf(key, sizeof(key), "%.*s", (int)len, path);
		value = json_is_array(value) ? json_array_get(value, (size_t)atoi(key))
					     : json_object_get(value, key);
		assert_non_null(value);
		path += len + (path[len] == '.');
	}
	return value;
}

/* The contract's keys stand in their order; others may stand between them. */
static void assert_keys(json_t *root, const char *path, const char *keys)
{
	json_t *object = at(root, path), *value;
	const char *key;

	assert_true(json_is_object(object));
	json_object_foreach(object, key, value)
	{
		size_t len = strcspn(keys, " ");

		if (strlen(key) == len && !memcmp(key, keys, len))
			keys += len + (keys[len] == ' ');
	}
	assert_string_equal(keys, "");
}

static void every_key_of_the_contract_is_there_in_order(void **state)
{
	static const struct {
		const char *path, *keys;
	} objects[] = {
		{"", "schema window host coverage losses cost processes dbleak summary findings"},
		{"summary", "verdict leaking stuck big processes exit_status urgent_seconds"},
		{"window", "start seconds"},
		{"host", "kernel arch name"},
		{"dbleak", "version selection budget_percent"},
		{"coverage", "processes libraries gaps"},
		{"coverage.gaps.0", "pid reason"},
		{"losses", "ring_full map_full read_fault missed_return truncated"},
		{"cost", "cpu_percent events rss_bytes kernel_bytes stepped_down"},
		{"processes.0", "pid comm cmdline exited container verdict endpoints memory "
				"findings ppid uid start "
				"exe unit argv collections"},
		{"processes.0.container", "runtime id name pod namespace image"},
		{"processes.0.endpoints.0",
		 "database address name user connections statements transactions create_time"},
		{"processes.0.endpoints.0.connections",
		 "open peak opened closed pre_existing idle in_transaction close_wait"},
		{"processes.0.endpoints.0.statements", "open prepared closed"},
		{"processes.0.endpoints.0.transactions",
		 "begun committed rolled_back open abandoned"},
		{"processes.0.memory", "rss_start_bytes rss_end_bytes rss_peak_bytes"},
		{"processes.0.findings.0",
		 "verdict confidence cause kind resource database endpoint acquired released open "
		 "oldest_seconds growth_per_minute bytes rows site stack sql evidence advice "
		 "exhausts leaked not_judged closed_at_exit now fingerprint part_of "
		 "evidence_codes test known"},
		{"findings.0", "pid comm container exited verdict confidence cause site sql "
			       "evidence exhausts leaked "
			       "fingerprint"},
		{"processes.0.findings.0.exhausts", "limit in_seconds"},
	};
	struct finding_view finding = sample_finding();
	struct endpoint_view endpoint = sample_endpoint(12);
	struct process_view process = sample_process(4711, VERDICT_LEAKING, &endpoint, &finding);
	struct gap_view gap = {.reason = "no BTF"};
	struct report_view v = sample_view(&process, 1);

	(void)state;
	process.runtime = "docker";
	v.gaps = &gap;
	v.gap_count = 1;

	json_t *root = parse(&v);

	for (size_t i = 0; i < COUNT(objects); i++)
		assert_keys(root, objects[i].path, objects[i].keys);
	json_decref(root);
}

static void the_summary_adds_up_what_the_processes_say(void **state)
{
	struct finding_view f[] = {sample_finding(), sample_finding()};
	struct process_view processes[] = {
		sample_process(1, VERDICT_LEAKING, NULL, &f[0]),
		sample_process(2, VERDICT_STUCK, NULL, &f[1]),
		sample_process(3, VERDICT_OK, NULL, NULL),
	};
	struct report_view v = sample_view(processes, 3);
	json_t *root;

	(void)state;
	f[1].part_of = &f[0];
	f[1].exhausts_seconds = 60;
	strcpy(f[0].fingerprint, "0123456789abcdef");
	f[0].acquired = 20;
	f[0].released = 5;
	processes[0].exited = true;
	v.exit_status = 99; /* --error-exitcode */
	root = parse(&v);
	assert_string_equal(json_string_value(at(root, "summary.verdict")), "leaking");
	assert_int_equal(json_integer_value(at(root, "summary.leaking")), 1);
	assert_int_equal(json_integer_value(at(root, "summary.stuck")), 1);
	assert_int_equal(json_integer_value(at(root, "summary.exit_status")), 99);
	assert_true(json_real_value(at(root, "summary.urgent_seconds")) == 60);
	assert_int_equal(json_array_size(at(root, "findings")), 2);
	assert_int_equal(json_integer_value(at(root, "findings.1.pid")), 2);
	assert_null(json_object_get(at(root, "findings.0"), "stack"));
	assert_non_null(at(root, "processes.0.findings.0.stack"));
	assert_string_equal(json_string_value(at(root, "findings.1.part_of")), "0123456789abcdef");
	assert_int_equal(json_integer_value(at(root, "findings.0.leaked")), 12);
	assert_int_equal(json_integer_value(at(root, "findings.0.not_judged")), 3);
	assert_int_equal(json_integer_value(at(root, "findings.0.closed_at_exit")), 15);
	json_decref(root);
}

static void a_death_at_a_probe_is_told_by_itself(void **state)
{
	struct process_view process = sample_process(1, VERDICT_OK, NULL, NULL);
	struct gap_view gap = {.pid = 9, .comm = "victim", .reason = "died", .withdrawn = true};
	struct report_view v = sample_view(&process, 1);
	json_t *root;

	(void)state;
	v.gaps = &gap;
	v.gap_count = 1;
	root = parse(&v);
	assert_keys(root, "coverage", "processes libraries gaps withdrawn");
	assert_keys(root, "coverage.withdrawn", "pid comm");
	json_decref(root);
}

static void values_are_those_of_the_view(void **state)
{
	static const struct {
		const char *path, *json;
	} values[] = {
		{"schema", "\"dbleak.report/1\""},
		{"window.start", "\"2023-11-14T22:13:20.123Z\""},
		{"window.seconds", "30.2"},
		{"coverage.processes", "1"},
		{"coverage.libraries", "[]"},
		{"cost.kernel_bytes", "null"},
		{"cost.cpu_percent", "0.4"},
		{"processes.0.container", "null"},
		{"processes.0.memory.rss_peak_bytes", "null"},
		{"processes.0.endpoints.0.connections.open", "12"},
		{"processes.0.endpoints.0.create_time.count", "2"},
		{"processes.0.endpoints.0.create_time.sum_seconds", "20.004"},
		{"processes.0.endpoints.0.create_time.classes.0.at_most_seconds", "0.001"},
		{"processes.0.endpoints.0.create_time.classes.0.count", "0"},
		{"processes.0.endpoints.0.create_time.classes.1.count", "1"},
		{"processes.0.endpoints.0.create_time.classes.8.count", "1"},
		{"processes.0.endpoints.0.create_time.classes.9.at_most_seconds", "null"},
		{"processes.0.endpoints.0.create_time.classes.9.count", "2"},
		{"processes.0.findings.0.verdict", "\"leaking\""},
		{"processes.0.findings.0.cause", "\"unclosed-connection\""},
		{"processes.0.findings.0.kind", "\"frequent\""},
		{"processes.0.findings.0.oldest_seconds", "31.0"},
		{"processes.0.findings.0.bytes", "null"},
		{"processes.0.findings.0.rows_exact", "null"},
		{"processes.0.findings.0.site", "null"},
		{"processes.0.findings.0.stack", "[]"},
		{"processes.0.findings.0.exhausts.in_seconds", "2530"},
	};
	struct finding_view finding = sample_finding();
	struct endpoint_view endpoint = sample_endpoint(12);
	struct process_view process = sample_process(4711, VERDICT_LEAKING, &endpoint, &finding);
	struct report_view v = sample_view(&process, 1);
	json_t *root;

	(void)state;
	durations_add(&endpoint.created, 4000000);
	durations_add(&endpoint.created, 20000000000);
	root = parse(&v);
	for (size_t i = 0; i < COUNT(values); i++) {
		char *text = json_dumps(at(root, values[i].path),
					JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));

		assert_string_equal(text, values[i].json);
		free(text);
	}
	json_decref(root);
}

static void a_place_is_told_as_the_contract_says(void **state)
{
	static const struct {
		const char *path, *json;
	} values[] = {
		{"processes.0.findings.0.site.language", "\"python\""},
		{"processes.0.findings.0.site.function", "\"monthly\""},
		{"processes.0.findings.0.site.file", "\"/srv/shop/app/report.py\""},
		{"processes.0.findings.0.site.line", "42"},
		{"processes.0.findings.0.site.column", "null"},
		{"processes.0.findings.0.site.line_exact", "true"},
		{"processes.0.findings.0.site.module", "null"},
		{"processes.0.findings.0.stack.0.function", "\"connect\""},
		{"processes.0.findings.0.stack.0.offset", "null"},
		{"processes.0.findings.0.stack.1.line", "42"},
	};
	struct finding_view finding = sample_finding();
	struct process_view process = sample_process(4711, VERDICT_LEAKING, NULL, &finding);
	struct report_view v = sample_view(&process, 1);
	struct frame_view frames[2];
	json_t *root;

	(void)state;
	sample_site(&finding, frames);
	root = parse(&v);
	assert_keys(root, "processes.0.findings.0.site", "language function file line module");
	assert_keys(root, "processes.0.findings.0.stack.0", "function file line module offset");
	for (size_t i = 0; i < COUNT(values); i++) {
		char *text = json_dumps(at(root, values[i].path), JSON_ENCODE_ANY);

		assert_string_equal(text, values[i].json);
		free(text);
	}
	json_decref(root);
}

static void what_is_not_known_of_a_place_is_null(void **state)
{
	struct frame_view frame = {.language = 99,
				   .module = "/srv/\xff\x1b",
				   .offset = 0x1234,
				   .flags = EV_FRAME_DEFINED};
	struct finding_view finding = sample_finding();
	struct process_view process = sample_process(4711, VERDICT_LEAKING, NULL, &finding);
	struct report_view v = sample_view(&process, 1);
	json_t *root;

	(void)state;
	finding.site = finding.stack = &frame;
	finding.stack_count = 1;
	root = parse(&v);
	assert_string_equal(json_string_value(at(root, "processes.0.findings.0.site.language")),
			    "unknown");
	assert_true(json_is_null(at(root, "processes.0.findings.0.site.line")));
	assert_true(json_is_null(at(root, "processes.0.findings.0.site.line_exact")));
	assert_true(json_is_null(at(root, "processes.0.findings.0.site.function")));
	assert_string_equal(json_string_value(at(root, "processes.0.findings.0.site.module")),
			    "/srv/\xef\xbf\xbd\x1b");
	assert_int_equal(json_integer_value(at(root, "processes.0.findings.0.stack.0.offset")),
			 0x1234);
	json_decref(root);
	frame.line = 7;
	root = parse(&v);
	assert_true(json_is_false(at(root, "processes.0.findings.0.site.line_exact")));
	json_decref(root);
}

static void libraries_are_told_as_the_contract_says(void **state)
{
	struct library_view libraries[] = {
		{.path = "/usr/lib/libpq.so.5", .build_id = "ab12", .probes = 18, .hits = 1234},
		{.path = "\xff", .probes = 1, .hits = UNKNOWN64, .attach_seconds = -1},
	};
	struct report_view v = sample_view(NULL, 0);
	json_t *root;

	(void)state;
	v.libraries = libraries;
	v.library_count = COUNT(libraries);
	root = parse(&v);
	assert_keys(root, "coverage.libraries.0", "path build_id probes hits");
	assert_string_equal(json_string_value(at(root, "coverage.libraries.0.path")),
			    "/usr/lib/libpq.so.5");
	assert_string_equal(json_string_value(at(root, "coverage.libraries.0.build_id")), "ab12");
	assert_int_equal(json_integer_value(at(root, "coverage.libraries.0.probes")), 18);
	assert_int_equal(json_integer_value(at(root, "coverage.libraries.0.hits")), 1234);
	assert_string_equal(json_string_value(at(root, "coverage.libraries.1.path")),
			    "\xef\xbf\xbd");
	assert_true(json_is_null(at(root, "coverage.libraries.1.build_id")));
	assert_true(json_is_null(at(root, "coverage.libraries.1.hits")));
	json_decref(root);
}

static void each_cause_of_a_library_has_its_name(void **state)
{
	static const struct {
		enum cause cause;
		const char *name;
	} causes[] = {
		{CAUSE_UNBOUNDED_RESULT, "unbounded-result"},
		{CAUSE_UNFREED_RESULT, "unfreed-result"},
		{CAUSE_UNCLOSED_CURSOR, "unclosed-cursor"},
		{CAUSE_WAL_GROWTH, "wal-growth"},
		{CAUSE_UNFREED_MEMORY, "unfreed-memory"},
	};
	struct finding_view finding = sample_finding();
	struct process_view process = sample_process(1, VERDICT_LEAKING, NULL, &finding);
	struct report_view v = sample_view(&process, 1);

	(void)state;
	finding.acquired = finding.released = UNKNOWN64;
	for (size_t i = 0; i < COUNT(causes); i++) {
		json_t *root;

		finding.cause = causes[i].cause;
		root = parse(&v);
		assert_string_equal(json_string_value(at(root, "processes.0.findings.0.cause")),
				    causes[i].name);
		assert_true(json_is_null(at(root, "processes.0.findings.0.acquired")));
		json_decref(root);
	}
}

static void what_is_not_known_is_null(void **state)
{
	static const char *const nulls[] = {
		"window.start",
		"window.seconds",
		"host.kernel",
		"cost.cpu_percent",
		"processes.0.comm",
		"processes.0.endpoints.0.address",
		"processes.0.endpoints.0.connections.in_transaction",
		"processes.0.findings.0.oldest_seconds",
		"processes.0.findings.0.growth_per_minute",
		"processes.0.findings.0.acquired",
		"processes.0.findings.0.sql",
		"processes.0.findings.0.endpoint",
		"processes.0.findings.0.advice",
		"processes.0.findings.0.exhausts",
	};
	struct finding_view finding = {
		.acquired = UNKNOWN64, .oldest_seconds = NAN, .growth_per_minute = -INFINITY};
	struct endpoint_view endpoint = {.connections.in_transaction = UNKNOWN64,
					 .oldest_idle_seconds = -1};
	struct process_view process = {.endpoints = &endpoint,
				       .endpoint_count = 1,
				       .findings = &finding,
				       .finding_count = 1};
	struct report_view v = {
		.seconds = INFINITY, .cpu_percent = -1, .processes = &process, .process_count = 1};
	json_t *root = parse(&v);

	(void)state;
	for (size_t i = 0; i < COUNT(nulls); i++)
		assert_true(json_is_null(at(root, nulls[i])));
	json_decref(root);
}

static void values_of_a_later_version_do_no_harm(void **state)
{
	struct process_view process = {.role = (enum ev_role)77};
	struct report_view v = {
		.mode = (enum ev_mode)99, .processes = &process, .process_count = 1};
	json_t *root = parse(&v);

	(void)state;
	assert_string_equal(json_string_value(at(root, "window.mode")), "unknown");
	assert_string_equal(json_string_value(at(root, "processes.0.role")), "unknown");
	json_decref(root);
}

static void hostile_strings_come_out_as_ascii_and_come_back_clean(void **state)
{
	struct finding_view finding = sample_finding();
	struct process_view process = sample_process(1, VERDICT_LEAKING, NULL, &finding);
	struct report_view v = sample_view(&process, 1);

	(void)state;
	process.comm = "\033[31m\xff\xc2\x9b\"\\";
	finding.sql = "SELECT '\xe2\x80";

	char *text = print(&v);
	json_t *root = parse(&v);

	for (size_t i = 0; text[i]; i++)
		assert_true(text[i] == '\n' || (text[i] >= ' ' && text[i] < 0x7f));
	assert_string_equal(json_string_value(at(root, "processes.0.comm")),
			    "\033[31m\xef\xbf\xbd\xc2\x9b\"\\");
	assert_string_equal(json_string_value(at(root, "processes.0.findings.0.sql")),
			    "SELECT '\xef\xbf\xbd");
	json_decref(root);
	free(text);
}

static void memory_is_told_as_the_contract_says(void **state)
{
	struct finding_view f = sample_memory();
	struct frame_view frames[2];
	struct endpoint_view e = sample_endpoint(1);
	struct process_view p = sample_process(1, VERDICT_LEAKING, &e, &f);
	struct memory_site_view site = {.tier = EV_TIER_FULL,
					.object = "malloc",
					.held = 5,
					.taken_bytes = 7,
					.taken = 3,
					.freed = UNKNOWN64,
					.flags = EV_MEMORY_LOWER_BOUND};
	struct report_view v = sample_view(&p, 1);
	json_t *root;

	(void)state;
	sample_site(&f, frames);
	p.memory = (struct memory_view){.tier = EV_TIER_FULL,
					.start = 45000000,
					.end = 141000000,
					.peak = 150000000,
					.swapped = UNKNOWN64,
					.limit = 536870912,
					.limit_used = 0,
					.limit_kind = EV_LIMIT_CGROUP,
					.sites = &site,
					.site_count = 1};
	root = parse(&v);
	assert_keys(root, "processes.0.memory",
		    "rss_start_bytes rss_end_bytes rss_peak_bytes tier "
		    "anonymous_start_bytes anonymous_bytes anonymous_peak_bytes swapped_bytes "
		    "limit limit_bytes limit_used_bytes sites");
	assert_keys(root, "processes.0.memory.sites.0",
		    "tier site object held_bytes error_bytes "
		    "taken_bytes taken freed at_least");
	assert_keys(root, "processes.0.findings.0.memory",
		    "tier held_bytes error_bytes at_least "
		    "process_grown_bytes in_seconds bytes_per_minute");
	assert_string_equal(json_string_value(at(root, "processes.0.memory.tier")), "full");
	assert_string_equal(json_string_value(at(root, "processes.0.memory.limit")), "cgroup");
	assert_int_equal(json_integer_value(at(root, "processes.0.memory.anonymous_bytes")),
			 141000000);
	assert_true(json_is_null(at(root, "processes.0.memory.swapped_bytes")));
	/* Nothing is not unknown. */
	assert_true(json_is_integer(at(root, "processes.0.memory.limit_used_bytes")));
	assert_true(json_is_null(at(root, "processes.0.memory.sites.0.freed")));
	assert_true(json_is_true(at(root, "processes.0.memory.sites.0.at_least")));
	assert_int_equal(json_integer_value(at(root, "processes.0.findings.0.bytes")), 71000000);
	assert_true(json_is_null(at(root, "processes.0.findings.0.open")));
	assert_int_equal(json_integer_value(at(root, "processes.0.findings.0.memory.error_bytes")),
			 6000000);
	assert_int_equal(
		json_integer_value(at(root, "processes.0.findings.0.exhausts.earliest_seconds")),
		2100);
	json_decref(root);
	f.memory.placed = false;
	f.memory.grown = 0;
	root = parse(&v);
	assert_true(json_is_null(at(root, "processes.0.findings.0.memory.held_bytes")));
	assert_true(json_is_null(at(root, "processes.0.findings.0.memory.process_grown_bytes")));
	json_decref(root);
}

static void collections_are_told_where_they_were_counted(void **state)
{
	static const struct {
		const char *path, *json;
	} values[] = {
		{"source", "\"usdt\""}, {"runtime", "\"CPython\""}, {"full", "12"},
		{"partial", "345"},	{"seconds", "9.5"},	    {"last_full_seconds", "null"},
		{"stopped", "false"},
	};
	struct process_view p = sample_process(4711, VERDICT_OK, NULL, 0);
	struct report_view v = sample_view(&p, 1);
	json_t *root = parse(&v);

	(void)state;
	assert_true(json_is_null(at(root, "processes.0.collections")));
	json_decref(root);
	p.collections = (struct collections_view){.known = true,
						  .runtime = "CPython",
						  .full = 12,
						  .partial = 345,
						  .seconds = 9.5,
						  .last_full_seconds = -1};
	root = parse(&v);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		json_t *value = at(at(root, "processes.0.collections"), values[i].path);
		char *text = json_dumps(value, JSON_ENCODE_ANY);

		assert_string_equal(text, values[i].json);
		free(text);
	}
	json_decref(root);
}

static void it_is_one_document_and_a_newline(void **state)
{
	struct report_view v = sample_view(NULL, 0);
	char *text = print(&v);

	(void)state;
	assert_memory_equal(text, "{\n  \"schema\": \"dbleak.report/1\",\n", 33);
	assert_string_equal(text + strlen(text) - 3, "\n}\n");
	free(text);
}

static void a_full_disk_is_an_error(void **state)
{
	struct report_view v = sample_view(NULL, 0);
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	assert_int_equal(report_json(full, &v), -ENOSPC);
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_of_the_contract_is_there_in_order),
		cmocka_unit_test(the_summary_adds_up_what_the_processes_say),
		cmocka_unit_test(a_death_at_a_probe_is_told_by_itself),
		cmocka_unit_test(values_are_those_of_the_view),
		cmocka_unit_test(a_place_is_told_as_the_contract_says),
		cmocka_unit_test(what_is_not_known_of_a_place_is_null),
		cmocka_unit_test(libraries_are_told_as_the_contract_says),
		cmocka_unit_test(each_cause_of_a_library_has_its_name),
		cmocka_unit_test(what_is_not_known_is_null),
		cmocka_unit_test(values_of_a_later_version_do_no_harm),
		cmocka_unit_test(hostile_strings_come_out_as_ascii_and_come_back_clean),
		cmocka_unit_test(memory_is_told_as_the_contract_says),
		cmocka_unit_test(collections_are_told_where_they_were_counted),
		cmocka_unit_test(it_is_one_document_and_a_newline),
		cmocka_unit_test(a_full_disk_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
