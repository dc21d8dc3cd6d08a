/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_judge_pool.c - pools that were full before the watch began, and their healthy twins.
 */
#include "tests/unit/support/present_story.h"

#define APP 4711

static const struct finding_view *found(enum cause cause)
{
	const struct process_view *p = verdict_of(APP);

	return p ? finding(p, cause) : NULL;
}

static const struct finding_view *expect_stuck(void)
{
	const struct finding_view *f = found(CAUSE_UNCLOSED_CONNECTION);

	assert_non_null(f);
	assert_int_equal(f->verdict, VERDICT_STUCK);
	assert_non_null(f->advice);
	assert_true(f->evidence_count > 0);
	return f;
}

/* Ten connections that were used last 4 minutes before the watch. */
static void full_before(double used)
{
	story_begins();
	process(APP);
	for (int i = 0; i < 10; i++)
		stood(i, APP, used);
}

static void six_wait(double since, uint64_t stack)
{
	for (uint32_t i = 0; i < 6; i++)
		sleeps(APP, APP + 1 + i, since + i, EV_WAIT_LOCK, stack);
}

static void a_full_pool_is_found_at_once(void **state)
{
	const struct finding_view *f;

	(void)state;
	full_before(240);
	at(1);
	six_wait(-41, in_queue_pool(APP, 17));
	at(3);
	f = expect_stuck();
	assert_int_equal(f->open, 10);
	assert_int_equal(f->confidence, CONFIDENCE_CERTAIN);
	assert_int_equal(f->earlier, 10);
	assert_int_equal(f->waiters.count, 6);
	assert_true(f->waiters.oldest_seconds > 43 && f->waiters.oldest_seconds < 45);
	assert_string_equal(f->waiters.pool, "QueuePool");
	assert_string_equal(f->waiters.site->file, "/srv/shop/orders.py");
	assert_int_equal(f->waiters.site->line, 17);
	assert_non_null(strstr(f->advice, "with Session"));
	assert_string_equal(story.view->processes[0].endpoints[0].saturated, "held");
}

/* Nobody saw who took them, so the report shows where the other threads are. */
static void the_other_threads_are_shown(void **state)
{
	static const struct place_reported frames[] = {
		{EV_LANG_PYTHON, "charge", "/srv/shop/billing.py", NULL, 88, 0, 0},
	};
	const struct finding_view *f;
	uint64_t stack;

	(void)state;
	full_before(240);
	at(1);
	six_wait(-41, in_queue_pool(APP, 17));
	stack = tell_stack(APP, frames, 1);
	sleeps(APP, APP + 20, -50, EV_WAIT_TIME, in_queue(APP, 24, 0));
	sleeps(APP, APP + 21, -50, EV_WAIT_TIME, stack);
	sleeps(APP, APP + 22, -90, EV_WAIT_TIME, stack);
	sleeps(APP, APP + 23, -90, EV_WAIT_TIME, 0); /* its stack is not known */
	at(3);
	f = expect_stuck();
	assert_int_equal(f->holder.state, HOLDER_UNKNOWN);
	assert_int_equal(f->thread_lines, 2);
	assert_int_equal(f->threads[0].count, 2);
	assert_string_equal(f->threads[0].site->file, "/srv/shop/billing.py");
	assert_true(f->threads[0].longest_seconds > 92 && f->threads[0].longest_seconds < 94);
	assert_int_equal(f->threads[1].count, 1);
}

/* The kernel keeps no times of Unix sockets, and the server's words came during the watch. */
static void connections_without_times_are_idle_since_the_watch_began(void **state)
{
	const struct finding_view *f;

	(void)state;
	full_before(-1);
	at(1);
	six_wait(-41, in_queue_pool(APP, 17));
	for (int i = 0; i < 10; i++) {
		reported(i)->used_ns = story.now;
		reported(i)->status = EV_STATUS_TRANSACTION;
		tell(i);
	}
	at(9);
	assert_null(found(CAUSE_UNCLOSED_CONNECTION));
	at(11);
	f = expect_stuck();
	assert_true(f->oldest_is_minimum);
	assert_int_equal(f->in_transaction, 10);
}

static void a_pool_at_rest_is_not_accused(void **state)
{
	(void)state;
	full_before(240);
	at(30);
	expect_silence(APP);
}

