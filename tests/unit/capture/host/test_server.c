/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Whether a process is the database server that its name says: in a tree that stands for /proc,
 * with links to files of this host.
 */
#include "tests/unit/support/tree.h"

#include "user/capture/host/server.h"

#define DATABASE 7

static struct procfs *procfs;
static uint64_t start_ns;

/* Programs of this host that stand for servers: root's, and in root's folders. */
static uint8_t database_named(const char *name)
{
	return !strcmp(name, "env") || !strcmp(name, "server") ? DATABASE : 0;
}

static void links(const char *path, const char *to)
{
	unlink(tree_path(path));
	assert_int_equal(symlink(to, tree_path(path)), 0);
}

static void process(const char *program)
{
	static const char stat[] =
		"42 (env) S 1 42 42 0 -1 4194560 100 0 0 0 10 10 0 0 20 0 1 0 90000 1000 100 "
		"18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

	tree_file("proc/42/stat", stat);
	tree_file("proc/42/ns/mnt", "");
	tree_folder("proc/1/ns");
	links("proc/42/exe", program);
}

static int begin(void **state)
{
	return tree_make(state);
}

static int end(void **state)
{
	procfs_close(procfs);
	procfs = NULL;
	return tree_remove(state);
}

/* The same mount namespace as that of process 1. */
static void on_host(void)
{
	char of_42[PATH_MAX];

	strcpy(of_42, tree_path("proc/42/ns/mnt"));
	assert_int_equal(link(of_42, tree_path("proc/1/ns/mnt")), 0);
}

static enum server_proof proof(void)
{
	struct process_facts facts;

	procfs_close(procfs);
	assert_int_equal(procfs_open(&procfs, tree_root), 0);
	if (!start_ns && !procfs_facts(procfs, 42, &facts))
		start_ns = facts.start_ns;
	return server_prove(procfs, 42, start_ns, DATABASE, database_named);
}

static void a_program_of_root_in_roots_folders_is_proven(void **state)
{
	(void)state;
	process("/usr/bin/env");
	on_host();
	/* Run by a person, it may be a copy for other ends. */
	assert_int_equal(proof(), getuid() && getuid() >= 1000 ? SERVER_LIKELY : SERVER_PROVEN);
}

static void one_in_a_container_is_likely(void **state)
{
	(void)state;
	process("/usr/bin/env");
	assert_int_equal(proof(), SERVER_LIKELY);
}

static void one_with_another_name_is_not_proven(void **state)
{
	(void)state;
	process("/usr/bin/head");
	on_host();
	assert_int_equal(proof(), SERVER_UNPROVEN);
	process("nowhere");
	assert_int_equal(proof(), SERVER_UNPROVEN);
}

static void a_file_that_others_may_write_proves_nothing(void **state)
{
	char path[PATH_MAX];

	(void)state;
	tree_file("server", "");
	assert_int_equal(chmod(tree_path("server"), 0777), 0);
	strcpy(path, tree_path("server"));
	process(path);
	on_host();
	assert_int_equal(proof(), SERVER_UNPROVEN);
}

static void another_process_with_that_pid_proves_nothing(void **state)
{
	(void)state;
	process("/usr/bin/env");
	on_host();
	proof();
	assert_int_equal(
		server_prove(procfs, 42, start_ns + 1000000000ULL, DATABASE, database_named),
		SERVER_UNPROVEN);
	assert_int_equal(server_prove(procfs, 43, start_ns, DATABASE, database_named),
			 SERVER_UNPROVEN);
	assert_int_equal(server_prove(procfs, 42, start_ns, DATABASE + 1, database_named),
			 SERVER_UNPROVEN);
	assert_int_equal(server_prove(procfs, 42, start_ns, 0, database_named), SERVER_UNPROVEN);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_program_of_root_in_roots_folders_is_proven),
		TEST(one_in_a_container_is_likely),
		TEST(one_with_another_name_is_not_proven),
		TEST(a_file_that_others_may_write_proves_nothing),
		TEST(another_process_with_that_pid_proves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
