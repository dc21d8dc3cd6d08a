/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_explanation.c - an explanation fits its page, hides what is too much, and lets nothing
 * through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/report/explanation.h"
#include "user/report/page.h"

#define SAW 40

static struct explained_line lines[SAW + 2];
static struct explained_rule rule = {.title = "things never closed",
				     .question = "Are things open?",
				     .function = "rule_things",
				     .lines = lines,
				     .line_count = SAW + 2};
static struct explanation explanation = {.rules = &rule, .rule_count = 1};
static struct process_view processes[] = {
	{.pid = 7, .comm = "app", .cmdline = "app", .verdict = VERDICT_OK},
	{.pid = 8,
	 .comm = "evil\033[2J",
	 .cmdline = "",
	 .verdict = VERDICT_LEAKING,
	 .explanation = &explanation},
};
static struct gap_view gaps[] = {{.pid = 7, .reason = "of another"}, {.pid = 8, .reason = "of it"}};
static const struct report_view view = {
	.processes = processes, .process_count = 2, .gaps = gaps, .gap_count = 2};

/* The caller frees it. */
static char *printed(bool all)
{
	const struct text_options o = {.show_all = all};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	for (size_t i = 0; i < SAW; i++)
		lines[i] = (struct explained_line){EXPLAINED_SAW, "a fact \033[31m of a program"};
	lines[SAW] = (struct explained_line){EXPLAINED_PROVEN, "there are many"};
	lines[SAW + 1] = (struct explained_line){EXPLAINED_FOUND, "unclosed-thing"};
	processes[1].memory.end = UNKNOWN64;
	assert_int_equal(report_explanation(out, &view, &o), 0);
	fclose(out);
	return text;
}

static size_t count(const char *text, const char *words)
{
	size_t n = 0;

	while ((text = strstr(text, words))) {
		text += strlen(words);
		n++;
	}
	return n;
}

static void facts_are_hidden_and_proofs_are_not(void **state)
{
	char *text = printed(false);

	(void)state;
	assert_int_equal(count(text, "a fact"), 24);
	assert_non_null(strstr(text, "... and 16 more lines; -v shows them"));
	assert_non_null(strstr(text, "    so        proven: there are many\n"));
	assert_non_null(strstr(text, "    found     unclosed-thing\n"));
	assert_non_null(strstr(text, "  things never closed (rule_things)\n"));
	assert_non_null(strstr(text, "    asked     Are things open?\n"));
	free(text);
	text = printed(true);
	assert_int_equal(count(text, "a fact"), SAW);
	assert_null(strstr(text, "more lines"));
	free(text);
}

static void only_the_process_that_was_asked_for_is_told(void **state)
{
	char *text = printed(false);

	(void)state;
	assert_null(strstr(text, "app[7]"));
	assert_null(strstr(text, "of another"));
	assert_non_null(strstr(text, "    not seen  of it\n"));
	free(text);
}

static void text_of_programs_is_escaped(void **state)
{
	char *text = printed(true);

	(void)state;
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "evil\\x1b[2J[8]"));
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		assert_true(strcspn(line, "\n") <= PAGE_COLUMNS);
	free(text);
}

static void who_is_not_judged_has_a_reason(void **state)
{
	char *text;

	(void)state;
	explanation = (struct explanation){.not_judged = "it is a server"};
	text = printed(false);
	assert_non_null(strstr(text, "    so        not judged: it is a server\n"));
	assert_null(strstr(text, "asked"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(facts_are_hidden_and_proofs_are_not),
		cmocka_unit_test(only_the_process_that_was_asked_for_is_told),
		cmocka_unit_test(text_of_programs_is_escaped),
		cmocka_unit_test(who_is_not_judged_has_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
