/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_options.c - the table of options, how it is parsed, and what --help says of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/support/said.h"
#include "user/capture/probe/probe.h"
#include "user/command/option_table.h"
#include "user/command/parse.h"
#include "user/command/suggest.h"
#include "user/command/usage.h"

#define COLUMNS 80

/* Parses words, ended by NULL, as those of a command. */
static int parse(struct options *o, enum command_id id, ...)
{
	char *argv[16] = {(char *)command_table[id].name};
	int argc = 1;
	va_list more;

	va_start(more, id);
	while (argc < 15 && (argv[argc] = va_arg(more, char *)))
		argc++;
	va_end(more);
	return options_parse(o, argc, argv, id);
}

static void each_row_says_what_it_means(void **state)
{
	(void)state;
	assert_true(option_count > 20);
	for (size_t i = 0; i < option_count; i++) {
		const struct option_row *row = &option_table[i];

		assert_non_null(row->name);
		assert_true(row->commands);
		if (!row->meaning || strlen(row->meaning) < 10 || strlen(row->meaning) > 200)
			fail_msg("--%s has no meaning of a line or two", row->name);
		if (row->more && row->more[strlen(row->more) - 1] != '.')
			fail_msg("--%s has more to say, but no sentences", row->name);
		assert_true(row->argument || !row->initial);
		assert_in_range(row->group, 0, GROUPS - 1);
		assert_non_null(option_groups[row->group]);
	}
}

static void no_command_has_a_name_or_letter_twice(void **state)
{
	(void)state;
	for (const struct option_row *a = option_table; a->name; a++)
		for (const struct option_row *b = option_table; b < a; b++) {
			bool same_name = !strcmp(a->name, b->name);

			if (a->letter && a->letter == b->letter && !same_name)
				fail_msg("--%s and --%s share -%c", a->name, b->name, a->letter);
			if (same_name && (a->commands & b->commands || a->letter != b->letter))
				fail_msg("--%s stands twice", a->name);
		}
}

static void each_initial_value_is_one_that_its_option_takes(void **state)
{
	struct options o = {};

	(void)state;
	for (const struct option_row *row = option_table; row->name; row++)
		if (row->initial && row->set(row, &o, row->initial) != -1)
			fail_msg("--%s does not take %s", row->name, row->initial);
	options_free(&o);
}

static void without_options_the_initial_values_hold(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, COMMAND_WATCH, NULL), -1);
	assert_true(o.interval_s == 1 && o.min_age_s == 10 && o.max_overhead == 2);
	assert_true(o.duration_s == 0);
	assert_int_equal(o.max_memory, 256 << 20);
	assert_int_equal(o.record_limit, 1 << 30);
	assert_int_equal(o.heap, EV_TIER_GROWTH);
	assert_int_equal(o.heap_sample, 16384);
	assert_false(o.json || o.verbose || o.no_stacks || o.probe_at_entry || o.no_libraries);
	assert_null(o.output);
	assert_int_equal(o.next, 1);
	options_free(&o);
}

static void a_run_has_no_budget_unless_one_is_given(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, COMMAND_RUN, "true", NULL), -1);
	assert_true(o.max_overhead == OVERHEAD_ANY);
	options_free(&o);
	assert_int_equal(parse(&o, COMMAND_RUN, "--max-overhead", "2", "true", NULL), -1);
	assert_true(o.max_overhead == 2);
	options_free(&o);
	assert_int_equal(parse(&o, COMMAND_RUN, "true", NULL), -1);
	assert_true(o.interval_s == 0.1);
	options_free(&o);
}

static void long_short_and_shortened_options_are_taken_in_any_order(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, COMMAND_WATCH, "-p", "1,2", "--dur", "3.5", "--pid=3", "-vo",
			       "f", "--json", "--max-m", "2G", "--heap=full", NULL),
			 -1);
	assert_true(o.duration_s == 3.5);
	assert_true(o.verbose && o.json);
	assert_string_equal(o.output, "f");
	assert_true(o.max_memory == 2ULL << 30);
	assert_int_equal(o.heap, EV_TIER_FULL);
	assert_false(select_is_empty(&o.select));
	options_free(&o);
	assert_int_equal(parse(&o, COMMAND_REPORT, "f", "--json", NULL), -1);
	assert_true(o.json);
	assert_int_equal(o.next, 2); /* the operand has moved behind the options */
	options_free(&o);
}

