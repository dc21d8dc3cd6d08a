/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_events.c - lines of --events: whole objects of ASCII, from begin to end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "user/report/events.h"
#include "tests/unit/support/sample_view.h"

static struct {
	struct events *events;
	struct finding_view finding;
	struct process_view process;
	struct report_view view;
	char *text; /* of the latest step */
	size_t length;
} run;

static int begin(void **state)
{
	(void)state;
	run.events = events_open();
	run.finding = sample_finding();
	run.process = sample_process(7, VERDICT_LEAKING, NULL, &run.finding);
	run.process.pod = "web-5d9";
	run.process.pod_namespace = "shop";
	run.process.runtime = "containerd";
	run.process.container_name = "web\n\x1b[2J\xff";
	run.view = sample_view(&run.process, 1);
	run.view.exit_status = 1;
	return run.events ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	events_close(run.events);
	free(run.text);
	memset(&run, 0, sizeof(run));
	return 0;
}

/* The lines of a step. */
static size_t step(int (*tell)(struct events *, const struct report_view *, FILE *))
{
	size_t lines = 0;
	FILE *out;

	free(run.text);
	run.text = NULL;
	out = open_memstream(&run.text, &run.length);
	assert_int_equal(tell(run.events, &run.view, out), 0);
	fclose(out);
	for (size_t i = 0; i < run.length; i++) {
		assert_true(run.text[i] == '\n' || (run.text[i] >= ' ' && run.text[i] < 127));
		lines += run.text[i] == '\n';
	}
	return lines;
}

/* The line of that number, which the caller gives back. */
static json_t *line(size_t number, const char *type)
{
	const char *at = run.text;
	json_t *object;

	while (number--)
		at = strchr(at, '\n') + 1;
	object = json_loadb(at, strcspn(at, "\n"), JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(object);
	assert_string_equal(json_string_value(json_object_get(object, "schema")),
			    "dbleak.events/1");
	assert_string_equal(json_string_value(json_object_get(object, "type")), type);
	return object;
}

static void has(json_t *object, const char *key, const char *value)
{
	assert_string_equal(json_string_value(json_object_get(object, key)), value);
}

static void a_watch_has_a_begin_its_findings_and_an_end(void **state)
{
	json_t *object;

	(void)state;
	assert_int_equal(step(events_step), 3);
	object = line(0, "begin");
	has(object, "time", "2023-11-14T22:13:50.323Z");
	has(json_object_get(object, "host"), "kernel", "6.1.0");
	json_decref(object);
	object = line(1, "process");
	has(object, "event", "new");
	has(object, "pod", "web-5d9");
	has(object, "namespace", "shop");
	json_decref(object);
	object = line(2, "finding");
	has(object, "event", "new");
	has(object, "cause", "unclosed-connection");
	has(object, "pod", "web-5d9");
	json_decref(object);
	assert_int_equal(step(events_step), 0);
	assert_int_equal(step(events_end), 1);
	object = line(0, "end");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(object, "summary"),
							    "exit_status")),
			 1);
	assert_int_equal(json_integer_value(json_object_get(object, "findings")), 1);
	json_decref(object);
}

static void a_finding_that_is_gone_keeps_its_name(void **state)
{
	json_t *object;

	(void)state;
	step(events_step);
	run.process.finding_count = 0;
	assert_int_equal(step(events_step), 0);
	assert_int_equal(step(events_step), 0);
	assert_int_equal(step(events_step), 1);
	object = line(0, "finding");
	has(object, "event", "ended");
	has(object, "comm", "python3");
	has(object, "fingerprint", run.finding.fingerprint);
	assert_null(json_object_get(object, "evidence"));
	json_decref(object);
}

/* Of the longest names that a record may hold, on a stack as deep as any. */
static void a_line_is_short_enough_for_a_journal(void **state)
{
	static struct frame_view frames[EV_STACK_FRAMES];
	static char name[EV_FRAME_TEXT_LEN / 2];
	json_t *object;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	for (size_t i = 0; i < COUNT(frames); i++)
		frames[i] = (struct frame_view){.function = name, .file = name, .line = 7};
	run.finding.site = run.finding.stack = frames;
	run.finding.stack_count = COUNT(frames);
	run.finding.waiters = (struct waiters_view){
		.count = 3, .site = frames, .stack = frames, .stack_count = COUNT(frames)};
	run.finding.holder = (struct holder_view){.state = HOLDER_RUNNING,
						  .site = frames,
						  .stack = frames,
						  .stack_count = COUNT(frames)};
	assert_int_equal(step(events_step), 3);
	assert_true(run.length < 48000);
	object = line(2, "finding");
	assert_int_equal(
		json_array_size(json_object_get(json_object_get(object, "holder"), "stack")), 0);
	assert_true(json_is_object(json_object_get(json_object_get(object, "waiters"), "site")));
	json_decref(object);
}

static void a_quiet_minute_has_a_heartbeat(void **state)
{
	(void)state;
	step(events_step);
	run.view.seconds += 59;
	assert_int_equal(step(events_step), 0);
	run.view.seconds += 1;
	assert_int_equal(step(events_step), 1);
	json_decref(line(0, "heartbeat"));
	assert_int_equal(step(events_step), 0);
}

static void a_process_that_dies_at_a_probe_is_no_gap_like_others(void **state)
{
	struct gap_view gaps[] = {{.pid = 7, .comm = "app", .reason = "died", .withdrawn = true},
				  {.reason = "no BTF"}};
	json_t *object;

	(void)state;
	step(events_step);
	run.view.gaps = gaps;
	run.view.gap_count = 2;
	assert_int_equal(step(events_step), 2);
	object = line(0, "withdrawn");
	has(object, "comm", "app");
	json_decref(object);
	object = line(1, "gap");
	has(object, "reason", "no BTF");
	assert_true(json_is_null(json_object_get(object, "pid")));
	json_decref(object);
}

static void a_full_disk_is_an_error(void **state)
{
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	setvbuf(full, NULL, _IONBF, 0);
	assert_true(events_step(run.events, &run.view, full) < 0);
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_watch_has_a_begin_its_findings_and_an_end, begin,
						end),
		cmocka_unit_test_setup_teardown(a_finding_that_is_gone_keeps_its_name, begin, end),
		cmocka_unit_test_setup_teardown(a_line_is_short_enough_for_a_journal, begin, end),
		cmocka_unit_test_setup_teardown(a_quiet_minute_has_a_heartbeat, begin, end),
		cmocka_unit_test_setup_teardown(
			a_process_that_dies_at_a_probe_is_no_gap_like_others, begin, end),
		cmocka_unit_test_setup_teardown(a_full_disk_is_an_error, begin, end),
	};

	return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
