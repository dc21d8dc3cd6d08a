/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/* The child that closes descriptors last.  A pipe shows whether somebody still holds its end. */
#include "user/capture/probe/remover.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY	    200
#define PATIENCE_MS 5000

static struct remover *remover;

static int open_remover(void **state)
{
	(void)state;
	remover = remover_open();
	return remover ? 0 : -1;
}

static int close_remover(void **state)
{
	(void)state;
	remover_close(remover);
	remover = NULL;
	return 0;
}

/* Does nobody hold the end that writes, after at most so long? */
static bool is_let_go(int end, int ms)
{
	struct pollfd p = {.fd = end};

	return poll(&p, 1, ms) == 1 && p.revents & POLLHUP;
}

static void a_set_is_closed_when_it_is_taken_out_and_not_before(void **state)
{
	uint64_t set;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	set = remover_keep(remover, &ends[1], 1);
	assert_true(set);
	close(ends[1]);
	assert_false(is_let_go(ends[0], 100));
	remover_take_out(remover, &set, 1, REMOVER_SOON);
	assert_true(is_let_go(ends[0], 0));
	close(ends[0]);
}

static void a_set_may_be_larger_than_a_message(void **state)
{
	int writes[MANY], reads[MANY], ends[2];
	uint64_t set;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		reads[i] = ends[0];
		writes[i] = ends[1];
	}
	set = remover_keep(remover, writes, MANY);
	assert_true(set);
	for (int i = 0; i < MANY; i++)
		close(writes[i]);
	assert_false(is_let_go(reads[MANY - 1], 100));
	remover_take_out(remover, &set, 1, REMOVER_AT_ONCE);
	for (int i = 0; i < MANY; i++) {
		assert_true(is_let_go(reads[i], 0));
		close(reads[i]);
	}
}

static void sets_are_closed_each_for_itself(void **state)
{
	uint64_t sets[2];
	int one[2], other[2];

	(void)state;
	assert_int_equal(pipe2(one, O_CLOEXEC), 0);
	assert_int_equal(pipe2(other, O_CLOEXEC), 0);
	sets[0] = remover_keep(remover, &one[1], 1);
	sets[1] = remover_keep(remover, &other[1], 1);
	assert_true(sets[0] && sets[1] && sets[0] != sets[1]);
	close(one[1]);
	close(other[1]);
	remover_take_out(remover, &sets[1], 1, REMOVER_SOON);
	assert_true(is_let_go(other[0], 0));
	assert_false(is_let_go(one[0], 100));
	remover_close(remover);
	remover = NULL;
	assert_true(is_let_go(one[0], 0));
	close(one[0]);
	close(other[0]);
}

/* As when we are killed: nobody says what to take out, the socket just closes. */
static void all_is_closed_when_its_owner_is_gone(void **state)
{
	int ends[2];
	pid_t owner;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	owner = fork();
	if (!owner) {
		struct remover *own = remover_open();

		_exit(!own || !remover_keep(own, &ends[1], 1));
	}
	close(ends[1]);
	remover_close(remover); /* it was forked before the pipe, and has no end of it */
	remover = NULL;
	assert_int_equal(waitpid(owner, NULL, 0), owner);
	assert_true(is_let_go(ends[0], PATIENCE_MS));
	close(ends[0]);
}

static void without_a_child_nothing_is_kept(void **state)
{
	const uint64_t none = 0;
	int fd = 0;

	(void)state;
	assert_int_equal(remover_keep(NULL, &fd, 1), 0);
	assert_int_equal(remover_keep(remover, &fd, 0), 0);
	remover_take_out(NULL, &none, 1, REMOVER_SOON);
	remover_take_out(remover, &none, 1, REMOVER_SOON);
	assert_int_equal(remover_cpu_ns(NULL), 0);
	remover_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_set_is_closed_when_it_is_taken_out_and_not_before,
						open_remover, close_remover),
		cmocka_unit_test_setup_teardown(a_set_may_be_larger_than_a_message, open_remover,
						close_remover),
		cmocka_unit_test_setup_teardown(sets_are_closed_each_for_itself, open_remover,
						close_remover),
		cmocka_unit_test_setup_teardown(all_is_closed_when_its_owner_is_gone, open_remover,
						close_remover),
		cmocka_unit_test_setup_teardown(without_a_child_nothing_is_kept, open_remover,
						close_remover),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