static void events_take_the_place_of_other_outputs(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, COMMAND_WATCH, "--events", NULL), -1);
	assert_true(o.events && !o.json);
	options_free(&o);
	said_begin();
	assert_int_equal(parse(&o, COMMAND_REPORT, "f", "--json", "--events", NULL), 2);
	assert_non_null(strstr(said_end(), "--events"));
	options_free(&o);
	said_begin();
	assert_int_equal(parse(&o, COMMAND_SNAPSHOT, "--events", NULL), 2);
	assert_non_null(strstr(said_end(), "snapshot takes no --events"));
	options_free(&o);
}

static void the_process_to_explain_is_one_number(void **state)
{
	static char *const wrong[] = {"", "0", "-1", "x", "1,2", "4294967296"};
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, COMMAND_REPORT, "f", "--explain", "4711", NULL), -1);
	assert_int_equal(o.explain, 4711);
	options_free(&o);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		said_begin();
		assert_int_equal(parse(&o, COMMAND_REPORT, "f", "--explain", wrong[i], NULL), 2);
		assert_non_null(strstr(said_end(), "--explain"));
		options_free(&o);
	}
}

static void options_of_the_command_that_run_starts_are_its_own(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, COMMAND_RUN, "--interval", "1", "ls", "--json", NULL), -1);
	assert_int_equal(o.next, 3);
	assert_false(o.json);
	assert_true(o.interval_s == 1);
	options_free(&o);
	assert_int_equal(parse(&o, COMMAND_RUN, "-v", "--", "--json", NULL), -1);
	assert_int_equal(o.next, 3);
	options_free(&o);
}

static void a_wrong_value_ends_with_status_2_and_names_its_option(void **state)
{
	static char *const wrong[][2] = {
		{"--duration", "soon"},	 {"--duration", "0"},	   {"--interval", "1e9"},
		{"--max-overhead", "0"}, {"--max-memory", "12KK"}, {"--record-limit", "-1"},
		{"--heap", "x"},	 {"--heap-sample", "-1"},  {"--probe-at", ""},
		{"--library", ""},
	};
	struct options o;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		said_begin();
		assert_int_equal(parse(&o, COMMAND_WATCH, wrong[i][0], wrong[i][1], NULL), 2);
		if (!strstr(said_end(), wrong[i][0]))
			fail_msg("%s is not named", wrong[i][0]);
		options_free(&o);
	}
}

/* The first line that is said about a wrong command line, without "dbleak: ". */
#define expect_refusal(id, sentence, ...)                                         \
	do {                                                                      \
		struct options o_;                                                \
                                                                                  \
		said_begin();                                                     \
		assert_int_equal(parse(&o_, id, __VA_ARGS__, NULL), 2);           \
		options_free(&o_);                                                \
		assert_string_equal(first_line(said_end()), "dbleak: " sentence); \
	} while (0)

static const char *first_line(const char *text)
{
	static char line[256];

	snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\n"), text);
	return line;
}

static void an_unknown_option_is_refused_with_the_nearest_one(void **state)
{
	(void)state;
	expect_refusal(COMMAND_WATCH, "no such option \"--durtion\"; did you mean --duration?",
		       "--durtion", "3");
	expect_refusal(COMMAND_WATCH,
		       "no such option \"--max_memory=3\"; did you mean --max-memory?",
		       "--max_memory=3");
	expect_refusal(COMMAND_REPORT, "no such option \"--jsno\"; did you mean --json?", "--jsno");
	expect_refusal(COMMAND_WATCH, "no such option \"--bogus\"", "--bogus");
	expect_refusal(COMMAND_WATCH, "no such option \"--x\"", "--x");
	expect_refusal(COMMAND_WATCH, "no such option \"--=3\"", "--=3");
	/* the letter itself is named, wherever it stands */
	expect_refusal(COMMAND_WATCH, "no such option \"-x\"", "-xv");
	expect_refusal(COMMAND_WATCH, "no such option \"-x\"", "-vx");
}

static void an_option_of_another_command_is_refused_with_its_commands(void **state)
{
	(void)state;
	expect_refusal(COMMAND_SNAPSHOT,
		       "snapshot takes no --min-age; watch, top, run, record and serve do",
		       "--min-age", "3");
	expect_refusal(COMMAND_REPORT,
		       "report takes no --pid; watch, top, snapshot, record and serve do", "-p",
		       "3");
	expect_refusal(COMMAND_WATCH, "watch takes no --user; run does", "--use=me");
	expect_refusal(COMMAND_RUN, "run takes no --duration; watch, top, record and serve do",
		       "--duration", "3");
	expect_refusal(COMMAND_SNAPSHOT,
		       "snapshot takes no --max-memory; watch, top, run, record and serve do",
		       "--max-memory", "1G");
	expect_refusal(
		COMMAND_RECORD,
		"record takes no --json; watch, top, run, snapshot, serve, report and doctor do",
		"--json");
	expect_refusal(COMMAND_DOCTOR, "--version stands alone, before any command", "--version");
}

