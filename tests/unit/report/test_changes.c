/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_changes.c - from one judgement to the next: each thing is told once, and its end, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/judge/fingerprint.h"
#include "user/report/changes.h"
#include "tests/unit/support/sample_view.h"

/* A host with one process, its findings, and all that was told of the latest view. */
static struct {
	struct changes *changes;
	struct report_view view;
	struct process_view process;
	struct finding_view findings[3];
	struct gap_view gaps[2];
	char told[1024];
} host;

static void say(const char *what, const struct change *c, const char *more)
{
	static const char *const kinds[] = {"new", "changed", "ended"};
	size_t used = strlen(host.told);

	snprintf(host.told + used, sizeof(host.told) - used, "%s %s %x%s;", what, kinds[c->kind],
		 c->what, more);
}

static int told_process(void *context, const struct change *c)
{
	assert_ptr_equal(context, &host);
	say("process", c, "");
	return 0;
}

static int told_finding(void *context, const struct change *c)
{
	(void)context;
	assert_non_null(c->told);
	say("finding", c, c->finding ? "" : " gone");
	return 0;
}

static int told_gap(void *context, const struct gap_view *gap)
{
	const struct change none = {.kind = CHANGE_NEW};

	(void)context;
	say(gap->withdrawn ? "withdrawn" : "gap", &none, "");
	return 0;
}

static const char *look(void)
{
	const struct change_sink sink = {told_process, told_finding, told_gap, &host};

	host.told[0] = '\0';
	host.view.seconds += 1;
	for (size_t i = 0; i < host.process.finding_count; i++)
		fingerprint_set(&host.process, &host.findings[i]);
	assert_int_equal(changes_step(host.changes, &host.view, &sink), 0);
	return host.told;
}

static int begin(void **state)
{
	(void)state;
	memset(&host, 0, sizeof(host));
	host.changes = changes_open();
	for (size_t i = 0; i < COUNT(host.findings); i++) {
		host.findings[i] = sample_finding();
		host.findings[i].order = i;
	}
	host.process = sample_process(7, VERDICT_LEAKING, NULL, NULL);
	host.process.start_realtime_ns = 1699999999000000000ULL;
	host.process.findings = host.findings;
	host.process.finding_count = 1;
	host.view = sample_view(&host.process, 1);
	host.view.gaps = host.gaps;
	return host.changes ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	changes_close(host.changes);
	return 0;
}

static void what_stays_the_same_is_told_once(void **state)
{
	(void)state;
	assert_string_equal(look(), "process new 0;finding new 0;");
	assert_string_equal(look(), "");
	assert_int_equal(changes_open_findings(host.changes), 1);
}

static void a_worse_verdict_is_told_at_once_and_others_after_a_while(void **state)
{
	(void)state;
	host.findings[0].verdict = VERDICT_STUCK;
	look();
	host.findings[0].verdict = VERDICT_LEAKING;
	assert_string_equal(look(), "finding changed 1;");
	host.findings[0].confidence = CONFIDENCE_LIKELY;
	assert_string_equal(look(), "");
	host.view.seconds += 5;
	assert_string_equal(look(), "finding changed 2;");
	assert_string_equal(look(), "");
}

static void twice_as_many_are_a_change_and_one_more_is_none(void **state)
{
	(void)state;
	look();
	host.view.seconds += 5;
	host.findings[0].open = 23;
	assert_string_equal(look(), "");
	host.findings[0].open = 24;
	assert_string_equal(look(), "finding changed 4;");
	host.view.seconds += 5;
	host.findings[0].open = 47;
	assert_string_equal(look(), "");
	host.findings[0].open = UNKNOWN64;
	host.findings[0].bytes = 5;
	assert_string_equal(look(), "");
}

static void a_finding_that_the_judge_misses_for_a_moment_is_not_over(void **state)
{
	(void)state;
	look();
	host.process.finding_count = 0;
	assert_string_equal(look(), "");
	assert_string_equal(look(), "");
	host.process.finding_count = 1;
	assert_string_equal(look(), "");
	host.process.finding_count = 0;
	look();
	look();
	assert_string_equal(look(), "finding ended 0 gone;");
	assert_int_equal(changes_open_findings(host.changes), 0);
	assert_string_equal(look(), "");
	host.process.finding_count = 1;
	assert_string_equal(look(), "finding new 0;");
}

static void a_finding_ends_with_its_process(void **state)
{
	(void)state;
	look();
	host.process.exited = true;
	assert_string_equal(look(), "process ended 0;finding ended 0;");
	host.findings[0].open = 1000;
	host.view.seconds += 10;
	assert_string_equal(look(), "");
	host.view.process_count = 0;
	for (int i = 0; i < 5; i++)
		assert_string_equal(look(), "");
}

