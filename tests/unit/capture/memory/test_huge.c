/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Which huge pages a kernel gives, on fake hosts with and without a switch for each size.
 */

#include "user/capture/memory/huge.h"
#include "tests/unit/support/tree.h"
#include "user/base/file.h"

#define SWITCH "sys/kernel/mm/transparent_hugepage/"

static void expect(enum growing_huge pages, bool between)
{
	int root = file_open_root(tree_root);

	assert_true(root >= 0);
	assert_int_equal(huge_pages(root), pages);
	assert_int_equal(huge_between(root), between);
	close(root);
}

static void a_kernel_without_them_gives_none(void **state)
{
	(void)state;
	tree_file("sys/kernel/mm/lru_gen/enabled", "1\n");
	expect(GROWING_HUGE_NEVER, false);
}

static void an_older_kernel_has_one_switch(void **state)
{
	(void)state;
	tree_file(SWITCH "enabled", "always madvise [never]\n");
	expect(GROWING_HUGE_NEVER, false);
	tree_file(SWITCH "enabled", "always [madvise] never\n");
	expect(GROWING_HUGE_ASKED, false);
	tree_file(SWITCH "enabled", "[always] madvise never\n");
	expect(GROWING_HUGE_ALWAYS, false);
}

static void each_size_may_have_its_own_or_inherit(void **state)
{
	(void)state;
	tree_file(SWITCH "enabled", "[always] madvise never\n");
	tree_file(SWITCH "hugepages-2048kB/enabled", "always [inherit] madvise never\n");
	tree_file(SWITCH "hugepages-64kB/enabled", "always inherit madvise [never]\n");
	expect(GROWING_HUGE_ALWAYS, false);
	tree_file(SWITCH "hugepages-64kB/enabled", "always [inherit] madvise never\n");
	expect(GROWING_HUGE_ALWAYS, true);
	tree_file(SWITCH "enabled", "always madvise [never]\n");
	expect(GROWING_HUGE_NEVER, false);
	tree_file(SWITCH "hugepages-2048kB/enabled", "always inherit [madvise] never\n");
	tree_file(SWITCH "hugepages-16kB/enabled", "always inherit [madvise] never\n");
	expect(GROWING_HUGE_ASKED, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(a_kernel_without_them_gives_none),
		tree_test(an_older_kernel_has_one_switch),
		tree_test(each_size_may_have_its_own_or_inherit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