static void a_live_view_has_rows_of_a_kind_and_an_order(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, COMMAND_TOP, NULL), -1);
	assert_true(o.by == TOP_BY_PROCESS && o.sort == TOP_SORT_URGENCY);
	assert_int_equal(o.record_limit, 100 << 20);
	options_free(&o);
	assert_int_equal(parse(&o, COMMAND_TOP, "--by", "line", "--sort=waiting", NULL), -1);
	assert_true(o.by == TOP_BY_SITE && o.sort == TOP_SORT_WAITING);
	options_free(&o);
	expect_refusal(
		COMMAND_TOP,
		"--by takes process, line, database or container, not \"lines\"; did you mean "
		"line?",
		"--by", "lines");
	expect_refusal(COMMAND_TOP, "top takes no --events; watch, run and report do", "--events");
	expect_refusal(COMMAND_WATCH, "watch takes no --by; top does", "--by", "line");
}

static void a_value_too_few_or_too_many_and_a_name_too_short_are_refused(void **state)
{
	(void)state;
	expect_refusal(COMMAND_WATCH, "a value is missing after --duration TIME", "--duration");
	expect_refusal(COMMAND_WATCH, "a value is missing after --pid PID[,PID...]", "-vp");
	expect_refusal(COMMAND_WATCH, "--json takes no value", "--json=yes");
	expect_refusal(COMMAND_WATCH, "\"--max\" is short for --max-overhead or --max-memory",
		       "--max", "3");
}

static void a_report_of_two_forms_is_refused(void **state)
{
	(void)state;
	expect_refusal(COMMAND_WATCH,
		       "--events prints lines of JSON, and --json a report; choose one", "--json",
		       "--events");
	expect_refusal(COMMAND_RUN, "--brief prints lines of text, and --json JSON; choose one",
		       "--json", "--brief");
	expect_refusal(COMMAND_REPORT,
		       "--brief prints lines of text, and --events JSON; choose one", "-b",
		       "--events");
}

static void an_unknown_command_is_refused_with_the_nearest_one(void **state)
{
	(void)state;
	said_begin();
	assert_int_equal(command_unknown(COMMANDS, "wacth"), 2);
	assert_string_equal(first_line(said_end()),
			    "dbleak: no command \"wacth\"; did you mean watch?");
	said_begin();
	command_unknown(COMMAND_HELP, "doctr");
	assert_string_equal(first_line(said_end()),
			    "dbleak: no command \"doctr\"; did you mean doctor?");
	said_begin();
	command_unknown(COMMAND_HELP, "web1"); /* it is no process to ask help for */
	assert_string_equal(first_line(said_end()), "dbleak: no command \"web1\"");
	said_begin();
	command_unknown(COMMANDS, "a-word-that-is-longer-than-any-name-of-ours");
	assert_string_equal(first_line(said_end()), "dbleak: no command \"a-word-that-is-longer-"
						    "than-any-name-of-ours\"");
}

static double duration_of(const char *text)
{
	struct options o;

	if (parse(&o, COMMAND_WATCH, "-d", text, NULL) != -1)
		o.duration_s = -1;
	options_free(&o);
	return o.duration_s;
}

static void a_time_may_have_units(void **state)
{
	(void)state;
	assert_true(duration_of("30") == 30 && duration_of("1.5") == 1.5);
	assert_true(duration_of("30s") == 30 && duration_of("500ms") == 0.5);
	assert_true(duration_of("5m") == 300 && duration_of("1.5h") == 5400);
	assert_true(duration_of("1h30m") == 5400 && duration_of("2d") == 172800);
	said_begin();
	assert_true(duration_of("1h30") < 0 && duration_of("5x") < 0 && duration_of("m") < 0);
	assert_true(duration_of("1 h") < 0 && duration_of("") < 0 && duration_of(".") < 0);
	assert_true(duration_of("200d") < 0 && duration_of("1s1") < 0);
	said_end();
	expect_refusal(COMMAND_WATCH,
		       "--duration takes 0.1 to 10000000 seconds (30, 30s, 5m, 1h), not \"soon\"",
		       "-d", "soon");
}

static void a_size_may_have_units(void **state)
{
	static const struct {
		char *text;
		uint64_t bytes;
	} sizes[] = {{"4096", 4096},	   {"12k", 12 << 10}, {"500M", 500 << 20},
		     {"500MB", 500 << 20}, {"1MiB", 1 << 20}, {"2g", 2ULL << 30}};
	struct options o;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(parse(&o, COMMAND_WATCH, "--max-memory", sizes[i].text, NULL), -1);
		assert_int_equal(o.max_memory, sizes[i].bytes);
		options_free(&o);
	}
	expect_refusal(COMMAND_WATCH, "--max-memory takes a size such as 500M or 2G, not \"1MX\"",
		       "--max-memory", "1MX");
}