static void a_process_that_was_never_seen_alive_is_told_for_its_finding_only(void **state)
{
	(void)state;
	host.process.exited = true;
	host.process.finding_count = 0;
	assert_string_equal(look(), "");
	host.process.pid = 8;
	host.process.finding_count = 1;
	assert_string_equal(look(), "process new 0;finding new 0;finding ended 0;");
	assert_string_equal(look(), "");
}

static void findings_of_one_name_are_kept_apart(void **state)
{
	(void)state;
	host.process.finding_count = 3;
	assert_string_equal(look(), "process new 0;finding new 0;finding new 0;finding new 0;");
	host.view.seconds += 5;
	host.findings[1].open *= 2; /* the report would have it first now */
	host.findings[1].order = 0;
	host.findings[0].order = 1;
	host.findings[0].open *= 2;
	assert_string_equal(look(), "finding changed 4;finding changed 4;");
	host.process.finding_count = 2;
	look();
	look();
	assert_string_equal(look(), "finding ended 0 gone;");
}

static void a_line_that_becomes_known_makes_no_second_finding(void **state)
{
	struct frame_view frames[2];

	(void)state;
	look();
	sample_site(&host.findings[0], frames);
	assert_string_equal(look(), "finding changed 10;");
	for (int i = 0; i < 5; i++)
		assert_string_equal(look(), "");
	assert_int_equal(changes_open_findings(host.changes), 1);
}

static void a_finding_with_a_line_beside_one_without_is_new(void **state)
{
	struct frame_view frames[2];

	(void)state;
	look();
	sample_site(&host.findings[1], frames);
	host.process.finding_count = 2;
	assert_string_equal(look(), "finding new 0;");
}

static void another_process_with_that_pid_has_findings_of_its_own(void **state)
{
	(void)state;
	look();
	host.process.start_realtime_ns++;
	assert_string_equal(look(), "process new 0;finding new 0;");
	look();
	assert_string_equal(look(), "finding ended 0 gone;");
}

static void a_container_that_gets_a_name_is_told(void **state)
{
	(void)state;
	host.process.finding_count = 0;
	host.process.verdict = VERDICT_OK;
	assert_string_equal(look(), "process new 0;");
	host.process.container_name = "web1";
	assert_string_equal(look(), "process changed 20;");
	host.process.verdict = VERDICT_BOUNDED;
	assert_string_equal(look(), "");
	host.process.verdict = VERDICT_LEAKING;
	assert_string_equal(look(), "process changed 1;");
}

static void a_gap_is_told_once_although_its_number_grows(void **state)
{
	(void)state;
	host.view.process_count = 0;
	host.gaps[0] = (struct gap_view){.reason = "SQL texts: no room for 3 of them"};
	host.gaps[1] = (struct gap_view){.pid = 7, .reason = "died", .withdrawn = true};
	host.view.gap_count = 2;
	assert_string_equal(look(), "gap new 0;withdrawn new 0;");
	host.gaps[0].reason = "SQL texts: no room for 1,004 of them";
	assert_string_equal(look(), "");
	host.gaps[0].pid = 9;
	assert_string_equal(look(), "gap new 0;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_stays_the_same_is_told_once, begin, end),
		cmocka_unit_test_setup_teardown(
			a_worse_verdict_is_told_at_once_and_others_after_a_while, begin, end),
		cmocka_unit_test_setup_teardown(twice_as_many_are_a_change_and_one_more_is_none,
						begin, end),
		cmocka_unit_test_setup_teardown(
			a_finding_that_the_judge_misses_for_a_moment_is_not_over, begin, end),
		cmocka_unit_test_setup_teardown(a_finding_ends_with_its_process, begin, end),
		cmocka_unit_test_setup_teardown(
			a_process_that_was_never_seen_alive_is_told_for_its_finding_only, begin,
			end),
		cmocka_unit_test_setup_teardown(findings_of_one_name_are_kept_apart, begin, end),
		cmocka_unit_test_setup_teardown(a_line_that_becomes_known_makes_no_second_finding,
						begin, end),
		cmocka_unit_test_setup_teardown(a_finding_with_a_line_beside_one_without_is_new,
						begin, end),
		cmocka_unit_test_setup_teardown(
			another_process_with_that_pid_has_findings_of_its_own, begin, end),
		cmocka_unit_test_setup_teardown(a_container_that_gets_a_name_is_told, begin, end),
		cmocka_unit_test_setup_teardown(a_gap_is_told_once_although_its_number_grows, begin,
						end),
	};

	return cmocka_run_group_tests_name("changes", tests, NULL, NULL);
}
