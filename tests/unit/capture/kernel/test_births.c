/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * The thread that tells of new processes, on a ring that is a pipe.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <fcntl.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

#include "user/capture/kernel/births.h"

static int ring[2];
static sem_t reported;
static uint32_t last;
static pthread_t teller;
static bool signals_blocked, ring_is_broken;

int kernel_tasks_fd(const struct kernel *k)
{
	(void)k;
	return ring[0];
}

int kernel_drain_tasks(struct kernel *k, kernel_task_fn fn, void *context)
{
	struct raw_task task;

	(void)k;
	while (read(ring[0], &task, sizeof(task)) == sizeof(task))
		fn(context, &task);
	return ring_is_broken ? -EIO : 0;
}

static void on_task(void *context, const struct raw_task *task)
{
	sigset_t now;

	assert_ptr_equal(context, &reported);
	last = task->pid;
	teller = pthread_self();
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	signals_blocked = sigismember(&now, SIGTERM) == 1;
	sem_post(&reported);
}

static void send(uint32_t pid)
{
	const struct raw_task task = {.pid = pid, .what = TASK_FORKED};

	assert_int_equal(write(ring[1], &task, sizeof(task)), sizeof(task));
}

static void expect(uint32_t pid)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	assert_int_equal(sem_timedwait(&reported, &until), 0);
	assert_int_equal(last, pid);
}

static int set_up(void **state)
{
	(void)state;
	ring_is_broken = false;
	assert_int_equal(sem_init(&reported, 0, 0), 0);
	return pipe2(ring, O_NONBLOCK | O_CLOEXEC);
}

static int tear_down(void **state)
{
	(void)state;
	close(ring[0]);
	close(ring[1]);
	return sem_destroy(&reported);
}

static void each_is_told_in_a_thread_of_its_own(void **state)
{
	struct births *b;

	(void)state;
	send(7); /* before the thread is there */
	assert_int_equal(births_open(&b, NULL, on_task, &reported), 0);
	expect(7);
	assert_false(pthread_equal(teller, pthread_self()));
	assert_true(signals_blocked);
	send(8);
	expect(8);
	births_close(b);
}

static void after_the_end_nothing_is_told(void **state)
{
	struct births *b;

	(void)state;
	assert_int_equal(births_open(&b, NULL, on_task, &reported), 0);
	births_close(b);
	send(9);
	assert_int_equal(sem_trywait(&reported), -1);
	births_close(NULL);
}

static void a_broken_ring_ends_the_thread_and_no_more(void **state)
{
	struct births *b;

	(void)state;
	ring_is_broken = true;
	assert_int_equal(births_open(&b, NULL, on_task, &reported), 0);
	births_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_is_told_in_a_thread_of_its_own, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(after_the_end_nothing_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_broken_ring_ends_the_thread_and_no_more, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
