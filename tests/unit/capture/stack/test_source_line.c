/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_source_line.c - which lines of a program speak of connections, read from our own files.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/capture/stack/source_line.h"

static char path[] = "/tmp/source_line.XXXXXX";

static void lines_of_connections_are_told_from_others(void **state)
{
	static const char *const yes[] = {
		"conn = pool.get()",	    "c = self.idle_connections.get(timeout=3)",
		"return self._pool.get()",  "db = self.free.get()",
		"with self.db_slots:",	    "Pool.checkout",
		"item = db_pool.get(True)", "cursor = waiting.get()",
	};
	static const char *const no[] = {
		"job = jobs.get()",
		"task = self.queue.get()",
		"work = thread_pool.tasks.get()",
		"item = self.worker_pool.get()",
		"feedback = inbox.get()",
		"self.event.wait()",
		"",
		"n = stdbuf.get()",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		if (!words_of_connections(yes[i]))
			fail_msg("not of connections: %s", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (words_of_connections(no[i]))
			fail_msg("of connections: %s", no[i]);
}

static int write_source(void **state)
{
	int fd = mkstemp(path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	(void)state;
	if (!f)
		return -1;
	fputs("import queue\njob = jobs.get()\nx = 1\nconn = pool.get()", f);
	return fclose(f);
}

static int remove_source(void **state)
{
	(void)state;
	return unlink(path);
}

/* The flags of the third of these frames, whose line is that. */
static uint16_t marked(uint32_t line, const char *function)
{
	struct frame frames[] = {
		{.language = EV_LANG_PYTHON,
		 .function = "wait",
		 .file = "/l/threading.py",
		 .line = 3},
		{.language = EV_LANG_PYTHON, .function = "get", .file = "/l/queue.py", .line = 171},
		{.language = EV_LANG_PYTHON, .function = function, .file = path, .line = line},
		{.language = EV_LANG_PYTHON, .function = "<module>", .file = path, .line = 4},
	};

	source_line_mark((uint32_t)getpid(), frames, sizeof(frames) / sizeof(frames[0]));
	assert_int_equal(frames[0].flags | frames[1].flags | frames[3].flags, 0);
	return frames[2].flags;
}

static void the_line_decides(void **state)
{
	(void)state;
	assert_int_equal(marked(4, "handle"), EV_FRAME_TAKES);
	assert_int_equal(marked(2, "handle"), 0);
}

static void the_function_decides_too(void **state)
{
	(void)state;
	assert_int_equal(marked(2, "ConnectionPool.take"), EV_FRAME_TAKES);
}

static void a_line_that_is_not_there_says_nothing(void **state)
{
	(void)state;
	assert_int_equal(marked(5, "handle"), 0);
	assert_int_equal(marked(0, "handle"), 0);
	assert_int_equal(marked(4000000000U, "handle"), 0);
}

static void other_files_are_not_read(void **state)
{
	struct frame frames[] = {
		{.language = EV_LANG_PYTHON, .function = "get", .file = "/l/queue.py", .line = 171},
		{.language = EV_LANG_PYTHON, .function = "f", .file = "/dev/zero", .line = 1},
	};
	struct frame alone = {
		.language = EV_LANG_PYTHON, .function = "conn", .file = path, .line = 4};

	(void)state;
	source_line_mark((uint32_t)getpid(), frames, 2);
	assert_int_equal(frames[1].flags, 0);
	frames[1].file = "<string>";
	source_line_mark((uint32_t)getpid(), frames, 2);
	assert_int_equal(frames[1].flags, 0);
	frames[1].file = "/no/such/file";
	source_line_mark((uint32_t)getpid(), frames, 2);
	assert_int_equal(frames[1].flags, 0);
	source_line_mark((uint32_t)getpid(), &alone, 1); /* waits in nothing of the language */
	assert_int_equal(alone.flags, 0);
	source_line_mark((uint32_t)getpid(), frames, 1);
	assert_int_equal(frames[0].flags, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_connections_are_told_from_others),
		cmocka_unit_test(the_line_decides),
		cmocka_unit_test(the_function_decides_too),
		cmocka_unit_test(a_line_that_is_not_there_says_nothing),
		cmocka_unit_test(other_files_are_not_read),
	};

	return cmocka_run_group_tests(tests, write_source, remove_source);
}
