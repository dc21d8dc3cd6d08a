/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What a process runs, from a fake /proc.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/capture/host/program_facts.h"
#include "tests/unit/support/tree.h"

static struct procfs *open_tree(void)
{
	struct procfs *p = NULL;

	tree_folder("proc/42");
	assert_int_equal(procfs_open(&p, tree_root), 0);
	return p;
}

static struct ev_program facts(const struct procfs *p)
{
	struct ev_program program = {.pid = 42};

	program_facts(p, &program);
	return program;
}

static void exe(const char *path)
{
	unlink(tree_path("proc/42/exe"));
	assert_int_equal(symlink(path, tree_path("proc/42/exe")), 0);
}

static void user_program_and_unit_are_read(void **state)
{
	struct procfs *p = open_tree();
	struct ev_program program;

	(void)state;
	tree_file("proc/42/status", "Name:\tUid:\nUmask:\t0022\nUid:\t1000\t0\t0\t0\n");
	tree_file("proc/42/cgroup", "0::/system.slice/orders.service\n");
	exe("/usr/bin/python3.11");
	program = facts(p);
	assert_int_equal(program.uid, 1000);
	assert_string_equal(program.exe, "/usr/bin/python3.11");
	assert_string_equal(program.unit, "orders.service");
	exe("/opt/shop/feed (deleted)");
	assert_string_equal(facts(p).exe, "/opt/shop/feed");
	procfs_close(p);
}

static void what_cannot_be_read_is_unknown(void **state)
{
	struct procfs *p = open_tree();
	struct ev_program program = facts(p);

	(void)state;
	assert_int_equal(program.uid, UNKNOWN32);
	assert_string_equal(program.exe, "");
	assert_string_equal(program.unit, "");
	procfs_close(p);
}

static void the_unit_is_the_innermost_service(void **state)
{
	static const struct {
		const char *cgroup, *unit;
	} cases[] = {
		{"0::/user.slice/user-1000.slice/user@1000.service/app.slice/shop.service\n",
		 "shop.service"},
		{"0::/user.slice/user-1000.slice/session-3.scope\n", ""},
		{"0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", ""},
		{"0::/system.slice/orders.service/workers/7\n", "orders.service"},
		{"12:pids:/system.slice/a.service\n1:name=systemd:/system.slice/a.service\n0::/\n",
		 "a.service"},
		{"0::/.service\n", ""},
		{"0::/\n", ""},
		{"nonsense", ""},
	};
	struct procfs *p = open_tree();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tree_file("proc/42/cgroup", cases[i].cgroup);
		assert_string_equal(facts(p).unit, cases[i].unit);
	}
	procfs_close(p);
}

static void a_long_path_keeps_its_end(void **state)
{
	struct procfs *p = open_tree();
	struct ev_program program;
	char path[600];

	(void)state;
	memset(path, 'd', sizeof(path));
	path[0] = '/';
	strcpy(path + sizeof(path) - 6, "/feed");
	exe(path);
	program = facts(p);
	assert_int_equal(strlen(program.exe), EV_TEXT_LEN - 1);
	assert_string_equal(program.exe + EV_TEXT_LEN - 6, "/feed");
	procfs_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(user_program_and_unit_are_read),
		tree_test(what_cannot_be_read_is_unknown),
		tree_test(the_unit_is_the_innermost_service),
		tree_test(a_long_path_keeps_its_end),
	};

	return cmocka_run_group_tests_name("program_facts", tests, NULL, NULL);
}
