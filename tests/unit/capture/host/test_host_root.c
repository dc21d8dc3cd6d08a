/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_host_root.c - another root is told by its process, and its cgroups by that process's mounts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <unistd.h>

#include "user/capture/host/cgroup.h"
#include "user/capture/host/host_root.h"

static void the_path_names_its_process(void **state)
{
	(void)state;
	assert_int_equal(host_root_pid("/proc/17/root/"), 17);
	assert_int_equal(host_root_pid("/proc/1/root/"), 1);
	assert_int_equal(host_root_pid(""), 0);
	assert_int_equal(host_root_pid("/tmp/17/root/"), 0);
	assert_int_equal(host_root_pid("/proc/self/root/"), 0);
	assert_int_equal(host_root_pid("/proc/-4/root/"), 0);
}

/* Whoever runs the tests: either our root is the host's, or a process below /proc has another. */
static void a_root_that_is_given_exists(void **state)
{
	const char *root = host_root();

	(void)state;
	assert_true(!*root || host_root_pid(root) > 0);
	assert_true(!*root || !access(root, X_OK));
}

static void mounts_are_those_of_the_process_with_that_root(void **state)
{
	struct cgroups *ours, *its;
	char root[64];

	(void)state;
	snprintf(root, sizeof(root), "/proc/%d/root/", getpid());
	assert_int_equal(cgroups_open(&ours, ""), 0);
	assert_int_equal(cgroups_open(&its, root), 0);
	for (int h = 0; h < CGROUP_HIERARCHIES; h++) {
		const char *a = cgroups_mount(ours, (enum cgroup_hierarchy)h);
		const char *b = cgroups_mount(its, (enum cgroup_hierarchy)h);

		assert_true(a ? b && !strcmp(a, b) : !b);
	}
	cgroups_close(ours);
	cgroups_close(its);
}

static void a_process_that_is_gone_has_no_cgroups(void **state)
{
	struct cgroups *c;

	(void)state;
	assert_int_not_equal(cgroups_open(&c, "/proc/4194305/root/"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_path_names_its_process),
		cmocka_unit_test(a_root_that_is_given_exists),
		cmocka_unit_test(mounts_are_those_of_the_process_with_that_root),
		cmocka_unit_test(a_process_that_is_gone_has_no_cgroups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
