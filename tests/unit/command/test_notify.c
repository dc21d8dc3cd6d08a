/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_notify.c - what a service manager hears of us: on a path, under an abstract name, and when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "user/command/notify.h"
#include "tests/unit/support/said.h"

static char name[64];
static int manager;

/* As systemd binds its socket: the name that stands in NOTIFY_SOCKET. */
static void manager_begin(bool abstract)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	size_t length = (size_t)snprintf(name, sizeof(name), "%sdbleak-notify-%d",
					 abstract ? "@" : "/tmp/", getpid());

	memcpy(at.sun_path, name, length);
	if (abstract)
		at.sun_path[0] = '\0';
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(manager, (struct sockaddr *)&at,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
			 0);
	setenv("NOTIFY_SOCKET", name, 1);
}

static void manager_end(void)
{
	close(manager);
	if (*name == '/')
		unlink(name);
}

/* The next datagram; empty: there is none. */
static const char *heard(void)
{
	static char text[128];
	ssize_t n = recv(manager, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void both_kinds_of_names_are_heard(void **state)
{
	(void)state;
	for (int abstract = 0; abstract < 2; abstract++) {
		struct notify n;

		manager_begin(abstract);
		notify_open(&n);
		assert_null(getenv("NOTIFY_SOCKET"));
		notify_say(&n, "READY=1");
		assert_string_equal(heard(), "READY=1");
		notify_live(&n);
		assert_string_equal(heard(), ""); /* nobody asked for it */
		assert_true(notify_wants_status(&n));
		assert_false(notify_wants_status(&n));
		notify_close(&n);
		manager_end();
	}
}

static void signs_of_life_come_in_half_the_time(void **state)
{
	char pid[16];
	struct notify n;

	(void)state;
	manager_begin(true);
	setenv("WATCHDOG_USEC", "200000", 1);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	notify_open(&n);
	assert_int_equal(n.period_ns, 100000000);
	notify_live(&n);
	notify_live(&n);
	assert_string_equal(heard(), "WATCHDOG=1");
	assert_string_equal(heard(), "");
	usleep(110000);
	notify_live(&n);
	assert_string_equal(heard(), "WATCHDOG=1");
	notify_close(&n);
	manager_end();
}

static void the_watchdog_of_another_process_is_not_ours(void **state)
{
	struct notify n;

	(void)state;
	manager_begin(true);
	setenv("WATCHDOG_USEC", "200000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	notify_open(&n);
	notify_live(&n);
	assert_string_equal(heard(), "");
	assert_null(getenv("WATCHDOG_PID"));
	notify_close(&n);
	manager_end();
}

static void a_manager_that_cannot_be_told_is_no_error(void **state)
{
	static const char *const wrong[] = {"",		"/", "@", "relative", "/nonexistent/notify",
					    "vsock:2:1"};
	char longest[200] = "/";
	struct notify n;

	(void)state;
	memset(longest + 1, 'x', sizeof(longest) - 2);
	for (size_t i = 0; i <= sizeof(wrong) / sizeof(*wrong); i++) {
		setenv("NOTIFY_SOCKET", i ? wrong[i - 1] : longest, 1);
		said_begin();
		notify_open(&n);
		assert_non_null(strstr(said_end(), "NOTIFY_SOCKET"));
		assert_true(n.fd <= 0);
		notify_say(&n, "READY=1");
		notify_live(&n);
		notify_close(&n);
	}
	notify_open(&n); /* no service at all */
	assert_int_equal(n.fd, 0);
	assert_false(notify_wants_status(&n));
}

static void a_manager_that_is_full_or_gone_delays_nothing(void **state)
{
	struct notify n;

	(void)state;
	manager_begin(true);
	notify_open(&n);
	for (int i = 0; i < 10000; i++)
		notify_say(&n, "STATUS=busy");
	manager_end();
	notify_say(&n, "STOPPING=1");
	notify_close(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_kinds_of_names_are_heard),
		cmocka_unit_test(signs_of_life_come_in_half_the_time),
		cmocka_unit_test(the_watchdog_of_another_process_is_not_ours),
		cmocka_unit_test(a_manager_that_cannot_be_told_is_no_error),
		cmocka_unit_test(a_manager_that_is_full_or_gone_delays_nothing),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