#define TASK	0x80000000U
#define ASYNCIO "/usr/lib/python3.11/asyncio/"
#define ASYNCPG "/usr/lib/python3/dist-packages/asyncpg/pool.py"

static void six_tasks_wait(double since, uint64_t stack)
{
	for (uint32_t i = 0; i < 6; i++)
		sleeps(APP, TASK + i, since + i, EV_WAIT_TASK, stack);
}

/* The thread of the event loop works for all tasks, so its line is not the holder's. */
static void tasks_wait_as_threads_do(void **state)
{
	static const struct place_reported loop[] = {
		{EV_LANG_PYTHON, "run", "/usr/lib/python3.11/asyncio/runners.py", NULL, 190, 0, 0},
		{EV_LANG_PYTHON, "<module>", "/srv/shop/main.py", NULL, 7, 0, 0},
	};
	static const struct place_reported charge[] = {
		{EV_LANG_PYTHON, "charge", "/srv/shop/billing.py", NULL, 88, 0, 0},
	};
	const struct finding_view *f;

	(void)state;
	full_before(240);
	at(1);
	six_tasks_wait(-41, in_async_pool(APP, 17));
	sleeps(APP, APP, -30, EV_WAIT_MANY, tell_stack(APP, loop, 2));
	sleeps(APP, TASK + 9, -50, EV_WAIT_TASK, tell_stack(APP, charge, 1));
	at(3);
	f = expect_stuck();
	assert_int_equal(f->confidence, CONFIDENCE_CERTAIN);
	assert_int_equal(f->waiters.count, 6);
	assert_int_equal(f->waiters.tasks, 6);
	assert_string_equal(f->waiters.pool, "QueuePool");
	assert_int_equal(f->waiters.site->line, 17);
	assert_int_equal(f->holder.state, HOLDER_UNKNOWN);
	assert_int_equal(f->thread_lines, 1);
	assert_true(f->threads[0].tasks);
	assert_int_equal(f->threads[0].site->line, 88);
}

