/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_baseline.c - leaks that are known already: which files say so, and what is then marked.
 */
#include "tests/unit/support/story.h"
#include "user/judge/baseline.h"

#define APP 4711

/* Why the text is no baseline; NULL: it is one. */
static const char *refused(const char *text, size_t length)
{
	const char *why = "";
	size_t line;
	struct baseline *b = baseline_read(text, length, &why, &line);

	assert_true(!b == !!why);
	baseline_free(b);
	return why;
}

static void fingerprints_stand_one_in_a_line(void **state)
{
	static const char lines[] =
		"# known in May\n"
		"\n"
		"0123456789abcdef\n"
		"leaking\t12\tconnections\tpy[1]\tapp.py:3\t?\tfedcba9876543210\r\n"
		"0123456789abcdef and again";

	(void)state;
	assert_null(refused(lines, sizeof(lines) - 1));
	assert_null(refused("", 0));
}

static void what_is_no_baseline_is_refused(void **state)
{
	static const char report[] = "{\"schema\": \"dbleak.report/1\", \"processes\": "
				     "[{\"findings\": [{\"fingerprint\": \"0123456789abcdef\"}]}]}";
	char *huge = calloc(1, BASELINE_BYTES_MOST + 1);

	(void)state;
	assert_null(refused(report, strlen(report)));
	for (size_t n = 1; n < strlen(report); n++)
		assert_non_null(refused(report, n)); /* cut */
	assert_non_null(refused("{}", 2));
	assert_non_null(refused("{\"schema\": \"dbleak.doctor/1\", \"processes\": []}", 46));
	assert_non_null(refused("0123456789abcde\n", 16));
	assert_non_null(refused("0123456789ABCDEF\n", 17));
	assert_non_null(refused("\x7f"
				"ELF",
				4));
	assert_non_null(huge);
	assert_non_null(refused(huge, BASELINE_BYTES_MOST + 1));
	free(huge);
}

static void depth_and_broken_bytes_do_no_harm(void **state)
{
	static char deep[1 << 20];
	char report[] = "{\"schema\": \"dbleak.report/1\", \"processes\": "
			"[{\"findings\": [{\"fingerprint\": \"0123456789abcdef\"}]}]}";

	(void)state;
	memset(deep, '[', sizeof(deep));
	deep[0] = '{';
	assert_non_null(refused(deep, sizeof(deep)));
	for (size_t i = 0; i < strlen(report); i++)
		for (int bit = 0; bit < 8; bit++) {
			report[i] ^= (char)(1 << bit);
			refused(report, sizeof(report) - 1);
			report[i] ^= (char)(1 << bit);
		}
}

/* A process that leaks connections, each with an open transaction. */
static void leaks(void)
{
	uint64_t stack;

	story_begins();
	process(APP);
	stack = through_sqlalchemy(APP, "/srv/shop/report.py", 42, "monthly");
	for (uint32_t id = 0; id < 12; id++) {
		at(1 + id);
		opens(id, APP, APP);
		shows_of(EV_AT_OPENED, id, 0, stack);
		if (id == 11)
			continue; /* the last one may still be at work */
		begins(id);
		shows_of(EV_AT_BEGUN, id, 0, stack);
	}
	at(30);
}

static void mark(const char *lines, struct report_view *v)
{
	const char *why;
	size_t line;
	struct baseline *b = baseline_read(lines, strlen(lines), &why, &line);

	assert_non_null(b);
	assert_int_equal(baseline_mark(b, v), 0);
	baseline_free(b); /* the view does not need it */
}

static void a_known_leak_is_marked_with_all_that_is_part_of_it(void **state)
{
	const struct process_view *p;
	size_t parts = 0;
	char lines[64];

	(void)state;
	leaks();
	p = verdict_of(APP);
	assert_true(p->finding_count > 1);
	snprintf(lines, sizeof(lines), "%s\n0123456789abcdef\n",
		 finding(p, CAUSE_UNCLOSED_CONNECTION)->fingerprint);
	mark(lines, story.view);
	for (size_t i = 0; i < p->finding_count; i++) {
		assert_true(p->findings[i].known);
		parts += p->findings[i].part_of != NULL;
	}
	assert_true(parts > 0);
	assert_int_equal(story.view->baseline.known, p->finding_count - parts);
	assert_int_equal(story.view->baseline.fresh, 0);
	assert_int_equal(story.view->baseline.gone_count, 1);
	assert_string_equal(story.view->baseline.gone[0], "0123456789abcdef");
	story_ends();
}

static void a_leak_that_is_not_in_the_baseline_is_new(void **state)
{
	(void)state;
	leaks();
	verdict();
	mark("0123456789abcdef\n", story.view);
	assert_int_equal(story.view->baseline.known, 0);
	assert_true(story.view->baseline.fresh > 0);
	assert_int_equal(story.view->baseline.gone_count, 1);
	assert_false(story.view->processes[0].findings[0].known);
	story_ends();
}

static void without_a_baseline_nothing_is_known(void **state)
{
	(void)state;
	leaks();
	verdict();
	assert_int_equal(baseline_mark(NULL, story.view), 0);
	assert_false(story.view->baseline.given);
	assert_false(story.view->processes[0].findings[0].known);
	story_ends();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fingerprints_stand_one_in_a_line),
		cmocka_unit_test(what_is_no_baseline_is_refused),
		cmocka_unit_test(depth_and_broken_bytes_do_no_harm),
		cmocka_unit_test(a_known_leak_is_marked_with_all_that_is_part_of_it),
		cmocka_unit_test(a_leak_that_is_not_in_the_baseline_is_new),
		cmocka_unit_test(without_a_baseline_nothing_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
