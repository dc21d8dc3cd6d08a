/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Processor time of processes that work for us.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "user/capture/worker/kin.h"

#define MS_NS 1000000ULL

static void burn(uint64_t ns)
{
	struct timespec t;

	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	while ((uint64_t)t.tv_sec * 1000 * MS_NS + (uint64_t)t.tv_nsec < ns);
}

/* A process that burns 100 ms, has a child that burned as much and is gone, and one that lives. */
static pid_t family(int ready)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "a) b (c");
	if (!fork()) {
		burn(100 * MS_NS);
		_exit(0);
	}
	wait(NULL);
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		burn(100 * MS_NS);
		(void)!write(ready, "", 1);
		pause();
	}
	burn(100 * MS_NS);
	(void)!write(ready, "", 1);
	pause();
	_exit(0);
}

static void a_family_is_counted_whole(void **state)
{
	int ready[2];
	char byte;
	pid_t pid;
	uint64_t ns;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid = family(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	ns = kin_cpu_ns(pid);
	assert_true(ns >= 250 * MS_NS);
	assert_true(ns < 3000 * MS_NS);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(kin_cpu_ns(pid), 0);
	close(ready[0]);
	close(ready[1]);
}

static void nobody_has_no_time(void **state)
{
	(void)state;
	assert_int_equal(kin_cpu_ns(0), 0);
	assert_int_equal(kin_cpu_ns(0x3fffffff), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_family_is_counted_whole),
		cmocka_unit_test(nobody_has_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
