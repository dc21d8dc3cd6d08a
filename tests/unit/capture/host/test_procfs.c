/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Facts of processes, from a fake /proc with the things real and hostile programs do to it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/capture/host/procfs.h"
#include "tests/unit/support/tree.h"

#define STAT_TAIL " S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 4096 100 1844674407"

static struct procfs *open_tree(void)
{
	struct procfs *p = NULL;

	tree_folder("proc");
	assert_int_equal(procfs_open(&p, tree_root), 0);
	return p;
}

static void an_ordinary_process_is_read(void **state)
{
	struct process_facts facts;
	struct process_usage usage;
	struct procfs *p = open_tree();
	char arguments[64];

	(void)state;
	tree_file("proc/42/stat", "42 (python3)" STAT_TAIL);
	tree_file("proc/42/comm", "python3\n");
	tree_bytes("proc/42/cmdline", "python3\0app.py\0--fast\0", 22);
	tree_file(
		"proc/42/limits",
		"Limit                     Soft Limit           Hard Limit           Units     \n"
		"Max processes             95970                95970                processes \n"
		"Max open files            1024                 524288               files     \n");
	tree_file("proc/42/status", "Name:\tpython3\nVmPeak:\t  9000 kB\nVmHWM:\t  2048 kB\n"
				    "VmRSS:\t    1024 kB\nRssAnon:\t     600 kB\n"
				    "RssFile:\t     300 kB\nRssShmem:\t     124 kB\n"
				    "VmData:\t     700 kB\nVmSwap:\t       8 kB\n");
	tree_file("proc/42/fd/0", "");
	tree_file("proc/42/fd/1", "");
	tree_file("proc/42/fd/17", "");
	assert_int_equal(procfs_facts(p, 42, &facts), 0);
	assert_int_equal(facts.pid, 42);
	assert_int_equal(facts.parent_pid, 7);
	assert_false(facts.kernel_thread);
	assert_int_equal(facts.start_ns, 1234560000000ULL);
	assert_int_equal(facts.nofile_limit, 1024);
	assert_string_equal(facts.comm, "python3");
	assert_int_equal(procfs_arguments(p, 42, facts.start_ns, arguments, sizeof(arguments)), 22);
	assert_memory_equal(arguments, "python3\0app.py\0--fast\0", 23);
	assert_int_equal(
		procfs_arguments(p, 42, facts.start_ns + 20000000, arguments, sizeof(arguments)),
		-ESRCH);
	assert_int_equal(procfs_arguments(p, 43, 0, arguments, sizeof(arguments)), -ESRCH);
	assert_int_equal(procfs_usage(p, 42, &usage), 0);
	assert_int_equal(usage.start_ns, 1234560000000ULL);
	assert_int_equal(usage.rss_bytes, 1024 * 1024);
	assert_int_equal(usage.rss_peak_bytes, 2048 * 1024);
	assert_int_equal(usage.anonymous_bytes, 600 * 1024);
	assert_int_equal(usage.file_bytes, 424 * 1024);
	assert_int_equal(usage.swapped_bytes, 8 * 1024);
	assert_int_equal(usage.data_bytes, 700 * 1024);
	assert_int_equal(usage.space_bytes, UNKNOWN64);
	assert_int_equal(usage.open_files, 3);
	procfs_close(p);
}

static void a_comm_may_look_like_the_rest_of_stat(void **state)
{
	struct process_facts facts;
	struct procfs *p = open_tree();

	(void)state;
	tree_file("proc/42/stat", "42 (a) S 1 (\nb) 9)" STAT_TAIL);
	tree_file("proc/42/comm", "a) S 1 (\nb) 9\n");
	assert_int_equal(procfs_facts(p, 42, &facts), 0);
	assert_int_equal(facts.parent_pid, 7);
	assert_string_equal(facts.comm, "a) S 1 (\nb) 9");
	procfs_close(p);
}

static void a_full_comm_keeps_all_its_15_bytes(void **state)
{
	struct process_facts facts;
	struct procfs *p = open_tree();

	(void)state;
	tree_file("proc/42/stat", "42 (abcdefghijklmno)" STAT_TAIL);
	tree_file("proc/42/comm", "abcdefghijklmno\n");
	assert_int_equal(procfs_facts(p, 42, &facts), 0);
	assert_string_equal(facts.comm, "abcdefghijklmno");
	tree_file("proc/42/comm", "kworker/0:1-events_freezable\n");
	assert_int_equal(procfs_facts(p, 42, &facts), 0);
	assert_string_equal(facts.comm, "kworker/0:1-eve");
	procfs_close(p);
}

