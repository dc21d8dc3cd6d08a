/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Which file is to blame for a worker's end, and that one which takes its time is ended.
 */
#include "user/capture/stack/native/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

static struct guard g;

static int start(void **state)
{
	(void)state;
	memset(&g, 0, sizeof(g));
	guard_share(&g,
		    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	return g.mark == MAP_FAILED;
}

static int finish(void **state)
{
	(void)state;
	munmap(g.mark, 4096);
	return 0;
}

static void blame_marked(bool out_of_time)
{
	struct guard_file marked = guard_take(&g);

	assert_int_equal(g.mark->part, 0);
	guard_blame(&g, &marked, out_of_time);
}

static void die_of(uint64_t inode, bool out_of_time)
{
	g.mark->device = 1;
	g.mark->part = GUARD_SOURCES;
	g.mark->inode = inode;
	blame_marked(out_of_time);
}

static void a_file_is_given_up_after_the_second_death(void **state)
{
	(void)state;
	assert_true(guard_allows(&g, GUARD_SOURCES, 1, 7));
	die_of(7, false);
	assert_true(guard_allows(&g, GUARD_SOURCES, 1, 7));
	die_of(7, false);
	assert_false(guard_allows(&g, GUARD_SOURCES, 1, 7));
	assert_true(guard_allows(&g, GUARD_SOURCES, 2, 7));
	assert_true(guard_allows(&g, GUARD_CODE, 1, 7));
	assert_int_equal(g.given_up, 1);
	die_of(7, false);
	assert_int_equal(g.given_up, 1);
}

static void a_file_that_takes_its_time_is_given_up_at_once(void **state)
{
	(void)state;
	die_of(7, true);
	assert_false(guard_allows(&g, GUARD_SOURCES, 1, 7));
}

static void a_death_of_no_file_blames_none(void **state)
{
	(void)state;
	blame_marked(false);
	assert_int_equal(g.count, 0);
	g.mark->part = GUARD_SOURCES + 1; /* no worker of ours writes that */
	blame_marked(false);
	assert_int_equal(g.count, 0);
	assert_true(guard_allows(&g, GUARD_CODE, 0, 0));
}

static void files_given_up_outstay_many_that_killed_once(void **state)
{
	(void)state;
	die_of(7, true);
	for (uint64_t i = 0; i < 3 * GUARD_FILES; i++)
		die_of(100 + i, false);
	assert_int_equal(g.count, GUARD_FILES);
	assert_false(guard_allows(&g, GUARD_SOURCES, 1, 7));
}

static void who_takes_longer_is_ended_and_found(void **state)
{
	struct rusage spent;
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		guard_enter(&g, GUARD_SOURCES, 1, 7);
		guard_leave(&g);
		guard_enter(&g, GUARD_SOURCES, 1, 8);
		for (volatile unsigned int i = 0;; i++)
			;
	}
	assert_int_equal(wait4(pid, &status, 0, &spent), pid);
	assert_true(WIFSIGNALED(status));
	/* A busy machine may not give it that much of a CPU: then the clock ends it. */
	if (WTERMSIG(status) == SIGALRM)
		assert_true(spent.ru_utime.tv_sec < GUARD_CPU_SECONDS);
	else
		assert_int_equal(WTERMSIG(status), SIGPROF);
	blame_marked(true);
	assert_true(guard_allows(&g, GUARD_SOURCES, 1, 7));
	assert_false(guard_allows(&g, GUARD_SOURCES, 1, 8));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_is_given_up_after_the_second_death),
		TEST(a_file_that_takes_its_time_is_given_up_at_once),
		TEST(a_death_of_no_file_blames_none),
		TEST(files_given_up_outstay_many_that_killed_once),
		TEST(who_takes_longer_is_ended_and_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
