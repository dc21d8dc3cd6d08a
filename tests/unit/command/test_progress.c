/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_progress.c - a line of progress on a terminal, and none anywhere else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "user/command/progress.h"

static int kept, screen;

static int begin(void **state)
{
	const struct winsize size = {.ws_row = 5, .ws_col = 20};
	int terminal;

	(void)state;
	kept = dup(STDERR_FILENO);
	screen = posix_openpt(O_RDWR | O_NOCTTY);
	if (kept < 0 || screen < 0 || grantpt(screen) || unlockpt(screen) ||
	    ioctl(screen, TIOCSWINSZ, &size))
		return -1;
	terminal = open(ptsname(screen), O_RDWR | O_NOCTTY);
	dup2(terminal, STDERR_FILENO);
	close(terminal);
	setenv("TERM", "xterm", 1);
	return 0;
}

static int end(void **state)
{
	(void)state;
	dup2(kept, STDERR_FILENO);
	close(kept);
	close(screen);
	return 0;
}

/* What the terminal got since the last call. */
static const char *shown(void)
{
	static char text[512];
	struct pollfd p = {.fd = screen, .events = POLLIN};
	ssize_t n = poll(&p, 1, 50) > 0 ? read(screen, text, sizeof(text) - 1) : 0;

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void a_short_work_shows_nothing(void **state)
{
	struct progress p;

	(void)state;
	progress_begin(&p, true);
	assert_false(progress_is_due(&p));
	progress_end(&p);
	assert_string_equal(shown(), "");
}

static void a_long_work_shows_a_line_that_fits_and_takes_it_away(void **state)
{
	struct progress p;

	(void)state;
	progress_begin(&p, true);
	usleep(510000);
	assert_true(progress_is_due(&p));
	progress_show(&p, "reading: %d %% of a long recording", 42);
	assert_string_equal(shown(), "\r\033[Kreading: 42 % of a ");
	assert_false(progress_is_due(&p));
	progress_end(&p);
	assert_string_equal(shown(), "\r\033[K");
	progress_end(&p);
	assert_string_equal(shown(), "");
}

static void a_stopped_terminal_is_not_waited_for(void **state)
{
	struct progress p;

	(void)state;
	progress_begin(&p, true);
	progress_show(&p, "first");
	assert_string_equal(shown(), "\r\033[Kfirst");
	assert_int_equal(tcflow(STDERR_FILENO, TCOOFF), 0);
	alarm(5); /* a write would wait for ever */
	progress_show(&p, "second");
	assert_false(progress_is_due(&p));
	progress_end(&p);
	alarm(0);
	assert_int_equal(tcflow(STDERR_FILENO, TCOON), 0);
	assert_string_equal(shown(), "");
}

static void nobody_who_does_not_want_it_gets_a_line(void **state)
{
	struct progress p = {0};

	(void)state;
	for (int i = 0; i < 3; i++) {
		if (i == 1)
			progress_begin(&p, false);
		if (i == 2) {
			setenv("TERM", "dumb", 1);
			progress_begin(&p, true);
		}
		p.due_ns = 0;
		assert_false(progress_is_due(&p));
		progress_show(&p, "reading");
		progress_end(&p);
		assert_string_equal(shown(), "");
	}
}

static void a_pipe_gets_no_line_of_progress(void **state)
{
	struct progress p;
	int wire[2], nothing = 0;

	(void)state;
	assert_int_equal(pipe(wire), 0);
	dup2(wire[1], STDERR_FILENO);
	progress_begin(&p, true);
	p.due_ns = 0;
	assert_false(progress_is_due(&p));
	progress_show(&p, "reading");
	progress_end(&p);
	assert_int_equal(ioctl(wire[0], FIONREAD, &nothing), 0);
	assert_int_equal(nothing, 0);
	close(wire[0]);
	close(wire[1]);
}

static void a_file_that_was_written_is_named_with_its_size(void **state)
{
	(void)state;
	progress_written("report", "a.txt", 0);
	assert_string_equal(shown(), "dbleak: report written to a.txt\r\n");
	progress_written("recording", "b", 12345);
	assert_string_equal(shown(), "dbleak: recording written to b (12,345 bytes)\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_short_work_shows_nothing, begin, end),
		cmocka_unit_test_setup_teardown(
			a_long_work_shows_a_line_that_fits_and_takes_it_away, begin, end),
		cmocka_unit_test_setup_teardown(a_stopped_terminal_is_not_waited_for, begin, end),
		cmocka_unit_test_setup_teardown(nobody_who_does_not_want_it_gets_a_line, begin,
						end),
		cmocka_unit_test_setup_teardown(a_pipe_gets_no_line_of_progress, begin, end),
		cmocka_unit_test_setup_teardown(a_file_that_was_written_is_named_with_its_size,
						begin, end),
	};

	return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
