/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_debug.c - which topics a list names, and how a line of a topic looks.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/support/said.h"
#include "user/system/debug.h"

static unsigned int parsed(const char *list)
{
	struct debug_word unknown;
	unsigned int topics;

	assert_int_equal(debug_parse(list, &topics, &unknown), 0);
	return topics;
}

static void a_list_names_topics(void **state)
{
	(void)state;
	assert_int_equal(parsed("probe"), 1U << DEBUG_PROBE);
	assert_int_equal(parsed("probe,tls,stack"),
			 1U << DEBUG_PROBE | 1U << DEBUG_TLS | 1U << DEBUG_STACK);
	assert_int_equal(parsed(" host, ,budget,"), 1U << DEBUG_HOST | 1U << DEBUG_BUDGET);
	assert_int_equal(parsed("all"), DEBUG_ALL);
	assert_int_equal(parsed("worker,all"), DEBUG_ALL);
	assert_int_equal(parsed(""), 0);
}

static void each_topic_has_a_name_of_its_own_and_a_meaning(void **state)
{
	(void)state;
	for (int i = 0; i < DEBUG_TOPICS; i++) {
		assert_int_equal(parsed(debug_table[i].name), 1U << i);
		assert_true(strlen(debug_table[i].meaning) > 10);
	}
}

static void one_still_means_the_words_of_libbpf(void **state)
{
	(void)state;
	assert_int_equal(parsed("1"), 1U << DEBUG_LIBBPF);
}

static void expect_unknown(const char *list, const char *word)
{
	struct debug_word unknown;
	unsigned int topics;

	assert_int_equal(debug_parse(list, &topics, &unknown), -EINVAL);
	assert_int_equal(unknown.length, strlen(word));
	assert_memory_equal(unknown.text, word, unknown.length);
}

static void an_unknown_word_is_named(void **state)
{
	(void)state;
	expect_unknown("prob", "prob");
	expect_unknown("tls,probes,host", "probes");
	expect_unknown("Probe", "Probe");
	expect_unknown("0", "0");
	expect_unknown("11", "11");
	expect_unknown("al", "al");
}

static int evaluated;

static int evaluate(void)
{
	return ++evaluated;
}

static void a_topic_that_is_off_says_nothing_and_evaluates_nothing(void **state)
{
	(void)state;
	debug_choose(1U << DEBUG_TLS);
	said_begin();
	debug(DEBUG_PROBE, "%d", evaluate());
	assert_string_equal(said_end(), "");
	assert_int_equal(evaluated, 0);
	said_begin();
	debug(DEBUG_TLS, "%d", evaluate());
	assert_string_equal(said_end(), "dbleak: tls: 1\n");
	debug_choose(0);
}

static void foreign_text_stays_on_its_line(void **state)
{
	(void)state;
	debug_choose(DEBUG_ALL);
	said_begin();
	debug(DEBUG_HOST, "container %s", "a\ndbleak: host: \033[31mb");
	assert_string_equal(said_end(), "dbleak: host: container a\\x0adbleak: host: \\x1b[31mb\n");
	debug_choose(0);
}

static void a_long_line_is_cut(void **state)
{
	char name[3000];
	const char *said;

	(void)state;
	memset(name, '\001', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	debug_choose(DEBUG_ALL);
	said_begin();
	debug(DEBUG_HOST, "%s", name);
	said = said_end();
	assert_true(strlen(said) < 1100);
	assert_string_equal(said + strlen(said) - 4, "...\n");
	debug_choose(0);
}

static void errno_is_kept(void **state)
{
	(void)state;
	debug_choose(DEBUG_ALL);
	said_begin();
	errno = ENOSPC;
	debug(DEBUG_HOST, "%m");
	assert_int_equal(errno, ENOSPC);
	assert_string_equal(said_end(), "dbleak: host: No space left on device\n");
	debug_choose(0);
}

static void write_lines(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	debug_write_lines(DEBUG_LIBBPF, format, args);
	va_end(args);
}

static void each_line_of_a_long_text_gets_its_head(void **state)
{
	(void)state;
	said_begin();
	write_lines("%s\n", "libbpf: prog 'a': BEGIN\n0: R1=ctx()\n\nEND");
	assert_string_equal(said_end(), "dbleak: libbpf: libbpf: prog 'a': BEGIN\n"
					"dbleak: libbpf: 0: R1=ctx()\n"
					"dbleak: libbpf: END\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_names_topics),
		cmocka_unit_test(each_topic_has_a_name_of_its_own_and_a_meaning),
		cmocka_unit_test(one_still_means_the_words_of_libbpf),
		cmocka_unit_test(an_unknown_word_is_named),
		cmocka_unit_test(a_topic_that_is_off_says_nothing_and_evaluates_nothing),
		cmocka_unit_test(foreign_text_stays_on_its_line),
		cmocka_unit_test(a_long_line_is_cut),
		cmocka_unit_test(errno_is_kept),
		cmocka_unit_test(each_line_of_a_long_text_gets_its_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