/* What is tried first, because docker, ps, perf and others have it. */
static void short_options_that_are_tried_first_are_taken(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(
		parse(&o, COMMAND_WATCH, "-d", "3", "-c", "web1", "-n", "app", "-jvq", NULL), -1);
	assert_true(o.duration_s == 3 && o.json && o.verbose && o.quiet);
	assert_false(select_is_empty(&o.select));
	options_free(&o);
}

static void a_wrong_value_is_refused_with_the_nearest_one(void **state)
{
	(void)state;
	expect_refusal(COMMAND_WATCH,
		       "--heap takes off, growth, client or full, not \"ful\"; did you mean full?",
		       "--heap", "ful");
	expect_refusal(COMMAND_WATCH, "--probe-at takes best, entry or none, not \"x\"",
		       "--probe-at", "x");
	expect_refusal(COMMAND_WATCH, "--pid \"abc\": not a process id; did you mean --comm abc?",
		       "-p", "abc");
	expect_refusal(COMMAND_WATCH, "--pid \"12x\": not a process id", "-p", "12x");
	expect_refusal(COMMAND_WATCH, "--comm \"\": not a name", "-n", "");
}

static void an_option_of_another_tool_is_refused_with_ours(void **state)
{
	(void)state;
	expect_refusal(COMMAND_WATCH, "no such option \"--timeout\"; did you mean --duration?",
		       "--timeout", "30");
	expect_refusal(COMMAND_WATCH, "no such option \"--name=x\"; did you mean --comm?",
		       "--name=x");
	expect_refusal(COMMAND_WATCH, "no such option \"-t\"; did you mean --duration?", "-t",
		       "30");
	expect_refusal(COMMAND_WATCH, "no such option \"-w\"; did you mean --record?", "-w", "f");
	expect_refusal(COMMAND_RECORD, "no such option \"-w\"; did you mean --output?", "-w", "f");
	/* run has no such option, whatever its name */
	expect_refusal(COMMAND_RUN, "no such option \"--timeout\"", "--timeout", "30");
}

static const char *stray(enum command_id id, const char *word)
{
	said_begin();
	assert_int_equal(id == COMMANDS ? command_unknown(id, word) : options_stray(id, word), 2);
	return first_line(said_end());
}

static void a_word_that_is_no_option_is_refused_with_the_options_it_may_belong_to(void **state)
{
	(void)state;
	assert_string_equal(stray(COMMANDS, "4711"),
			    "dbleak: no command \"4711\"; did you mean --pid 4711 or --duration "
			    "4711?");
	assert_string_equal(stray(COMMAND_WATCH, "4711"),
			    "dbleak: watch takes no argument \"4711\"; did you mean --pid 4711 or "
			    "--duration 4711?");
	assert_string_equal(
		stray(COMMAND_SNAPSHOT, "4711"),
		"dbleak: snapshot takes no argument \"4711\"; did you mean --pid 4711?");
	assert_string_equal(
		stray(COMMAND_WATCH, "30s"),
		"dbleak: watch takes no argument \"30s\"; did you mean --duration 30s?");
	assert_string_equal(stray(COMMAND_WATCH, "web1"),
			    "dbleak: watch takes no argument \"web1\"; did you mean --comm web1 or "
			    "--container web1?");
	assert_string_equal(stray(COMMAND_DOCTOR, "x"), "dbleak: doctor takes no argument \"x\"");
	assert_string_equal(stray(COMMAND_WATCH, "two words"),
			    "dbleak: watch takes no argument \"two words\"");
	assert_string_equal(stray(COMMANDS, "/bin/true"),
			    "dbleak: no command \"/bin/true\"; did you mean run -- /bin/true?");
	assert_string_equal(stray(COMMANDS, "Makefile"),
			    "dbleak: no command \"Makefile\"; did you mean report Makefile?");
}

static void each_suggested_option_is_one_of_ours(void **state)
{
	static const char *const tried[] = {"timeout", "seconds", "name",  "write",
					    "all",     "format",  "docker"};

	(void)state;
	for (size_t i = 0; i < sizeof(tried) / sizeof(tried[0]); i++) {
		const char *here = suggest_option(COMMAND_WATCH, tried[i], strlen(tried[i]), 0);

		assert_non_null(here);
		assert_true(option_takers(here) & 1U << COMMAND_WATCH);
		assert_false(option_takers(tried[i]));
	}
}