static void an_endless_command_line_is_cut(void **state)
{
	struct procfs *p = open_tree();
	char *line = malloc(100000), arguments[256];

	(void)state;
	assert_non_null(line);
	memset(line, 'x', 100000);
	for (int i = 10; i < 100000; i += 10)
		line[i] = '\0';
	tree_file("proc/42/stat", "42 (x)" STAT_TAIL);
	tree_bytes("proc/42/cmdline", line, 100000);
	assert_int_equal(procfs_arguments(p, 42, 1234560000000ULL, arguments, sizeof(arguments)),
			 sizeof(arguments) - 1);
	assert_int_equal(arguments[10], '\0');
	free(line);
	procfs_close(p);
}

static void what_cannot_be_read_is_unknown_not_zero(void **state)
{
	struct process_facts facts;
	struct process_usage usage;
	struct procfs *p = open_tree();

	(void)state;
	tree_file("proc/42/stat", "42 (x)" STAT_TAIL);
	assert_int_equal(procfs_facts(p, 42, &facts), 0);
	assert_int_equal(facts.nofile_limit, UNKNOWN64);
	assert_int_equal(procfs_usage(p, 42, &usage), 0);
	assert_int_equal(usage.rss_bytes, UNKNOWN64);
	assert_int_equal(usage.rss_peak_bytes, UNKNOWN64);
	assert_int_equal(usage.open_files, UNKNOWN32);
	tree_file("proc/42/limits", "Max open files            unlimited            unlimited\n");
	assert_int_equal(procfs_facts(p, 42, &facts), 0);
	assert_int_equal(facts.nofile_limit, UNKNOWN64);
	procfs_close(p);
}

static void a_process_that_is_gone_is_esrch(void **state)
{
	struct process_facts facts;
	struct process_usage usage;
	uint32_t libraries = 7;
	struct procfs *p = open_tree();
	char text[16];

	(void)state;
	assert_int_equal(procfs_facts(p, 42, &facts), -ESRCH);
	assert_int_equal(procfs_usage(p, 42, &usage), -ESRCH);
	assert_int_equal(procfs_libraries(p, 42, &libraries), -ESRCH);
	assert_int_equal(libraries, 0);
	tree_folder("proc/42"); /* it died after its folder was opened */
	assert_int_equal(procfs_facts(p, 42, &facts), -ESRCH);
	assert_int_equal(procfs_read(p, 42, "cgroup", text, sizeof(text)), -ESRCH);
	tree_file("proc/42/stat", "");
	assert_int_equal(procfs_facts(p, 42, &facts), -ESRCH);
	procfs_close(p);
}

static void a_broken_stat_is_no_process(void **state)
{
	static const char *const broken[] = {"42",
					     "42 (x",
					     "42 (x)",
					     "42 (x) ",
					     "42 (x) S",
					     "42 (x) S 1 2 3",
					     "42 (x) S a b c d e f g"};
	struct process_facts facts;
	struct procfs *p = open_tree();

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		tree_file("proc/42/stat", broken[i]);
		assert_int_equal(procfs_facts(p, 42, &facts), -EPROTO);
	}
	procfs_close(p);
}

static void client_libraries_are_known_by_their_files(void **state)
{
	uint32_t found;
	struct procfs *p = open_tree();

	(void)state;
	tree_file("proc/42/maps",
		  "7f0000-7f1000 r-xp 0 fe:00 1   /usr/lib/x86_64-linux-gnu/libpq.so.5.15\n"
		  "7f2000-7f3000 r-xp 0 fe:00 2   /usr/lib/libpqxx-7.7.so\n"
		  "7f4000-7f5000 rw-p 0 00:00 0\n");
	assert_int_equal(procfs_libraries(p, 42, &found), 0);
	assert_int_equal(found, EV_LIBRARY_LIBPQ);
	tree_file(
		"proc/42/maps",
		"7f0-7f1 r-xp 0 fe:00 1 /a/psycopg2_binary.libs/libpq-e8a033dd.so.5.16 (deleted)\n"
		"7f0-7f1 r-xp 0 fe:00 1 /a/psycopg2_binary.libs/libssl-3e69114b.so.1.1\n"
		"7f0-7f1 r-xp 0 fe:00 1 /usr/lib/libmysqlclient_r.so.18\n");
	assert_int_equal(procfs_libraries(p, 42, &found), 0);
	assert_int_equal(found, EV_LIBRARY_LIBPQ | EV_LIBRARY_OPENSSL | EV_LIBRARY_MYSQL);
	tree_file("proc/42/maps",
		  "7f0-7f1 r-xp 0 fe:00 1 /usr/lib/x86_64-linux-gnu/libsqlite3.so.0.8.6\n"
		  "7f0-7f1 r-xp 0 fe:00 1 /usr/lib/x86_64-linux-gnu/libhiredis_ssl.so.0.14\n");
	assert_int_equal(procfs_libraries(p, 42, &found), 0);
	assert_int_equal(found, EV_LIBRARY_SQLITE);
	tree_file("proc/42/maps", "7f0-7f1 r-xp 0 fe:00 1 /opt/libhiredis-41c2f0a8.so.1.2.0\n");
	assert_int_equal(procfs_libraries(p, 42, &found), 0);
	assert_int_equal(found, EV_LIBRARY_HIREDIS);
	tree_file("proc/42/maps", "7f0-7f1 r-xp 0 fe:00 1 /libpq.so.5/trap\n"
				  "7f0-7f1 r-xp 0 fe:00 1 /usr/lib/libssl3.so\n"
				  "7f0-7f1 r-xp 0 fe:00 1 /home/libpq.c\n");
	assert_int_equal(procfs_libraries(p, 42, &found), 0);
	assert_int_equal(found, 0);
	procfs_close(p);
}

