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

static void queries_are_told_from_other_work(void **state)
{
	(void)state;
	assert_true(words_of_queries("rows = c.cursor().fetchall()"));
	assert_true(words_of_queries("c.execute('SELECT 1')"));
	assert_true(words_of_queries("conn.commit()"));
	assert_false(words_of_queries("data = conn.recv(4096)"));
	assert_false(words_of_queries("conn.sendall(reply); conn.close()"));
}

#define APART "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"

static const char source[] = "def work():\n"
			     "    job = jobs.get()\n" /* line 2 */
			     "    job.run()\n" APART "def handle():\n"
			     "    conn = pool.get()\n" /* line 21 */
			     "    conn.cursor().execute('x')\n" APART "def serve():\n"
			     "    conn = accepted.get()\n" /* line 40 */
			     "    conn.sendall(conn.recv(10))\n" APART "def borrow():\n"
			     "    return pool.get()\n" APART /* line 59 */
			     "last = pool.get()";

static int write_source(void **state)
{
	int fd = mkstemp(path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	(void)state;
	if (!f)
		return -1;
	fputs(source, f);
	return fclose(f);
}

static int remove_source(void **state)
{
	(void)state;
	return unlink(path);
}

/* The flags of the third of these frames, whose line is that; caller: the line that called it. */
static uint16_t marked(uint32_t line, const char *function, uint32_t caller)
{
	struct frame frames[] = {
		{.language = EV_LANG_PYTHON,
		 .function = "wait",
		 .file = "/l/threading.py",
		 .line = 3},
		{.language = EV_LANG_PYTHON, .function = "get", .file = "/l/queue.py", .line = 171},
		{.language = EV_LANG_PYTHON, .function = function, .file = path, .line = line},
		{.language = EV_LANG_PYTHON, .function = "run", .file = path, .line = caller},
	};

	source_line_mark((uint32_t)getpid(), frames, sizeof(frames) / sizeof(frames[0]));
	assert_int_equal(frames[0].flags | frames[1].flags | frames[3].flags, 0);
	return frames[2].flags;
}

static void a_line_that_takes_a_connection_is_marked(void **state)
{
	(void)state;
	assert_int_equal(marked(21, "handle", 1), EV_FRAME_TAKES);
}

static void workers_that_wait_for_jobs_are_not_marked(void **state)
{
	(void)state;
	assert_int_equal(marked(2, "work", 1), 0);
}

/* Connections of clients go by the same words. */
static void workers_that_serve_clients_are_not_marked(void **state)
{
	(void)state;
	assert_int_equal(marked(40, "serve", 1), 0);
}

static void what_the_caller_does_counts(void **state)
{
	(void)state;
	assert_int_equal(marked(59, "borrow", 1), 0);
	assert_int_equal(marked(59, "borrow", 22), EV_FRAME_TAKES);
}

static void the_function_names_the_pool_too(void **state)
{
	(void)state;
	assert_int_equal(marked(22, "ConnectionPool.take", 1), EV_FRAME_TAKES);
}

/* "self.connected.wait()" waits for no connection of a pool. */
static void an_event_is_no_pool(void **state)
{
	struct frame frames[] = {
		{.language = EV_LANG_PYTHON,
		 .function = "wait",
		 .file = "/l/threading.py",
		 .line = 3},
		{.language = EV_LANG_PYTHON,
		 .function = "wait",
		 .file = "/l/threading.py",
		 .line = 9},
		{.language = EV_LANG_PYTHON, .function = "f", .file = path, .line = 21},
	};

	(void)state;
	source_line_mark((uint32_t)getpid(), frames, 3);
	assert_int_equal(frames[2].flags, 0);
	frames[1].function = "wait_for";
	source_line_mark((uint32_t)getpid(), frames, 3);
	assert_int_equal(frames[2].flags, EV_FRAME_TAKES);
}

/* A task waits in asyncio, with a time limit or without. */
static void tasks_wait_as_threads_do(void **state)
{
	struct frame frames[] = {
		{.language = EV_LANG_PYTHON,
		 .function = "Queue.get",
		 .file = "/l/asyncio/queues.py",
		 .line = 158},
		{.language = EV_LANG_PYTHON,
		 .function = "wait_for",
		 .file = "/l/asyncio/tasks.py",
		 .line = 466},
		{.language = EV_LANG_PYTHON, .function = "f", .file = path, .line = 21},
	};
	struct frame asleep[] = {frames[1], frames[2]};

	(void)state;
	asleep[0].function = "sleep";
	source_line_mark((uint32_t)getpid(), asleep, 2);
	assert_int_equal(asleep[1].flags, 0);
	source_line_mark((uint32_t)getpid(), frames, 3);
	assert_int_equal(frames[2].flags, EV_FRAME_TAKES);
	frames[2].flags = 0;
	frames[0].file = "/l/asyncio/locks.py";
	frames[0].function = "Event.wait";
	source_line_mark((uint32_t)getpid(), frames, 3);
	assert_int_equal(frames[2].flags, 0);
	frames[0].function = "Condition.wait";
	source_line_mark((uint32_t)getpid(), frames, 3);
	assert_int_equal(frames[2].flags, EV_FRAME_TAKES);
}

static void files_of_the_kernel_are_not_read(void **state)
{
	struct frame frames[] = {
		{.language = EV_LANG_PYTHON, .function = "get", .file = "/l/queue.py", .line = 171},
		{.language = EV_LANG_PYTHON,
		 .function = "commit_conn",
		 .file = "/proc/self/cmdline",
		 .line = 1},
	};

	(void)state;
	source_line_mark((uint32_t)getpid(), frames, 2);
	assert_int_equal(frames[1].flags, 0);
}

static void a_line_that_is_not_there_says_nothing(void **state)
{
	(void)state;
	assert_int_equal(marked(500, "handle", 1), 0);
	assert_int_equal(marked(0, "handle", 0), 0);
	assert_int_equal(marked(4000000000U, "handle", UINT32_MAX), 0);
	assert_int_equal(marked(76, "last", 1), 0); /* the file ends there */
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
		cmocka_unit_test(queries_are_told_from_other_work),
		cmocka_unit_test(a_line_that_takes_a_connection_is_marked),
		cmocka_unit_test(workers_that_wait_for_jobs_are_not_marked),
		cmocka_unit_test(workers_that_serve_clients_are_not_marked),
		cmocka_unit_test(what_the_caller_does_counts),
		cmocka_unit_test(the_function_names_the_pool_too),
		cmocka_unit_test(an_event_is_no_pool),
		cmocka_unit_test(tasks_wait_as_threads_do),
		cmocka_unit_test(files_of_the_kernel_are_not_read),
		cmocka_unit_test(a_line_that_is_not_there_says_nothing),
		cmocka_unit_test(other_files_are_not_read),
	};

	return cmocka_run_group_tests(tests, write_source, remove_source);
}