static void each_pool_of_asyncio_is_known(void **state)
{
	static const struct {
		const char *function, *file, *pool;
	} pools[] = {
		{"Pool._acquire.<locals>._acquire_impl", ASYNCPG, "asyncpg.Pool"},
		{"Pool._acquire", "/d/aiomysql/pool.py", "aiomysql.Pool"},
		{"Pool._acquire", "/d/aiopg/pool.py", "aiopg.Pool"},
		{"AsyncConnectionPool.getconn", "/d/psycopg_pool/pool_async.py", "psycopg_pool"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++) {
		full_before(240);
		at(1);
		six_tasks_wait(-41, in_asyncio(APP, "Condition.wait", ASYNCIO "locks.py",
					       pools[i].function, pools[i].file, 17, 0));
		at(3);
		assert_string_equal(expect_stuck()->waiters.pool, pools[i].pool);
		story_teardown(NULL);
	}
	full_before(240);
	at(3);
}

/* A pool that connects, or a driver that waits for the server, does so within the same function. */
static void tasks_that_wait_for_the_server_do_not_wait_for_a_connection(void **state)
{
	(void)state;
	full_before(240);
	at(1);
	six_tasks_wait(-41, in_asyncio(APP, "create_connection", ASYNCIO "base_events.py",
				       "Pool._acquire", ASYNCPG, 17, 0));
	at(2);
	assert_null(found(CAUSE_UNCLOSED_CONNECTION));
	six_tasks_wait(-41, in_asyncio(APP, "Event.wait", ASYNCIO "locks.py", "Pool._acquire",
				       ASYNCPG, 17, 0));
	at(3);
	assert_null(found(CAUSE_UNCLOSED_CONNECTION));
	six_tasks_wait(-41, in_asyncio(APP, "Queue.get", ASYNCIO "queues.py", "Pool._acquire",
				       ASYNCPG, 17, 0));
	at(4);
	expect_stuck();
}

static void tasks_that_wait_for_jobs_are_not_accused(void **state)
{
	const struct finding_view *f;

	(void)state;
	full_before(240);
	at(1);
	six_tasks_wait(-41, in_asyncio(APP, "Queue.get", ASYNCIO "queues.py", "Worker.next",
				       "/srv/shop/work.py", 17, 0));
	at(30);
	expect_silence(APP);
	six_tasks_wait(-41, in_asyncio(APP, "Queue.get", ASYNCIO "queues.py", "wait_for",
				       ASYNCIO "tasks.py", 27, EV_FRAME_TAKES));
	at(31);
	f = expect_stuck();
	assert_int_equal(f->confidence, CONFIDENCE_POSSIBLE);
	assert_int_equal(f->waiters.tasks, 6);
}

static void workers_that_wait_for_jobs_are_not_accused(void **state)
{
	(void)state;
	full_before(240);
	at(1);
	six_wait(-41, in_queue(APP, 24, 0));
	at(30);
	expect_silence(APP);
}

static void a_queue_of_connections_is_known_by_its_words(void **state)
{
	const struct finding_view *f;

	(void)state;
	full_before(240);
	at(1);
	six_wait(-41, in_queue(APP, 27, EV_FRAME_TAKES));
	at(3);
	f = expect_stuck();
	assert_int_equal(f->confidence, CONFIDENCE_POSSIBLE);
	assert_int_equal(f->waiters.count, 6);
	assert_int_equal(f->waiters.site->line, 27);
}

static void a_pool_at_work_is_busy_and_no_leak(void **state)
{
	const struct process_view *p;

	(void)state;
	full_before(240);
	at(1);
	asks(3);
	six_wait(-8, in_queue_pool(APP, 17));
	at(4);
	p = verdict_of(APP);
	assert_null(finding(p, CAUSE_UNCLOSED_CONNECTION));
	assert_string_equal(p->endpoints[0].saturated, "busy");
	assert_int_equal(p->endpoints[0].waiters.count, 6);
}

/* The other pool may be the one that is full. */
static void a_pool_at_rest_beside_a_busy_one_is_not_accused(void **state)
{
	(void)state;
	full_before(240);
	at(1);
	opens(20, APP, APP);
	identify(20, "other", "app");
	asks(20);
	six_wait(-1, in_queue_pool(APP, 17));
	at(20);
	assert_null(found(CAUSE_UNCLOSED_CONNECTION));
}

/* Of two databases, the one with transactions open is the one that is held. */
static void the_pool_of_another_database_at_rest_is_not_accused(void **state)
{
	const struct process_view *p;
	size_t accused = 0;

	(void)state;
	full_before(240);
	for (int i = 0; i < 10; i++)
		identify(i, "shop", "app");
	for (int i = 20; i < 25; i++) {
		stood(i, APP, 240);
		identify(i, "other", "app");
		reported(i)->status = EV_STATUS_TRANSACTION;
		tell(i);
	}
	at(1);
	six_wait(-41, in_queue_pool(APP, 17));
	at(3);
	p = verdict_of(APP);
	for (size_t i = 0; i < p->finding_count; i++)
		if (p->findings[i].cause == CAUSE_UNCLOSED_CONNECTION) {
			assert_int_equal(p->findings[i].open, 5);
			assert_int_equal(p->findings[i].confidence, CONFIDENCE_POSSIBLE);
			accused++;
		}
	assert_int_equal(accused, 1);
}

static void a_reply_that_is_waited_for_is_work(void **state)
{
	struct ev_thread t;

	(void)state;
	full_before(240);
	at(1);
	t = asleep(APP, APP + 30, -30, EV_WAIT_SOCKET, in_queue_pool(APP, 99));
	t.socket = reported(4)->id;
	story_tell(&t, EV_THREAD, sizeof(t));
	six_wait(-41, in_queue_pool(APP, 17));
	at(3);
	assert_null(found(CAUSE_UNCLOSED_CONNECTION));
}

static void a_client_that_sent_last_is_at_work(void **state)
{
	(void)state;
	full_before(240);
	at(1);
	flags(4, EV_CONN_ASKED);
	six_wait(-41, in_queue_pool(APP, 17));
	at(3);
	assert_null(found(CAUSE_UNCLOSED_CONNECTION));
}

static void a_wait_of_a_moment_is_not_counted(void **state)
{
	(void)state;
	full_before(240);
	at(1);
	six_wait(0.9, in_queue_pool(APP, 17));
	at(1.2);
	assert_null(found(CAUSE_UNCLOSED_CONNECTION));
}

static void connections_idle_for_a_moment_are_not_held(void **state)
{
	(void)state;
	full_before(3);
	at(1);
	six_wait(-2, in_queue_pool(APP, 17));
	at(3);
	assert_null(found(CAUSE_UNCLOSED_CONNECTION));
}

static void a_thread_that_runs_again_waits_no_more(void **state)
{
	(void)state;
	full_before(240);
	at(1);
	six_wait(-41, in_queue_pool(APP, 17));
	at(2);
	for (uint32_t i = 0; i < 6; i++)
		moves(APP, APP + 1 + i);
	at(3);
	assert_null(found(CAUSE_UNCLOSED_CONNECTION));
}

static void a_process_that_ended_has_no_waiters(void **state)
{
	(void)state;
	full_before(240);
	at(1);
	six_wait(-41, in_queue_pool(APP, 17));
	exits(APP);
	at(3);
	assert_null(found(CAUSE_UNCLOSED_CONNECTION));
}

/* The commonest real cause of a transaction that is idle. */
static void a_transaction_across_a_call_names_the_other_end(void **state)
{
	static const struct place_reported frames[] = {
		{EV_LANG_PYTHON, "charge", "/srv/shop/billing.py", NULL, 88, 0, 0},
	};
	const struct finding_view *f;
	struct ev_thread t;

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	at(1);
	begins(0);
	t = asleep(APP, APP, 1.1, EV_WAIT_SOCKET, tell_stack(APP, frames, 1));
	t.family = AF_INET;
	t.port = 443;
	t.socket = 999;
	t.address[10] = t.address[11] = 0xff;
	memcpy(t.address + 12, (uint8_t[]){203, 0, 113, 7}, 4);
	story_tell(&t, EV_THREAD, sizeof(t));
	at(32);
	f = found(CAUSE_OPEN_TRANSACTION);
	assert_non_null(f);
	assert_int_equal(f->holder.state, HOLDER_WAITING);
	assert_string_equal(f->holder.waits_for, "203.0.113.7:443");
	assert_string_equal(f->holder.site->file, "/srv/shop/billing.py");
	assert_true(f->holder.since_seconds > 30 && f->holder.since_seconds < 32);
}

static void waiting_for_the_database_itself_is_no_other_end(void **state)
{
	const struct finding_view *f;
	struct ev_thread t;

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	opens(1, APP, APP);
	at(1);
	begins(0);
	t = asleep(APP, APP, 1.1, EV_WAIT_SOCKET, in_queue_pool(APP, 88));
	t.family = AF_INET;
	t.port = 5432;
	t.socket = reported(1)->id;
	story_tell(&t, EV_THREAD, sizeof(t));
	at(32);
	f = found(CAUSE_OPEN_TRANSACTION);
	assert_non_null(f);
	assert_null(f->holder.waits_for);
}

#define TEST(name) cmocka_unit_test_teardown(name, story_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_full_pool_is_found_at_once),
		TEST(the_other_threads_are_shown),
		TEST(tasks_wait_as_threads_do),
		TEST(each_pool_of_asyncio_is_known),
		TEST(tasks_that_wait_for_the_server_do_not_wait_for_a_connection),
		TEST(tasks_that_wait_for_jobs_are_not_accused),
		TEST(connections_without_times_are_idle_since_the_watch_began),
		TEST(a_pool_at_rest_is_not_accused),
		TEST(workers_that_wait_for_jobs_are_not_accused),
		TEST(a_queue_of_connections_is_known_by_its_words),
		TEST(a_pool_at_work_is_busy_and_no_leak),
		TEST(a_pool_at_rest_beside_a_busy_one_is_not_accused),
		TEST(the_pool_of_another_database_at_rest_is_not_accused),
		TEST(a_reply_that_is_waited_for_is_work),
		TEST(a_client_that_sent_last_is_at_work),
		TEST(a_wait_of_a_moment_is_not_counted),
		TEST(connections_idle_for_a_moment_are_not_held),
		TEST(a_thread_that_runs_again_waits_no_more),
		TEST(a_process_that_ended_has_no_waiters),
		TEST(a_transaction_across_a_call_names_the_other_end),
		TEST(waiting_for_the_database_itself_is_no_other_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
