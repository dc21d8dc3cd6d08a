/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_judge_requests.c - full pools that are known by the requests that get no answer, and their
 * healthy twins.
 */
#include "tests/unit/support/present_story.h"

#define APP 4711

static const struct finding_view *found(void)
{
	const struct process_view *p = verdict_of(APP);

	return p ? finding(p, CAUSE_UNCLOSED_CONNECTION) : NULL;
}

static void stood_idle(int connections)
{
	story_begins();
	process(APP);
	for (int i = 0; i < connections; i++)
		stood(i, APP, 60);
}

static struct ev_serving serving(uint32_t requests, double since, double cpu)
{
	struct ev_serving v = {.start_ns = process_start(APP),
			       .cpu_ns = (uint64_t)(cpu * 1e9),
			       .unanswered = requests,
			       .first = (uint32_t)((1ULL << requests) - 1),
			       .pid = APP};

	for (uint32_t i = 0; i < requests; i++)
		v.came_ns[i] = (uint64_t)((int64_t)STORY_START + (int64_t)((since + i) * 1e9));
	return v;
}

/* The same at two looks, a second apart. */
static void look_twice(struct ev_serving v, double cpu_later)
{
	at(1);
	story_tell(&v, EV_SERVING, sizeof(v));
	at(3);
	v.cpu_ns = (uint64_t)(cpu_later * 1e9);
	story_tell(&v, EV_SERVING, sizeof(v));
}

static void requests_behind_a_full_pool_are_found(void **state)
{
	const struct finding_view *f;

	(void)state;
	stood_idle(10);
	look_twice(serving(6, -30, 1), 1.01);
	f = found();
	assert_non_null(f);
	assert_int_equal(f->verdict, VERDICT_STUCK);
	assert_int_equal(f->confidence, CONFIDENCE_POSSIBLE);
	assert_true(has_evidence(f, "may-wait-for-others"));
	assert_int_equal(f->open, 10);
	assert_int_equal(f->waiters.count, 6);
	assert_true(f->waiters.requests);
	assert_null(f->waiters.pool);
	assert_non_null(f->waiters.unseen);
	assert_true(f->waiters.oldest_seconds > 32 && f->waiters.oldest_seconds < 34);
	assert_string_equal(story.view->processes[0].endpoints[0].saturated, "held");
}

/* The holders among the requests came before. */
static void only_requests_after_the_last_use_are_counted(void **state)
{
	(void)state;
	stood_idle(10);
	look_twice(serving(6, -61.5, 1), 1.01);
	assert_int_equal(found()->waiters.count, 4);
}

static void connections_inside_transactions_make_it_likely(void **state)
{
	struct ev_serving v = serving(1, -30, 1);

	(void)state;
	stood_idle(10);
	for (int i = 0; i < 10; i++) {
		reported(i)->status = EV_STATUS_TRANSACTION;
		tell(i);
	}
	v.first = 0;
	look_twice(v, 1.01);
	assert_non_null(found());
	assert_int_equal(found()->confidence, CONFIDENCE_LIKELY);
	assert_false(has_evidence(found(), "may-wait-for-others"));
	assert_int_equal(found()->waiters.count, 1);
}

static void one_request_may_wait_for_anything(void **state)
{
	(void)state;
	stood_idle(10);
	look_twice(serving(1, -30, 1), 1.01);
	expect_silence(APP);
}

/* One persistent connection of a worker. */
static void one_connection_may_be_at_rest(void **state)
{
	(void)state;
	stood_idle(1);
	look_twice(serving(6, -30, 1), 1.01);
	expect_silence(APP);
}

/* A heartbeat, a subscription, an event that nobody answers. */
static void words_on_a_socket_that_was_answered_once_are_no_request(void **state)
{
	struct ev_serving v = serving(6, -30, 1);

	(void)state;
	stood_idle(10);
	v.first = 0;
	look_twice(v, 1.01);
	expect_silence(APP);
}

static void a_process_that_computes_is_not_accused(void **state)
{
	(void)state;
	stood_idle(10);
	look_twice(serving(6, -30, 1), 1.5);
	expect_silence(APP);
}

static void a_process_that_asks_another_server_is_not_accused(void **state)
{
	struct ev_serving v = serving(6, -30, 1);

	(void)state;
	stood_idle(10);
	v.calls = 1;
	v.called[0] = 12345;
	look_twice(v, 1.01);
	expect_silence(APP);
}

/* COM_STMT_CLOSE has no answer. */
static void a_database_that_was_spoken_to_last_is_no_other_server(void **state)
{
	struct ev_serving v = serving(6, -30, 1);

	(void)state;
	stood_idle(10);
	v.calls = 1;
	v.called[0] = reported(3)->id;
	look_twice(v, 1.01);
	assert_non_null(found());
}

static void a_process_that_waits_for_a_child_is_not_accused(void **state)
{
	(void)state;
	stood_idle(10);
	look_twice(serving(6, -30, 1), 1.01);
	sleeps(APP, APP + 1, -30, EV_WAIT_CHILD, 0);
	expect_silence(APP);
}

