/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_present.c - the words for who waits: threads, tasks of event loops, or both.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "user/report/present.h"

static const struct frame_view site = {
	.language = EV_LANG_PYTHON, .function = "request", .file = "orders.py", .line = 17};

static void says(const struct waiters_view *v, const char *expected)
{
	struct words w = {0};

	words_waiters(&w, v, 200);
	assert_string_equal(w.text, expected);
}

static void who_waits_is_called_what_it_is(void **state)
{
	struct waiters_view v = {
		.count = 6, .oldest_seconds = 41, .pool = "QueuePool", .site = &site};

	(void)state;
	says(&v, "6 threads wait for a connection in QueuePool, the first for 41 s, at "
		 "orders.py:17 request()");
	v.tasks = 6;
	says(&v, "6 tasks wait for a connection in QueuePool, the first seen there for 41 s, at "
		 "orders.py:17 request()");
	v.tasks = 2;
	says(&v, "6 threads and tasks wait for a connection in QueuePool, the first seen there "
		 "for 41 s, at orders.py:17 request()");
	v.count = v.tasks = 1;
	says(&v, "1 task waits for a connection in QueuePool, seen there for 41 s, at orders.py:17 "
		 "request()");
	v.count = 0;
	says(&v, "");
}

static void lines_of_tasks_are_told_from_those_of_threads(void **state)
{
	struct threads_view lines[] = {
		{.count = 10, .tasks = true, .longest_seconds = 31, .site = &site},
		{.count = 1, .tasks = true, .longest_seconds = 8, .site = &site},
	};
	struct finding_view f = {.threads = lines, .thread_lines = 2};
	struct words w = {0};

	(void)state;
	assert_true(all_tasks(&f));
	words_threads(&w, &f, 200);
	assert_string_equal(w.text, "10 at orders.py:17 request(), seen there for 31 s; 1 at "
				    "orders.py:17 request(), seen there for 8 s");
	lines[1].tasks = false;
	assert_false(all_tasks(&f));
	w = (struct words){0};
	words_threads(&w, &f, 200);
	assert_string_equal(w.text,
			    "10 (tasks) at orders.py:17 request(), seen there for 31 s; 1 at "
			    "orders.py:17 request(), for 8 s");
	f.thread_lines = 0;
	assert_false(all_tasks(&f));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_is_called_what_it_is),
		cmocka_unit_test(lines_of_tasks_are_told_from_those_of_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