static char *usage_of(int id)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (id < COMMANDS)
		usage_command(out, id);
	else
		usage_program(out);
	fclose(out);
	return text;
}

/* The line of each row stands in the help of the commands that take it, and in no other. */
static void help_lists_each_option_that_is_taken_and_no_other(void **state)
{
	(void)state;
	for (int id = 0; id <= COMMANDS; id++) {
		char *text = usage_of(id), line[64];

		for (const struct option_row *row = option_table; row->name; row++) {
			bool taken = option_takers(row->name) & 1U << id;

			snprintf(line, sizeof(line), "%s--%s ", row->letter ? ", " : "      ",
				 row->name);
			if (!strstr(text, line) == taken)
				fail_msg("--%s is %s in the help of %s", row->name,
					 taken ? "lacking" : "found",
					 id < COMMANDS ? command_table[id].name : "dbleak");
		}
		free(text);
	}
}

static void help_has_80_columns(void **state)
{
	(void)state;
	for (int id = 0; id <= COMMANDS; id++) {
		char *text = usage_of(id);

		for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
			if (strlen(line) > COLUMNS)
				fail_msg("too long: %s", line);
			if (line[strlen(line) - 1] == ' ')
				fail_msg("ends with a space: \"%s\"", line);
		}
		free(text);
	}
}

static void help_says_what_a_command_is_for_and_how_it_ends(void **state)
{
	(void)state;
	for (int id = 0; id < COMMANDS; id++) {
		char *text = usage_of(id), *all = usage_of(COMMANDS);

		assert_non_null(strstr(all, command_table[id].summary));
		assert_non_null(strstr(text, command_table[id].synopsis));
		assert_non_null(strstr(text, "\nExit status: "));
		assert_int_equal(command_find(command_table[id].name), id);
		free(text);
		free(all);
	}
	assert_int_equal(command_find("nosuch"), COMMANDS);
}

static void names_of_commands_read_as_a_list(void **state)
{
	char words[64];

	(void)state;
	command_names(words, sizeof(words), 1U << COMMAND_RUN);
	assert_string_equal(words, "run");
	command_names(words, sizeof(words), 1U << COMMAND_RUN | 1U << COMMAND_DOCTOR);
	assert_string_equal(words, "run and doctor");
	command_names(words, sizeof(words),
		      1U << COMMAND_WATCH | 1U << COMMAND_RUN | 1U << COMMAND_REPORT);
	assert_string_equal(words, "watch, run and report");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_says_what_it_means),
		cmocka_unit_test(no_command_has_a_name_or_letter_twice),
		cmocka_unit_test(each_initial_value_is_one_that_its_option_takes),
		cmocka_unit_test(without_options_the_initial_values_hold),
		cmocka_unit_test(a_run_has_no_budget_unless_one_is_given),
		cmocka_unit_test(a_live_view_has_rows_of_a_kind_and_an_order),
		cmocka_unit_test(long_short_and_shortened_options_are_taken_in_any_order),
		cmocka_unit_test(events_take_the_place_of_other_outputs),
		cmocka_unit_test(the_process_to_explain_is_one_number),
		cmocka_unit_test(options_of_the_command_that_run_starts_are_its_own),
		cmocka_unit_test(a_wrong_value_ends_with_status_2_and_names_its_option),
		cmocka_unit_test(an_unknown_option_is_refused_with_the_nearest_one),
		cmocka_unit_test(an_option_of_another_command_is_refused_with_its_commands),
		cmocka_unit_test(a_value_too_few_or_too_many_and_a_name_too_short_are_refused),
		cmocka_unit_test(a_report_of_two_forms_is_refused),
		cmocka_unit_test(an_unknown_command_is_refused_with_the_nearest_one),
		cmocka_unit_test(a_time_may_have_units),
		cmocka_unit_test(a_size_may_have_units),
		cmocka_unit_test(short_options_that_are_tried_first_are_taken),
		cmocka_unit_test(a_wrong_value_is_refused_with_the_nearest_one),
		cmocka_unit_test(an_option_of_another_tool_is_refused_with_ours),
		cmocka_unit_test(
			a_word_that_is_no_option_is_refused_with_the_options_it_may_belong_to),
		cmocka_unit_test(each_suggested_option_is_one_of_ours),
		cmocka_unit_test(help_lists_each_option_that_is_taken_and_no_other),
		cmocka_unit_test(help_has_80_columns),
		cmocka_unit_test(help_says_what_a_command_is_for_and_how_it_ends),
		cmocka_unit_test(names_of_commands_read_as_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
