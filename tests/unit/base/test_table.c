/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_table.c - a walk over a table visits each entry once, whatever it removes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/table.h"

#define ENTRIES 48 /* as many as 64 slots take */
#define TABLES	2000

/* Fills a table with keys that differ from one number to the next. */
static void fill(struct table *t, uint32_t number, int visits[ENTRIES])
{
	memset(visits, 0, ENTRIES * sizeof(visits[0]));
	for (uint64_t i = 0; i < ENTRIES; i++)
		assert_int_equal(table_put(t, (struct table_key){i, number}, &visits[i]), 0);
}

static bool is_odd(uint64_t number)
{
	return number & 1;
}

static bool is_any(uint64_t number)
{
	(void)number;
	return true;
}

static bool is_none(uint64_t number)
{
	(void)number;
	return false;
}

static void walk_removes(uint32_t number, bool (*removed)(uint64_t number))
{
	struct table t = {};
	int visits[ENTRIES];
	struct table_slot *slot;
	struct table_walk walk;

	fill(&t, number, visits);
	walk = table_walk(&t);
	while ((slot = table_walk_next(&walk))) {
		int *visit = slot->value;

		++*visit;
		if (removed(slot->key.a))
			assert_ptr_equal(table_walk_remove(&walk), visit);
	}
	for (uint64_t i = 0; i < ENTRIES; i++) {
		assert_int_equal(visits[i], 1);
		assert_ptr_equal(table_get(&t, (struct table_key){i, number}),
				 removed(i) ? NULL : &visits[i]);
	}
	table_free(&t);
}

static void a_walk_visits_each_entry_once(void **state)
{
	(void)state;
	for (uint32_t number = 0; number < TABLES; number++) {
		walk_removes(number, is_none);
		walk_removes(number, is_odd);
		walk_removes(number, is_any);
	}
}

/* The reason for a walk: where a run of entries crosses the last slot, a removal there brings back
 * what was visited first. */
static void a_plain_loop_that_removes_visits_some_twice(void **state)
{
	unsigned twice = 0;

	(void)state;
	for (uint32_t number = 0; number < TABLES; number++) {
		struct table t = {};
		int visits[ENTRIES];
		struct table_slot *slot;

		fill(&t, number, visits);
		for (size_t at = 0; (slot = table_next(&t, &at));) {
			twice += ++*(int *)slot->value == 2;
			if (is_odd(slot->key.a)) {
				table_remove(&t, slot->key);
				at--;
			}
		}
		table_free(&t);
	}
	assert_true(twice > 0);
}

static void a_walk_over_nothing_ends(void **state)
{
	struct table t = {};
	struct table_walk walk = table_walk(&t);

	(void)state;
	assert_null(table_walk_next(&walk));
}

static void a_walk_goes_on_where_another_stopped(void **state)
{
	struct table t = {};
	struct table_walk first, second;
	int visits[ENTRIES];
	struct table_slot *slot;

	(void)state;
	fill(&t, 1, visits);
	first = second = table_walk(&t);
	for (int i = 0; i < ENTRIES / 2; i++)
		++*(int *)table_walk_next(&first)->value;
	second.passed = first.passed;
	while ((slot = table_walk_next(&second)))
		++*(int *)slot->value;
	for (int i = 0; i < ENTRIES; i++)
		assert_int_equal(visits[i], 1);
	table_free(&t);
}

static void a_value_is_made_once_and_a_full_table_begins_anew(void **state)
{
	struct table t = {};
	int *one, *two;

	(void)state;
	one = table_value(&t, (struct table_key){1, 0}, sizeof(*one), 2);
	assert_non_null(one);
	assert_int_equal(*one, 0);
	*one = 7;
	assert_ptr_equal(table_value(&t, (struct table_key){1, 0}, sizeof(*one), 2), one);
	two = table_value(&t, (struct table_key){2, 0}, sizeof(*two), 2);
	assert_ptr_equal(table_value(&t, (struct table_key){1, 0}, sizeof(*one), 2), one);
	assert_int_equal(t.count, 2);
	assert_int_equal(*two, 0);
	assert_non_null(table_value(&t, (struct table_key){3, 0}, sizeof(*one), 2));
	assert_int_equal(t.count, 1);
	assert_null(table_get(&t, (struct table_key){1, 0}));
	table_free_values(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_walk_visits_each_entry_once),
		cmocka_unit_test(a_plain_loop_that_removes_visits_some_twice),
		cmocka_unit_test(a_walk_over_nothing_ends),
		cmocka_unit_test(a_walk_goes_on_where_another_stopped),
		cmocka_unit_test(a_value_is_made_once_and_a_full_table_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
