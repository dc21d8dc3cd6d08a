/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * The number of collections that an object survived is never too high.
 */
#include "user/model/collections.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define SECOND_NS 1000000000ULL

static struct collections_model model;
static struct ev_collections latest;

static void counts(double second, uint64_t full, uint64_t partial)
{
	latest.head.size = sizeof(latest);
	latest.head.ns = (uint64_t)(second * SECOND_NS);
	if (full != latest.full)
		latest.full_ns = latest.last_ns = latest.head.ns;
	if (partial != latest.partial)
		latest.last_ns = latest.head.ns;
	latest.full = full;
	latest.partial = partial;
	collections_apply(&model, &latest);
}

static int begin(void **state)
{
	(void)state;
	model = (struct collections_model){};
	latest = (struct ev_collections){.collector = EV_COLLECTOR_PYTHON};
	return 0;
}

static void only_collections_after_the_last_use_count(void **state)
{
	(void)state;
	assert_false(collections_are_counted(&model));
	assert_int_equal(collections_full_since(&model, 0), 0);
	counts(10, 0, 0);
	counts(11, 2, 5);
	counts(12, 2, 9);
	counts(13, 3, 9);
	assert_int_equal(collections_full_since(&model, 5 * SECOND_NS), 3);
	assert_int_equal(collections_full_since(&model, 10 * SECOND_NS), 3);
	/* The collections of the next record may have been before. */
	assert_int_equal(collections_full_since(&model, 10 * SECOND_NS + 1), 1);
	assert_int_equal(collections_full_since(&model, 12 * SECOND_NS), 0);
	assert_int_equal(collections_full_since(&model, 14 * SECOND_NS), 0);
}

static void more_than_can_be_remembered_are_rather_too_few(void **state)
{
	(void)state;
	for (int i = 0; i <= 100; i++)
		counts(i, (uint64_t)i, 0);
	assert_int_equal(collections_full_since(&model, 0), COLLECTION_MARKS - 1);
	assert_int_equal(collections_full_since(&model, 95 * SECOND_NS), 5);
}

static void none_ran_where_none_was_counted(void **state)
{
	(void)state;
	assert_false(collections_none_since(&model, 0));
	counts(10, 0, 0);
	assert_true(collections_none_since(&model, 5 * SECOND_NS));
	counts(11, 0, 100); /* young objects alone */
	assert_true(collections_none_since(&model, 5 * SECOND_NS));
	counts(12, 1, 100);
	assert_false(collections_none_since(&model, 5 * SECOND_NS));
	assert_true(collections_none_since(&model, 13 * SECOND_NS));
	latest.flags = EV_COLLECTIONS_STOPPED;
	counts(14, 1, 100);
	assert_false(collections_none_since(&model, 13 * SECOND_NS));
	assert_false(collections_are_counted(&model));
}

static void any_collection_of_hotspot_may_have_freed(void **state)
{
	(void)state;
	latest.collector = EV_COLLECTOR_HOTSPOT;
	counts(10, 0, 0);
	assert_true(collections_none_since(&model, 5 * SECOND_NS));
	counts(11, 0, 1);
	assert_false(collections_none_since(&model, 5 * SECOND_NS));
}

static void a_collector_that_nothing_tells_of_is_hidden(void **state)
{
	(void)state;
	assert_false(collections_are_hidden(&model)); /* nobody looked */
	latest.collector = EV_COLLECTOR_UNKNOWN;
	counts(10, 0, 0);
	assert_true(collections_are_hidden(&model));
	assert_false(collections_are_counted(&model));
	assert_false(collections_none_since(&model, 20 * SECOND_NS));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, begin)
	const struct CMUnitTest tests[] = {
		TEST(only_collections_after_the_last_use_count),
		TEST(more_than_can_be_remembered_are_rather_too_few),
		TEST(none_ran_where_none_was_counted),
		TEST(any_collection_of_hotspot_may_have_freed),
		TEST(a_collector_that_nothing_tells_of_is_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
