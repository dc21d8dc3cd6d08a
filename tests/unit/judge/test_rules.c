/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_rules.c - the tables of rules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "user/judge/rules.h"

static const struct rule *const tables[] = {rules_of_endpoint, rules_of_process};

#define TABLES (sizeof(tables) / sizeof(tables[0]))

static void each_rule_asks_a_question(void **state)
{
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < TABLES; i++)
		for (const struct rule *r = tables[i]; r->look; r++, count++) {
			assert_non_null(r->title);
			assert_int_equal(strncmp(r->function, "rule_", 5), 0);
			assert_int_equal(r->question[strlen(r->question) - 1], '?');
		}
	assert_true(count >= 12);
}

static void no_rule_stands_twice(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLES; i++)
		for (const struct rule *a = tables[i]; a->look; a++)
			for (size_t j = 0; j <= i; j++)
				for (const struct rule *b = tables[j]; b->look && b != a; b++)
					assert_true(a->look != b->look &&
						    strcmp(a->title, b->title) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_asks_a_question),
		cmocka_unit_test(no_rule_stands_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