static void a_library_behind_a_huge_map_is_found(void **state)
{
	struct procfs *p = open_tree();
	uint32_t found;
	FILE *f;

	(void)state;
	tree_file("proc/42/maps", "");
	f = fopen(tree_path("proc/42/maps"), "w");
	assert_non_null(f);
	for (int i = 0; i < 20000; i++)
		fprintf(f, "%x-%x rw-p 00000000 00:00 0 %*s\n", i, i + 1, i % 97, "");
	fprintf(f, "7f0-7f1 r-xp 0 fe:00 1 /usr/lib/libmariadb.so.3\n");
	fclose(f);
	assert_int_equal(procfs_libraries(p, 42, &found), 0);
	assert_int_equal(found, EV_LIBRARY_MYSQL);
	procfs_close(p);
}

static void a_maps_file_without_lines_ends(void **state)
{
	char *text = malloc(200000);
	struct procfs *p = open_tree();
	uint32_t found;

	(void)state;
	assert_non_null(text);
	memset(text, '/', 200000);
	tree_bytes("proc/42/maps", text, 200000);
	free(text);
	assert_int_equal(procfs_libraries(p, 42, &found), 0);
	assert_int_equal(found, 0);
	procfs_close(p);
}

static void only_processes_are_listed(void **state)
{
	static const char *const folders[] = {
		"proc/9",   "proc/10",	"proc/self", "proc/0",
		"proc/12a", "proc/sys", "proc/-5",   "proc/99999999999999999999"};
	struct procfs *p = open_tree();
	uint32_t *pids;
	size_t count;

	(void)state;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		tree_folder(folders[i]);
	assert_int_equal(procfs_pids(p, &pids, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(pids[0], 9);
	assert_int_equal(pids[1], 10);
	free(pids);
	procfs_close(p);
}

static void start_times_agree_within_a_tick(void **state)
{
	(void)state;
	assert_true(procfs_same_start(1230000000, 1230000000));
	assert_true(procfs_same_start(1230000000, 1239999999));
	assert_true(procfs_same_start(1239999999, 1230000000));
	assert_false(procfs_same_start(1230000000, 1240000000));
	assert_false(procfs_same_start(0, UNKNOWN64));
}

static void this_process_is_read_from_the_real_proc(void **state)
{
	struct process_facts facts;
	struct process_usage usage;
	struct procfs *p;

	(void)state;
	assert_int_equal(procfs_open(&p, ""), 0);
	assert_int_equal(procfs_facts(p, (uint32_t)getpid(), &facts), 0);
	assert_int_equal(facts.parent_pid, getppid());
	assert_string_equal(facts.comm, "test_procfs");
	assert_int_equal(procfs_usage(p, (uint32_t)getpid(), &usage), 0);
	assert_in_range(usage.open_files, 3, 1000);
	assert_in_range(usage.rss_bytes, 100000, usage.rss_peak_bytes);
	procfs_close(p);
}

static void a_missing_root_is_an_error(void **state)
{
	struct procfs *p = NULL;

	(void)state;
	assert_int_equal(procfs_open(&p, "/nonexistent/dbleak"), -ENOENT);
	assert_int_equal(procfs_open(&p, tree_root), -ENOENT);
	assert_null(p);
	procfs_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(an_ordinary_process_is_read),
		tree_test(a_comm_may_look_like_the_rest_of_stat),
		tree_test(a_full_comm_keeps_all_its_15_bytes),
		tree_test(an_endless_command_line_is_cut),
		tree_test(what_cannot_be_read_is_unknown_not_zero),
		tree_test(a_process_that_is_gone_is_esrch),
		tree_test(a_broken_stat_is_no_process),
		tree_test(client_libraries_are_known_by_their_files),
		tree_test(a_library_behind_a_huge_map_is_found),
		tree_test(a_maps_file_without_lines_ends),
		tree_test(only_processes_are_listed),
		cmocka_unit_test(start_times_agree_within_a_tick),
		cmocka_unit_test(this_process_is_read_from_the_real_proc),
		tree_test(a_missing_root_is_an_error),
	};

	return cmocka_run_group_tests_name("procfs", tests, NULL, NULL);
}
