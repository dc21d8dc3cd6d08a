/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_stream.c - lines of --events on their way: to slow readers, to none, and at what cost.
 */
#include "tests/unit/support/story.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "user/command/stream.h"
#include "user/system/clock.h"

#define PROCESSES 300

static int wire[2];
static FILE *out;

static int begin(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	if (pipe(wire) || fcntl(wire[1], F_SETPIPE_SZ, 4096) < 0)
		return -1;
	out = fdopen(wire[1], "w");
	story_begins();
	return out ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	fclose(out);
	if (wire[0] >= 0)
		close(wire[0]);
	model_close(story.model);
	return 0;
}

/* Many clients, whose lines do not fit the pipe. */
static void crowd(void)
{
	for (uint32_t pid = 1; pid <= PROCESSES; pid++) {
		process(pid);
		opens(pid, pid, pid);
	}
	at(1);
}

/* All that waits in the pipe; its lines are counted. */
static size_t read_lines(void)
{
	char bytes[4096];
	struct pollfd p = {.fd = wire[0], .events = POLLIN};
	size_t lines = 0;

	while (poll(&p, 1, 0) > 0 && p.revents & POLLIN) {
		ssize_t n = read(wire[0], bytes, sizeof(bytes));

		for (ssize_t i = 0; i < n; i++)
			lines += bytes[i] == '\n';
	}
	return lines;
}

static void a_slow_reader_delays_nobody_and_misses_nothing(void **state)
{
	struct stream *s = stream_open(out, NULL, NULL);
	size_t lines = 0;
	uint64_t began;

	(void)state;
	crowd();
	began = clock_monotonic_ns();
	for (int i = 0; i < 100; i++)
		assert_int_equal(stream_watch(s, story.model), 0);
	assert_true(clock_monotonic_ns() - began < 2000000000);
	for (int i = 0; i < 1000 && lines < 1 + PROCESSES; i++) {
		lines += read_lines();
		assert_int_equal(stream_watch(s, story.model), 0);
	}
	assert_int_equal(lines, 1 + PROCESSES);
	stream_close(s);
}

static void a_reader_that_goes_ends_the_stream(void **state)
{
	struct stream *s = stream_open(out, NULL, NULL);

	(void)state;
	at(1);
	assert_int_equal(stream_watch(s, story.model), 0);
	close(wire[0]);
	wire[0] = -1;
	assert_int_equal(stream_watch(s, story.model), -EPIPE);
	stream_close(s);
}

static void two_looks_at_once_are_one_judgement(void **state)
{
	struct stream *s = stream_open(out, NULL, NULL);

	(void)state;
	at(1);
	assert_int_equal(stream_watch(s, story.model), 0);
	assert_int_equal(read_lines(), 1);
	process(7);
	opens(1, 7, 7);
	at(2);
	assert_int_equal(stream_watch(s, story.model), 0);
	assert_int_equal(read_lines(), 0);
	poll(NULL, 0, 1100);
	assert_int_equal(stream_watch(s, story.model), 0);
	assert_int_equal(read_lines(), 1);
	stream_close(s);
}

/* The time of a recording is that of its records. */
static void a_replay_goes_by_the_time_of_its_ticks(void **state)
{
	struct stream *s = stream_open(out, NULL, NULL);
	struct ev_head tick = {.kind = EV_TICK, .ns = STORY_START + 2000000000},
		       other = {.kind = EV_PROCESS, .ns = STORY_START + 9000000000};

	(void)state;
	process(7);
	opens(1, 7, 7);
	at(2);
	assert_int_equal(stream_replay(s, story.model, &other), 0);
	assert_int_equal(read_lines(), 0);
	assert_int_equal(stream_replay(s, story.model, &tick), 0);
	assert_int_equal(read_lines(), 2);
	process(8);
	opens(2, 8, 8);
	tick.ns += 900000000;
	assert_int_equal(stream_replay(s, story.model, &tick), 0);
	assert_int_equal(read_lines(), 0);
	tick.ns += 200000000;
	assert_int_equal(stream_replay(s, story.model, &tick), 0);
	assert_int_equal(read_lines(), 1);
	stream_close(s);
}

/* Else a small file could ask for hours of work. */
static void a_long_replay_is_judged_less_often(void **state)
{
	struct stream *s = stream_open(out, NULL, NULL);
	struct ev_head tick = {.kind = EV_TICK, .ns = STORY_START}, other = {.kind = EV_PROCESS};
	uint32_t pid = 1;

	(void)state;
	assert_true(fcntl(wire[1], F_SETPIPE_SZ, 65536) > 0); /* a replay waits for its reader */
	at(1);
	for (int i = 0; i < 10239; i++)
		assert_int_equal(stream_replay(s, story.model, &other), 0);
	assert_int_equal(stream_replay(s, story.model, &tick), 0);
	assert_int_equal(read_lines(), 1);
	for (int i = 0; i < 40; i++, pid++) {
		process(pid);
		opens(pid, pid, pid);
		tick.ns += 2000000000;
		assert_int_equal(stream_replay(s, story.model, &tick), 0);
		assert_int_equal(read_lines(), i % 20 == 19 ? 20 : 0);
	}
	stream_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_slow_reader_delays_nobody_and_misses_nothing,
						begin, end),
		cmocka_unit_test_setup_teardown(a_reader_that_goes_ends_the_stream, begin, end),
		cmocka_unit_test_setup_teardown(two_looks_at_once_are_one_judgement, begin, end),
		cmocka_unit_test_setup_teardown(a_replay_goes_by_the_time_of_its_ticks, begin, end),
		cmocka_unit_test_setup_teardown(a_long_replay_is_judged_less_often, begin, end),
	};

	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