/* The stacks of Python are read: nobody waits for a connection. */
static void a_language_whose_stacks_are_read_is_not_accused(void **state)
{
	(void)state;
	stood_idle(10);
	look_twice(serving(6, -30, 1), 1.01);
	sleeps(APP, APP + 1, -30, EV_WAIT_LOCK, in_queue(APP, 24, 0));
	expect_silence(APP);
}

static uint64_t in_loop(const char *file, uint32_t flags)
{
	const struct place_reported frames[] = {{EV_LANG_PYTHON, "run", file, NULL, 647, 0, 0}};

	return tell_flagged_stack(APP, frames, 1, flags);
}

/* A thread in an event loop shows nothing of who waits in it, where only the loop is read. */
static void who_waits_in_a_loop_that_is_not_read_is_found(void **state)
{
	static const struct {
		const char *file;
		uint32_t flags;
		bool hidden;
	} loops[] = {
		{"/usr/lib/python3/dist-packages/gevent/hub.py", EV_STACK_GREENLET, true},
		{"/usr/lib/python3.14/asyncio/base_events.py", 0, true},
		{"/usr/lib/python3/dist-packages/twisted/internet/epollreactor.py", 0, true},
		{"/usr/lib/python3.11/socketserver.py", 0, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
		stood_idle(10);
		look_twice(serving(6, -30, 1), 1.01);
		sleeps(APP, APP + 1, -30, EV_WAIT_MANY, in_loop(loops[i].file, loops[i].flags));
		assert_int_equal(found() != NULL, loops[i].hidden);
		if (loops[i].hidden)
			assert_non_null(found()->waiters.unseen);
		story_teardown(state);
	}
}

/* The tasks of asyncio are read, and none waits for a connection. */
static void a_loop_whose_tasks_are_read_is_not_accused(void **state)
{
	(void)state;
	stood_idle(10);
	look_twice(serving(6, -30, 1), 1.01);
	sleeps(APP, APP + 1, -30, EV_WAIT_MANY,
	       in_loop("/usr/lib/python3.11/asyncio/base_events.py", 0));
	sleeps(APP, 0x80000001U, -30, EV_WAIT_TASK, in_queue(APP, 24, 0));
	expect_silence(APP);
}

static void one_look_accuses_nobody(void **state)
{
	struct ev_serving v = serving(6, -30, 1);

	(void)state;
	stood_idle(10);
	at(3);
	story_tell(&v, EV_SERVING, sizeof(v));
	expect_silence(APP);
}

static void a_request_of_a_moment_is_no_proof(void **state)
{
	(void)state;
	stood_idle(10);
	look_twice(serving(2, 0, 1), 1.01);
	expect_silence(APP);
}

static void requests_that_were_answered_are_forgotten(void **state)
{
	struct ev_serving none = serving(0, 0, 0);

	(void)state;
	stood_idle(10);
	look_twice(serving(6, -30, 1), 1.01);
	story_tell(&none, EV_SERVING, sizeof(none));
	expect_silence(APP);
}

static void a_pool_at_work_is_busy(void **state)
{
	const struct process_view *p;

	(void)state;
	stood_idle(3);
	look_twice(serving(6, -30, 1), 1.01);
	for (int i = 0; i < 3; i++)
		asks(i);
	p = verdict_of(APP);
	assert_null(finding(p, CAUSE_UNCLOSED_CONNECTION));
	assert_string_equal(p->endpoints[0].saturated, "busy");
	assert_int_equal(p->endpoints[0].waiters.count, 6);
}

static void fewer_requests_than_connections_at_work_wait_for_nothing(void **state)
{
	(void)state;
	stood_idle(3);
	look_twice(serving(3, -30, 1), 1.01);
	for (int i = 0; i < 3; i++)
		asks(i);
	assert_int_equal(verdict_of(APP)->endpoints[0].waiters.count, 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, story_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(requests_behind_a_full_pool_are_found),
		TEST(only_requests_after_the_last_use_are_counted),
		TEST(connections_inside_transactions_make_it_likely),
		TEST(one_request_may_wait_for_anything),
		TEST(one_connection_may_be_at_rest),
		TEST(words_on_a_socket_that_was_answered_once_are_no_request),
		TEST(a_process_that_computes_is_not_accused),
		TEST(a_process_that_asks_another_server_is_not_accused),
		TEST(a_database_that_was_spoken_to_last_is_no_other_server),
		TEST(a_process_that_waits_for_a_child_is_not_accused),
		TEST(a_language_whose_stacks_are_read_is_not_accused),
		TEST(who_waits_in_a_loop_that_is_not_read_is_found),
		TEST(a_loop_whose_tasks_are_read_is_not_accused),
		TEST(one_look_accuses_nobody),
		TEST(a_request_of_a_moment_is_no_proof),
		TEST(requests_that_were_answered_are_forgotten),
		TEST(a_pool_at_work_is_busy),
		TEST(fewer_requests_than_connections_at_work_wait_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
