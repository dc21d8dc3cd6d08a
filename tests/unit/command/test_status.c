/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_status.c - exit statuses of reports, as --fail-on and --error-exitcode choose them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/support/said.h"
#include "user/command/parse.h"
#include "user/command/status.h"

/* The status of a report on one process, with these options of report. */
static int status(enum verdict verdict, bool cut, char *option, char *value)
{
	struct process_view process = {.verdict = verdict};
	struct report_view v = {
		.mode = EV_MODE_WATCH, .processes = &process, .process_count = 1, .cut = cut};
	char *argv[] = {(char *)"report", option, value, NULL};
	struct options o;
	int found;

	assert_int_equal(options_parse(&o, option ? 3 : 1, argv, COMMAND_REPORT), -1);
	found = status_of_view(&v, &o);
	options_free(&o);
	return found;
}

static void what_leaks_or_is_stuck_fails(void **state)
{
	(void)state;
	assert_int_equal(status(VERDICT_LEAKING, false, NULL, NULL), 1);
	assert_int_equal(status(VERDICT_STUCK, false, NULL, NULL), 1);
	assert_int_equal(status(VERDICT_BIG, false, NULL, NULL), 0);
	assert_int_equal(status(VERDICT_BOUNDED, false, NULL, NULL), 0);
	assert_int_equal(status(VERDICT_UNKNOWN, false, NULL, NULL), 0);
	assert_int_equal(status(VERDICT_OK, false, NULL, NULL), 0);
}

static void fail_on_names_the_lowest_verdict_that_fails(void **state)
{
	(void)state;
	assert_int_equal(status(VERDICT_BIG, false, "--fail-on", "big"), 1);
	assert_int_equal(status(VERDICT_LEAKING, false, "--fail-on", "big"), 1);
	assert_int_equal(status(VERDICT_BOUNDED, false, "--fail-on", "big"), 0);
	assert_int_equal(status(VERDICT_STUCK, false, "--fail-on", "leaking"), 0);
	assert_int_equal(status(VERDICT_LEAKING, false, "--fail-on", "leaking"), 1);
	assert_int_equal(status(VERDICT_STUCK, false, "--fail-on", "stuck"), 1);
}

static void what_the_baseline_knows_does_not_fail(void **state)
{
	struct finding_view findings[] = {{.verdict = VERDICT_LEAKING, .known = true},
					  {.verdict = VERDICT_STUCK}};
	struct process_view process = {
		.verdict = VERDICT_LEAKING, .findings = findings, .finding_count = 2};
	struct report_view v = {.processes = &process, .process_count = 1};
	struct options o = {.fail_on = VERDICT_STUCK, .error_exitcode = 1};

	(void)state;
	assert_int_equal(status_of_view(&v, &o), 1); /* the other one is new */
	o.fail_on = VERDICT_LEAKING;
	assert_int_equal(status_of_view(&v, &o), 0);
	findings[0].known = false;
	assert_int_equal(status_of_view(&v, &o), 1);
}

static void the_status_of_a_leak_can_be_chosen(void **state)
{
	(void)state;
	assert_int_equal(status(VERDICT_LEAKING, false, "--error-exitcode", "99"), 99);
	assert_int_equal(status(VERDICT_OK, false, "--error-exitcode", "99"), 0);
	assert_int_equal(status(VERDICT_LEAKING, true, "--error-exitcode", "0"), 0);
}

static void a_cut_recording_is_no_proof_of_health(void **state)
{
	(void)state;
	assert_int_equal(status(VERDICT_OK, true, NULL, NULL), 3);
	assert_int_equal(status(VERDICT_LEAKING, true, NULL, NULL), 1);
	assert_int_equal(status(VERDICT_STUCK, true, "--fail-on", "leaking"), 3);
}

static void a_snapshot_accuses_nobody(void **state)
{
	struct process_view process = {.verdict = VERDICT_LEAKING};
	struct report_view v = {
		.mode = EV_MODE_SNAPSHOT, .processes = &process, .process_count = 1, .cut = true};
	struct options o = {};

	(void)state;
	assert_int_equal(status_of_view(&v, &o), 0);
}

static void what_is_no_status_or_verdict_is_refused(void **state)
{
	static char *const wrong[][3] = {{"report", "--error-exitcode", "256"},
					 {"report", "--error-exitcode", "-1"},
					 {"report", "--error-exitcode", "1.5"},
					 {"report", "--error-exitcode", "x"},
					 {"report", "--fail-on", "ok"}};
	struct options o;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		said_begin();
		assert_int_equal(options_parse(&o, 3, (char **)wrong[i], COMMAND_REPORT), 2);
		assert_non_null(strstr(said_end(), wrong[i][1]));
		options_free(&o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_leaks_or_is_stuck_fails),
		cmocka_unit_test(fail_on_names_the_lowest_verdict_that_fails),
		cmocka_unit_test(what_the_baseline_knows_does_not_fail),
		cmocka_unit_test(the_status_of_a_leak_can_be_chosen),
		cmocka_unit_test(a_cut_recording_is_no_proof_of_health),
		cmocka_unit_test(a_snapshot_accuses_nobody),
		cmocka_unit_test(what_is_no_status_or_verdict_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
