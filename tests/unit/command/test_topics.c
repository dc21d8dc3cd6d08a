/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_topics.c - what the variable DBLEAK_DEBUG chooses, and the message on a wrong one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/support/said.h"
#include "user/command/topics.h"
#include "user/system/debug.h"

static void topics_are_chosen(void **state)
{
	(void)state;
	assert_int_equal(topics_choose("probe,host"), -1);
	assert_int_equal(debug_chosen, 1U << DEBUG_PROBE | 1U << DEBUG_HOST);
	assert_int_equal(topics_choose(NULL), -1);
	assert_int_equal(debug_chosen, 0);
}

static void expect_refusal(const char *list, const char *message)
{
	const char *said;

	said_begin();
	assert_int_equal(topics_choose(list), 2);
	said = said_end();
	if (!strstr(said, message))
		fail_msg("%s lacks %s", said, message);
	assert_non_null(strstr(said, "its topics are libbpf, kernel, probe,"));
	assert_int_equal(debug_chosen, 0);
}

static void an_unknown_topic_is_refused_with_the_nearest(void **state)
{
	(void)state;
	expect_refusal("probes", "no topic \"probes\"; did you mean probe?\n");
	expect_refusal("tls,hots", "no topic \"hots\"; did you mean host?\n");
	expect_refusal("nonsense", "no topic \"nonsense\"\n");
	expect_refusal("a\033b", "no topic \"a\\x1bb\"\n");
}

static void all_names_have_room(void **state)
{
	char names[TOPICS_NAMES];

	(void)state;
	topics_names(names, sizeof(names));
	for (int i = 0; i < DEBUG_TOPICS; i++)
		assert_non_null(strstr(names, debug_table[i].name));
	assert_string_equal(names + strlen(names) - 7, " or all");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(topics_are_chosen),
		cmocka_unit_test(an_unknown_topic_is_refused_with_the_nearest),
		cmocka_unit_test(all_names_have_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
