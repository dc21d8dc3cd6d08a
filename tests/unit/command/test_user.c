/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_user.c - only a plain file of its owner is read as a file of users.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/command/user.h"

static char folder[64], path[96];

static int begin(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/dbleak-user-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/passwd", folder);
	return 0;
}

static int end(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static void make(mode_t mode, off_t size)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static void a_file_that_its_owner_alone_may_write_is_read(void **state)
{
	(void)state;
	make(0644, 100);
	assert_int_equal(user_trust(path, geteuid()), 0);
}

static void a_file_of_somebody_else_is_refused(void **state)
{
	(void)state;
	make(0644, 100);
	assert_int_equal(user_trust(path, geteuid() + 1), -EPERM);
}

static void a_file_that_others_may_write_is_refused(void **state)
{
	(void)state;
	make(0664, 100);
	assert_int_equal(user_trust(path, geteuid()), -EPERM);
}

static void a_file_without_bounds_is_refused(void **state)
{
	(void)state;
	make(0644, (off_t)1 << 40);
	assert_int_equal(user_trust(path, geteuid()), -EFBIG);
}

/* The test would hang, were it opened. */
static void a_pipe_is_never_opened(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path, 0644), 0);
	assert_int_equal(user_trust(path, geteuid()), -EINVAL);
}

static void a_host_without_one_may_have_a_directory_service(void **state)
{
	(void)state;
	assert_int_equal(user_trust(path, geteuid()), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_that_its_owner_alone_may_write_is_read,
						begin, end),
		cmocka_unit_test_setup_teardown(a_file_of_somebody_else_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(a_file_that_others_may_write_is_refused, begin,
						end),
		cmocka_unit_test_setup_teardown(a_file_without_bounds_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(a_pipe_is_never_opened, begin, end),
		cmocka_unit_test_setup_teardown(a_host_without_one_may_have_a_directory_service,
						begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
