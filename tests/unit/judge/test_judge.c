/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_judge.c - hand-written records in, verdict out: each leaker and its healthy twin.
 */
#include "tests/unit/support/story.h"

#define APP   4711
#define OTHER 4712

static char *text(const char *format, int i)
{
	static char out[128];

	snprintf(out, sizeof(out), format, i);
	return out;
}

static const struct finding_view *expect(uint32_t pid, enum cause cause, enum verdict verdict_due)
{
	const struct process_view *p = verdict_of(pid);
	const struct finding_view *f = finding(p, cause);

	assert_non_null(p);
	assert_non_null(f);
	assert_int_equal(f->verdict, verdict_due);
	assert_true(p->verdict >= verdict_due);
	assert_true(f->evidence_count > 0);
	assert_non_null(f->advice);
	assert_non_null(f->endpoint);
	return f;
}

/* Connections. */

static void keep_sessions(int n, uint32_t threads)
{
	story_begins();
	process(APP);
	for (int i = 0; i < n; i++) {
		at(i);
		opens(i, APP, APP + i % threads);
		at(i + 0.01);
		begins(i);
		at(i + 0.02);
		uses(i);
		says(i, "SELECT * FROM orders WHERE month = ?");
	}
	at(n + 1);
}

static void sessions_kept_in_transaction_are_a_leak(void **state)
{
	const struct finding_view *f;

	(void)state;
	for (uint32_t threads = 1; threads < 5; threads += 3) {
		keep_sessions(12, threads);
		f = expect(APP, CAUSE_UNCLOSED_CONNECTION, VERDICT_LEAKING);
		assert_int_equal(f->kind, KIND_FREQUENT);
		assert_int_equal(f->confidence, CONFIDENCE_CERTAIN);
		assert_int_equal(f->acquired, 12);
		assert_int_equal(f->released, 0);
		assert_true(f->open >= 11);
		assert_true(f->growth_per_minute > 40 && f->growth_per_minute < 70);
		assert_string_equal(f->endpoint, "10.0.0.5:5432/shop as app");
		assert_string_equal(f->server, "10.0.0.5:5432");
		assert_string_equal(f->sql, "SELECT * FROM orders WHERE month = ?");
		assert_string_equal(f->exhausts_limit, "open files 1024");
		assert_true(f->exhausts_seconds > 500 && f->exhausts_seconds < 2000);
		f = expect(APP, CAUSE_OPEN_TRANSACTION, VERDICT_LEAKING);
		assert_true(f->open >= 11);
		story_ends();
	}
	story_begins();
}

static void sessions_closed_each_time_are_not(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 30; i++) {
		at(i);
		opens(i, APP, APP);
		begins(i);
		at(i + 0.5);
		commits(i);
		closes(i);
	}
	at(40);
	expect_silence(APP);
}

static void a_leak_on_one_path_of_four_is_sporadic(void **state)
{
	const struct finding_view *f;

	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 60; i++) {
		at(i * 0.5);
		opens(i, APP, APP);
		begins(i);
		at(i * 0.5 + 0.1);
		uses(i);
		if (i % 4 == 0)
			continue;
		commits(i);
		closes(i);
	}
	at(31);
	f = expect(APP, CAUSE_UNCLOSED_CONNECTION, VERDICT_LEAKING);
	assert_int_equal(f->kind, KIND_SPORADIC);
	assert_int_equal(f->acquired, 60);
	assert_int_equal(f->released, 45);
}

/* An engine in each request, and no collector to close what it dropped. */
static void a_pool_for_each_request_is_a_leak(void **state)
{
	const struct finding_view *f;

	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 20; i++) {
		at(i);
		opens(i, APP, APP);
		begins(i);
		at(i + 0.1);
		ends(i, false);
	}
	at(21);
	f = expect(APP, CAUSE_UNCLOSED_CONNECTION, VERDICT_LEAKING);
	assert_int_equal(f->kind, KIND_FREQUENT);
	assert_null(finding(verdict_of(APP), CAUSE_OPEN_TRANSACTION));
}

static void connections_left_to_a_collector_are_named(void **state)
{
	int next = 0;

	(void)state;
	story_begins();
	process(APP);
	for (int sweep = 0; sweep < 5; sweep++) {
		int first = next;

		for (int i = 0; i < 6; i++) {
			at(sweep * 6 + i);
			opens(next, APP, APP);
			begins(next);
			at(sweep * 6 + i + 0.1);
			ends(next, false);
			next++;
		}
		at(sweep * 6 + 5.9);
		for (int i = first; i < next; i++)
			closes(i);
	}
	at(30.5);
	opens(next, APP, APP);
	at(31);
	expect(APP, CAUSE_UNCLOSED_CONNECTION, VERDICT_LEAKING);
}

static void work_in_pool(int connections, double from, double to, uint32_t thread)
{
	int turn = 0;

	for (double t = from; t < to; t += 0.25) {
		int id = turn++ % connections;

		at(t);
		begins(id);
		at(t + 0.01);
		uses_in(id, thread + turn % 3);
		at(t + 0.02);
		commits(id);
	}
}

static void a_pool_that_filled_and_stays_flat_is_not_accused(void **state)
{
	const struct process_view *p;

	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 10; i++) {
		at(i * 0.2);
		opens(i, APP, APP + i);
	}
	work_in_pool(10, 2, 30, APP);
	at(30);
	expect_silence(APP);
	p = verdict_of(APP);
	assert_int_equal(p->verdict, VERDICT_BOUNDED);
	assert_non_null(p->verdict_reason);
	assert_int_equal(p->endpoints[0].connections.open, 10);
	assert_int_equal(p->endpoints[0].connections.peak, 10);
}

static void a_pool_filled_by_one_thread_and_left_idle_is_not_accused(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 10; i++) {
		at(i * 0.05);
		opens(i, APP, APP);
	}
	at(30);
	expect_silence(APP);
}

static void a_pool_at_work_then_quiet_then_at_work_is_not_accused(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 5; i++) {
		at(i * 0.1);
		opens(i, APP, APP + i);
		begins(i);
		at(i * 0.1 + 0.05);
		commits(i);
	}
	work_in_pool(5, 1, 5, APP);
	at(20);
	expect_silence(APP);
	work_in_pool(5, 20, 25, APP);
	at(26);
	expect_silence(APP);
}

static void a_burst_that_outgrew_its_pool_is_not_accused(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 5; i++) {
		at(i * 0.1);
		opens(i, APP, APP + i);
	}
	work_in_pool(5, 1, 10, APP);
	for (int i = 5; i < 15; i++) { /* overflow, and closed after use */
		at(10 + i * 0.01);
		opens(i, APP, APP + i);
		begins(i);
	}
	for (int i = 5; i < 15; i++) {
		at(11 + i * 0.01);
		commits(i);
		closes(i);
	}
	work_in_pool(5, 12, 25, APP);
	at(26);
	expect_silence(APP);
}

/* pgbench -c 8: a few of eight are idle in a transaction at any instant. */
static void clients_at_full_work_are_not_accused(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 8; i++) {
		at(i * 0.001);
		opens(i, APP, APP);
	}
	for (int round = 0; round < 300; round++)
		for (int i = 0; i < 8; i++) {
			at(0.1 + round * 0.1 + i * 0.01);
			begins(i);
			if ((round + i) % 3)
				commits(i);
			else
				reported(i)->status = EV_STATUS_IDLE;
		}
	for (int i = 0; i < 3; i++)
		begins(i);
	at(30.2);
	expect_silence(APP);
}

/* pgbench -C: the ledger tells of the short only in sums. */
static void a_connection_for_each_transaction_is_not_accused(void **state)
{
	struct ev_tally tally = {.start_ns = process_start(APP),
				 .opened = 3400,
				 .requests = 23800,
				 .begun = 3400,
				 .committed = 3400,
				 .pid = APP,
				 .database = EV_DB_POSTGRESQL};
	const struct process_view *p;

	(void)state;
	story_begins();
	process(APP);
	at(1);
	opens(0, APP, APP);
	closes(0);
	at(30);
	story_tell(&tally, EV_TALLY, sizeof(tally));
	expect_silence(APP);
	p = verdict_of(APP);
	assert_int_equal(p->endpoints[0].connections.opened, 3401);
	assert_int_equal(p->endpoints[0].connections.closed, 3401);
	assert_int_equal(p->endpoints[0].transactions.begun, 3400);
}

/* A test suite may open and close all between two looks: it is a client all the same. */
static void connections_too_brief_for_any_look_make_a_client(void **state)
{
	struct ev_tally tally = {
		.start_ns = process_start(APP), .opened = 21, .pid = APP, .database = EV_DB_SQLITE};
	const struct process_view *p;

	(void)state;
	story_begins();
	process(APP);
	at(1);
	assert_null(verdict_of(APP));
	story_tell(&tally, EV_TALLY, sizeof(tally));
	p = verdict_of(APP);
	assert_non_null(p);
	assert_int_equal(p->endpoint_count, 0);
	assert_int_equal(p->verdict, VERDICT_OK);
}

static void one_connection_for_each_worker_is_not_accused(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 5; i++) { /* PHP: kept, and used again for each request */
		at(i);
		opens(i, APP, APP + i);
		begins(i);
		commits(i);
	}
	for (int t = 5; t < 60; t++) {
		at(t);
		begins(t % 5);
		at(t + 0.1);
		commits(t % 5);
	}
	at(61);
	expect_silence(APP);
}

static void workers_that_come_with_a_connection_each_are_not_accused(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 8; i++) { /* threads start one after the other, then wait for work */
		at(i * 0.2);
		opens(i, APP, APP + 1 + i);
		begins(i);
		at(i * 0.2 + 0.01);
		commits(i);
	}
	at(30);
	expect_silence(APP);
}

/* A few jobs side by side, each on its own thread and connection, compute within a transaction. */
static void jobs_that_compute_inside_their_transaction_are_not_accused(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 4; i++) {
		at(i);
		opens(i, APP, APP + 1 + i);
		begins(i);
	}
	at(6);
	expect_silence(APP);
	for (int i = 0; i < 4; i++) {
		at(8 + i);
		commits(i);
		closes(i);
	}
	at(13);
	expect_silence(APP);
}

/* Threads that each come to need a connection of their own, one after the other, and use it again.
 */
static void connections_of_threads_that_warm_up_slowly_are_not_accused(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 8; i++) {
		at(i * 2);
		opens(i, APP, APP + 1 + i);
		begins(i);
		commits(i);
		for (int j = 0; j <= i; j++) {
			at(i * 2 + 0.1 + j * 0.1);
			begins(j);
			commits(j);
		}
	}
	at(16.5);
	expect_silence(APP);
}

static void one_look_accuses_nobody(void **state)
{
	(void)state;
	story_begins_in(EV_MODE_SNAPSHOT);
	process(APP);
	for (int i = 0; i < 50; i++) {
		stood(i, APP, 3600);
		reported(i)->status = EV_STATUS_TRANSACTION;
		tell(i);
	}
	at(0.5);
	for (size_t i = 0; i < verdict_of(APP)->finding_count; i++)
		fail_msg("accused by one look");
}

static void connections_of_long_ago_that_lie_idle_are_not_accused(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 20; i++)
		stood(i, APP, 3600);
	at(30);
	assert_int_equal(verdict_of(APP)->finding_count, 0);
}

static void a_leak_that_began_before_us_is_found_when_it_goes_on(void **state)
{
	const struct finding_view *f;

	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 20; i++)
		stood(i, APP, 600 - i);
	for (int i = 20; i < 26; i++) {
		at((i - 19) * 2);
		opens(i, APP, APP);
		begins(i);
	}
	at(14);
	f = expect(APP, CAUSE_UNCLOSED_CONNECTION, VERDICT_LEAKING);
	assert_int_equal(f->acquired, 26);
	assert_int_equal(f->earlier, 20);
	assert_true(f->growth_per_minute > 15 && f->growth_per_minute < 30); /* 5 in 14 s */
}

static void transactions_from_before_the_watch_were_not_begun_in_it(void **state)
{
	const struct finding_view *f;

	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 10; i++) {
		stood(i, APP, 60 + i);
		reported(i)->status = EV_STATUS_TRANSACTION;
		tell(i);
	}
	at(30);
	f = expect(APP, CAUSE_OPEN_TRANSACTION, VERDICT_STUCK);
	assert_int_equal(f->acquired, 10);
	assert_int_equal(f->earlier, 10);
	assert_int_equal(f->kind, KIND_ONE_TIME);
	assert_non_null(strstr(f->now, "; client ports 40009, 40008, 40007 and 7 more"));
	assert_non_null(strstr(f->to_get_line, "restart the process while"));
	for (int i = 0; i < 9; i++)
		closes(i);
	f = expect(APP, CAUSE_OPEN_TRANSACTION, VERDICT_STUCK);
	assert_non_null(strstr(f->now, "; its client port is 40009"));
}

static void a_script_that_exits_with_one_connection_is_silent(void **state)
{
	(void)state;
	for (int in_transaction = 0; in_transaction < 2; in_transaction++) {
		story_begins_in(EV_MODE_RUN);
		process(APP);
		at(0.1);
		opens(0, APP, APP);
		begins(0);
		if (!in_transaction)
			commits(0);
		at(2);
		exits(APP);
		at(2.1);
		expect_silence(APP);
		assert_true(verdict_of(APP)->exited);
		story_ends();
	}
	story_begins();
}

static void a_script_that_leaves_two_to_its_exit_is_silent(void **state)
{
	(void)state;
	story_begins_in(EV_MODE_RUN);
	process(APP);
	for (int i = 0; i < 2; i++) {
		at(i);
		opens(i, APP, APP);
		begins(i);
		commits(i);
	}
	at(4);
	exits(APP);
	at(4.1);
	expect_silence(APP);
}

static void a_run_that_kept_all_until_its_end_has_leaked(void **state)
{
	const struct finding_view *f;

	(void)state;
	story_begins_in(EV_MODE_RUN);
	process(APP);
	for (int i = 0; i < 15; i++) {
		at(i * 0.3);
		opens(i, APP, APP);
		begins(i);
		at(i * 0.3 + 0.1);
		uses(i);
	}
	at(6);
	exits(APP);
	at(6.1);
	f = expect(APP, CAUSE_UNCLOSED_CONNECTION, VERDICT_LEAKING);
	assert_int_equal(f->acquired, 15);
	assert_true(f->open >= 14);
	assert_null(f->exhausts_limit);
}

/* A suite of a second proves nothing; what it left is counted, so that the report can tell it. */
static void a_brief_run_that_kept_all_until_its_end_is_not_accused(void **state)
{
	(void)state;
	story_begins_in(EV_MODE_RUN);
	process(APP);
	for (uint32_t i = 0; i < 15; i++) {
		at(i * 0.06);
		opens(i, APP, APP);
		if (i % 2)
			closes(i);
	}
	at(1);
	exits(APP);
	at(1.1);
	expect_silence(APP);
	assert_int_equal(verdict_of(APP)->endpoints[0].connections.at_exit, 8);
}

static void goodbyes_at_the_very_end_are_an_implicit_release(void **state)
{
	const struct finding_view *f;

	(void)state;
	story_begins_in(EV_MODE_RUN);
	process(APP);
	for (int i = 0; i < 15; i++) {
		at(i);
		opens(i, APP, APP);
		begins(i);
		at(i + 0.1);
		ends(i, false);
	}
	at(16);
	for (int i = 0; i < 15; i++)
		closes(i);
	at(16.1);
	exits(APP);
	at(16.2);
	f = expect(APP, CAUSE_UNCLOSED_CONNECTION, VERDICT_LEAKING);
	assert_int_equal(f->kind, KIND_IMPLICIT);
}

static void listeners_and_streams_wait_by_design(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 6; i++) {
		at(i);
		opens(i, APP, APP);
		uses(i);
		flags(i, i % 2 ? EV_CONN_LISTENING : EV_CONN_REPLICATION);
	}
	at(40);
	expect_silence(APP);
}

static void what_a_pooler_holds_is_its_job(void **state)
{
	(void)state;
	for (int role = EV_ROLE_POOLER; role <= EV_ROLE_SERVER; role++) {
		story_begins();
		process_as(APP, "pgbouncer", role);
		for (int i = 0; i < 20; i++) {
			at(i);
			opens(i, APP, APP);
			begins(i);
		}
		at(40);
		expect_silence(APP);
		story_ends();
	}
	story_begins();
}

static void prefork_children_do_not_own_the_parents_socket(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (uint32_t child = 1; child <= 4; child++)
		process(APP + child);
	at(1);
	opens(0, APP, APP);
	uses(0);
	at(2);
	for (uint32_t child = 1; child <= 4; child++)
		holds(0, APP + child);
	at(30);
	expect_silence(APP);
	for (uint32_t child = 1; child <= 4; child++)
		assert_null(verdict_of(APP + child));
}

static void a_child_that_outlives_the_parent_inherits(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	process(APP + 1);
	at(1);
	opens(0, APP, APP);
	uses(0);
	at(2);
	story_tell(&(struct ev_exit){.start_ns = process_start(APP), .pid = APP}, EV_EXIT,
		   sizeof(struct ev_exit));
	holds(0, APP + 1);
	at(30);
	expect_silence(APP + 1);
	assert_int_equal(verdict_of(APP + 1)->endpoints[0].connections.open, 1);
}

static void refused_attempts_are_no_connections_left(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 20; i++) {
		at(i);
		opens(i, APP, APP);
		flags(i, EV_CONN_REFUSED);
	}
	at(30);
	assert_null(finding(verdict_of(APP), CAUSE_UNCLOSED_CONNECTION));
}

static void connections_to_two_places_are_judged_apart(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 8; i++) { /* one to each of eight databases, by one thread */
		at(i);
		opens(i, APP, APP);
		identify(i, text("shard%d", i), "app");
		begins(i);
		at(i + 0.1);
		commits(i);
	}
	at(30);
	expect_silence(APP);
	assert_int_equal(verdict_of(APP)->endpoint_count, 8);
}

/* The server hung up. */

static void a_socket_the_server_closed_long_ago_is_stuck(void **state)
{
	const struct finding_view *f;

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	begins(0);
	commits(0);
	at(5);
	hung_up(0);
	at(30);
	f = expect(APP, CAUSE_UNCLOSED_CONNECTION, VERDICT_STUCK);
	assert_int_equal(f->kind, KIND_ONE_TIME);
	assert_int_equal(f->open, 1);
	assert_true(f->oldest_seconds > 24 && f->oldest_seconds < 26);
}

static void a_socket_the_server_has_just_closed_is_not(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	at(25);
	hung_up(0);
	at(30);
	expect_silence(APP);
}

static void sockets_the_server_keeps_closing_are_a_leak(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 8; i++) {
		at(i * 3);
		opens(i, APP, APP + i);
		at(i * 3 + 1);
		hung_up(i);
	}
	at(60);
	expect(APP, CAUSE_UNCLOSED_CONNECTION, VERDICT_LEAKING);
}

/* A pool whose server closes what is idle for long has such sockets until it uses them again. */
static void sockets_the_server_closed_before_the_watch_are_all_stuck(void **state)
{
	const struct finding_view *f;

	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 20; i++) {
		stood(i, APP, 400);
		reported(i)->hung_up_ns = STORY_START - (uint64_t)(300 - 10 * i) * 1000000000ULL;
		tell(i);
	}
	at(2);
	f = expect(APP, CAUSE_UNCLOSED_CONNECTION, VERDICT_STUCK);
	assert_int_equal(f->open, 20);
	assert_true(f->oldest_seconds > 301 && f->oldest_seconds < 303);
}

/* Transactions. */

static void a_transaction_left_open_is_stuck(void **state)
{
	const struct finding_view *f;

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	at(1);
	begins(0);
	at(1.1);
	uses(0);
	flags(0, EV_CONN_WROTE);
	says(0, "SELECT * FROM orders");
	at(32.1);
	f = expect(APP, CAUSE_OPEN_TRANSACTION, VERDICT_STUCK);
	assert_int_equal(f->kind, KIND_ONE_TIME);
	assert_int_equal(f->confidence, CONFIDENCE_CERTAIN);
	assert_int_equal(f->open, 1);
	assert_int_equal(f->acquired, 1);
	assert_int_equal(f->released, 0);
	assert_true(f->oldest_seconds > 30 && f->oldest_seconds < 32);
	assert_string_equal(f->sql, "SELECT * FROM orders");
	assert_null(finding(verdict_of(APP), CAUSE_UNCLOSED_CONNECTION));
}

/* begun - ended = open: what a closed connection took with it is open no more; an exit ends none.
 */
static void transactions_that_their_connection_ended_have_ended(void **state)
{
	(void)state;
	for (int at_exit = 0; at_exit < 2; at_exit++) {
		const struct finding_view *f;

		story_begins();
		process(APP);
		for (uint32_t i = 0; i < 15; i++) {
			at(i);
			opens(i, APP, APP);
			begins(i);
			if (i % 3)
				closes(i);
		}
		at(30);
		for (uint32_t i = 0; at_exit && i < 15; i += 3)
			closes_as(i, EV_CONN_EXIT);
		if (at_exit)
			exits(APP);
		f = finding(verdict_of(APP), CAUSE_OPEN_TRANSACTION);
		assert_non_null(f);
		assert_int_equal(f->acquired, 15);
		assert_int_equal(f->released, 10);
		assert_int_equal(f->open, 5);
		story_ends();
	}
	story_begins();
}

static void a_cursor_left_open_is_evidence_of_its_transaction(void **state)
{
	const struct finding_view *f;
	size_t before;

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	begins(0);
	at(30);
	before = expect(APP, CAUSE_OPEN_TRANSACTION, VERDICT_STUCK)->evidence_count;
	flags(0, EV_CONN_CURSOR);
	f = expect(APP, CAUSE_OPEN_TRANSACTION, VERDICT_STUCK);
	assert_int_equal(f->evidence_count, before + 1);
	assert_non_null(strstr(f->evidence[before], "a cursor was left open in it"));
}

static void a_failed_transaction_left_open_is_stuck(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	begins(0);
	reported(0)->status = EV_STATUS_FAILED;
	tell(0);
	at(30);
	expect(APP, CAUSE_OPEN_TRANSACTION, VERDICT_STUCK);
}

static void a_transaction_open_for_a_moment_is_not(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	at(20);
	begins(0);
	at(28);
	expect_silence(APP);
}

static void a_long_query_is_work(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	begins(0);
	at(1);
	asks(0);
	at(120);
	expect_silence(APP);
	uses(0); /* and then it was answered */
	commits(0);
	at(121);
	expect_silence(APP);
}

static void a_stream_being_read_is_work(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	begins(0);
	at(1);
	asks(0);
	for (int t = 2; t < 60; t++) {
		at(t);
		reported(0)->used_ns = story.now;
		reported(0)->bytes_received += 1 << 20;
		tell(0);
	}
	expect_silence(APP);
}

static void a_process_that_thinks_long_is_measured_by_itself(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	begins(0);
	at(20);
	uses(0); /* it paused for 20 s, and went on */
	at(20.1);
	commits(0);
	at(21);
	begins(0);
	at(60);
	expect_silence(APP);
	at(90);
	expect(APP, CAUSE_OPEN_TRANSACTION, VERDICT_STUCK);
}

static void a_worker_that_commits_each_time_is_not_stuck(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	for (int t = 1; t < 60; t++) {
		at(t);
		begins(0);
		at(t + 0.5);
		commits(0);
	}
	at(90);
	expect_silence(APP);
}

/* Statements. */

static void one_text_prepared_again_and_again_is_a_leak(void **state)
{
	const struct finding_view *f;

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	for (int i = 1; i <= 40; i++) {
		at(i * 0.5);
		prepares(0, i, "SELECT * FROM orders WHERE id = $1", 77);
	}
	at(21);
	f = expect(APP, CAUSE_UNCLOSED_STATEMENT, VERDICT_LEAKING);
	assert_int_equal(f->kind, KIND_FREQUENT);
	assert_int_equal(f->acquired, 40);
	assert_int_equal(f->released, 0);
	assert_int_equal(f->open, 40);
	assert_string_equal(f->sql, "SELECT * FROM orders WHERE id = $1");
}

static void one_text_prepared_and_closed_each_time_is_not(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	for (int i = 1; i <= 40; i++) {
		at(i * 0.5);
		prepares(0, i, "SELECT * FROM orders WHERE id = $1", 77);
		unprepares(0, i);
	}
	at(21);
	expect_silence(APP);
}

static void one_text_on_each_of_many_connections_is_not(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 40; i++) {
		at(i * 0.01);
		opens(i, APP, APP + i);
		prepares(i, 1, "SELECT abalance FROM pgbench_accounts WHERE aid = $1", 77);
	}
	at(20);
	for (int i = 0; i < 40; i++)
		uses(i);
	expect_silence(APP);
}

/* A cache of distinct statements that drops the oldest. */
static void a_bounded_cache_of_statements_is_not_accused(void **state)
{
	static const int sizes[] = {100, 128, 256, 512, 1000};

	(void)state;
	for (int s = 0; s < 5; s++) {
		story_begins();
		process(APP);
		opens(0, APP, APP);
		for (int i = 1; i <= 3 * sizes[s]; i++) {
			at(i * 0.01);
			prepares(0, i, text("SELECT a%d FROM t WHERE id = $1", i), 1000 + i);
			if (i > sizes[s])
				unprepares(0, i - sizes[s]);
		}
		at(40);
		expect_silence(APP);
		story_ends();
	}
	story_begins();
}

/* npm pg: query({name: 'q' + i, ...}) */
static void a_new_name_for_each_execution_is_a_leak(void **state)
{
	const struct finding_view *f;

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	for (int i = 1; i <= 2000; i++) {
		at(i * 0.01);
		prepares(0, i, text("SELECT %d + $1::int", i), 1000 + i);
	}
	at(21);
	f = finding(verdict_of(APP), CAUSE_UNCLOSED_STATEMENT);
	if (!f)
		f = finding(verdict_of(APP), CAUSE_CACHE_GROWTH);
	assert_non_null(f);
	assert_int_equal(f->verdict, VERDICT_LEAKING);
	assert_int_equal(f->open, 2000);
}

/* mysql2@1.0.0: execute('select ' + i), texts with their literals taken out. */
static void texts_that_differ_in_literals_alone_are_a_growing_cache(void **state)
{
	const struct finding_view *f;

	(void)state;
	story_begins();
	story.database = EV_DB_MYSQL;
	process(APP);
	opens(0, APP, APP);
	for (int i = 1; i <= 800; i++) {
		at(i * 0.02);
		prepares(0, i, "select ?", 1000 + i);
	}
	at(17);
	f = expect(APP, CAUSE_CACHE_GROWTH, VERDICT_LEAKING);
	assert_int_equal(f->open, 800);
	assert_string_equal(f->sql, "select ?");
}

static void statements_dropped_all_at_once_are_gone(void **state)
{
	struct ev_statement_closed all = {.id = 100};

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	for (int i = 1; i <= 40; i++)
		prepares(0, i, "SELECT * FROM orders WHERE id = $1", 77);
	at(1);
	reported(0)->unprepared = reported(0)->prepared;
	uses(0);
	story_tell(&all, EV_STATEMENT_CLOSED, sizeof(all));
	at(10);
	expect_silence(APP);
}

/* Results. */

static const struct finding_view *rows_of_sqlite(uint64_t rows, double seconds, uint64_t grown,
						 uint32_t cache_kib)
{
	const struct process_view *p;

	story_begins();
	process(APP);
	opens_file(0, APP, APP, "/srv/shop.db");
	at(8);
	reads_rows(0, rows, seconds, grown, cache_kib, false);
	at(10);
	p = verdict_of(APP);
	return p && p->finding_count ? &p->findings[0] : NULL;
}

static void rows_of_sqlite_that_are_kept_are_big(void **state)
{
	const struct finding_view *f = rows_of_sqlite(200000, 1.5, 40 << 20, 4000);

	(void)state;
	assert_non_null(f);
	assert_int_equal(f->cause, CAUSE_UNBOUNDED_RESULT);
	assert_int_equal(f->verdict, VERDICT_BIG);
	assert_int_equal(f->confidence, CONFIDENCE_LIKELY);
	assert_int_equal(f->rows, 200000);
	assert_true(f->rows_exact);
	assert_true(f->bytes == UNKNOWN64);
	assert_int_equal(f->acquired, 1);
	assert_string_equal(f->sql, "SELECT * FROM items");
}

static void rows_of_sqlite_that_are_not_are_well(void **state)
{
	static const struct {
		uint64_t rows;
		double seconds;
		uint64_t grown;
		uint32_t cache_kib;
	} reads[] = {
		/* A stream keeps none, or few; the library has pages of its own. */
		{600000, 1.5, 3 << 20, 4000},
		{600000, 1.5, 15 << 20, 4000},
		{200000, 1.5, 40 << 20, 36 << 10},
		{200000, 1.5, 40 << 20, UNKNOWN32},
		/* One that works on each row is no fetch; the program may grow as it works. */
		{200000, 30, 400 << 20, 4000},
		/* A count, a sum, a page. */
		{1, 1.5, 400 << 20, 4000},
		{20000, 1, 40 << 20, 4000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		assert_null(rows_of_sqlite(reads[i].rows, reads[i].seconds, reads[i].grown,
					   reads[i].cache_kib));
		story_ends();
	}
}

static void rows_of_sqlite_are_counted_to_their_end(void **state)
{
	const struct finding_view *f;

	(void)state;
	story_begins();
	process(APP);
	opens_file(0, APP, APP, "/srv/shop.db");
	at(8);
	reads_rows(0, 300000, 2, 60 << 20, 4000, true);
	at(9);
	f = expect(APP, CAUSE_UNBOUNDED_RESULT, VERDICT_BIG);
	assert_false(f->rows_exact);
	assert_int_equal(f->acquired, 1);
	reads_rows(0, 450000, 3, 59 << 20, 4000, false);
	at(10);
	f = expect(APP, CAUSE_UNBOUNDED_RESULT, VERDICT_BIG);
	assert_true(f->rows_exact);
	assert_int_equal(f->rows, 450000);
	assert_int_equal(f->acquired, 1);
	assert_int_equal(f->kind, KIND_ONE_TIME);
}

static void a_large_result_held_whole_is_big(void **state)
{
	const struct finding_view *f;

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	at(2);
	reads(0, 200000, 20 << 20, 60 << 20);
	at(10);
	f = expect(APP, CAUSE_UNBOUNDED_RESULT, VERDICT_BIG);
	assert_int_equal(f->rows, 200000);
	assert_true(f->rows_exact);
	assert_int_equal(f->bytes, 20 << 20);
	assert_int_equal(f->kind, KIND_ONE_TIME);
	at(12);
	reads(0, 200000, 20 << 20, 8 << 20);
	f = expect(APP, CAUSE_UNBOUNDED_RESULT, VERDICT_BIG);
	assert_int_equal(f->acquired, 2);
}

static void a_stream_of_many_rows_is_not(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	at(2);
	reads(0, 600000, 60 << 20, 200 << 10);
	at(10);
	expect_silence(APP);
}

static void a_page_of_rows_is_not(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	for (int i = 0; i < 20; i++) {
		at(i);
		reads(0, 10000, 1 << 20, 2 << 20);
	}
	at(21);
	expect_silence(APP);
}

/* What we could not see. */

static void lost_records_soften_the_verdict(void **state)
{
	static const enum ev_loss_kind kinds[] = {EV_LOSS_RING_FULL, EV_LOSS_MAP_FULL};

	(void)state;
	for (int i = 0; i < 2; i++) {
		keep_sessions(12, 1);
		loses(kinds[i]);
		assert_int_equal(
			expect(APP, CAUSE_UNCLOSED_CONNECTION, VERDICT_LEAKING)->confidence,
			CONFIDENCE_LIKELY);
		assert_int_equal(verdict()->losses[kinds[i]], 3);
		story_ends();
	}
	story_begins();
}

static void unfollowed(int app, uint32_t statements, uint32_t unsent)
{
	struct ev_unfollowed ev = {.start_ns = process_start(app), .pid = app, .unsent = unsent};

	ev.refused[EV_TABLE_STATEMENTS] = statements;
	ev.share[EV_TABLE_STATEMENTS] = 16384;
	ev.refused[EV_TABLE_TEXTS] = 1000; /* is no loss of counts */
	story_tell(&ev, EV_UNFOLLOWED, sizeof(ev));
}

static enum confidence confidence_of_leak(void)
{
	return expect(APP, CAUSE_UNCLOSED_CONNECTION, VERDICT_LEAKING)->confidence;
}

static void the_losses_of_another_process_weaken_nobody_else(void **state)
{
	static const enum ev_loss_kind kinds[] = {EV_LOSS_RING_FULL, EV_LOSS_MAP_FULL};

	(void)state;
	for (int i = 0; i < 2; i++) {
		keep_sessions(12, 1);
		process(OTHER);
		loses(kinds[i]);
		unfollowed(OTHER, 1, 1);
		assert_int_equal(confidence_of_leak(), CONFIDENCE_LIKELY); /* whose are two? */
		unfollowed(OTHER, 3, 3);
		assert_int_equal(confidence_of_leak(), CONFIDENCE_CERTAIN);
		assert_int_equal(verdict()->losses[kinds[i]], 3);
		unfollowed(OTHER, 2, 2);
		unfollowed(APP, 1, 1);
		assert_int_equal(confidence_of_leak(), CONFIDENCE_LIKELY);
		story_ends();
	}
	story_begins();
}

static void what_was_not_followed_is_a_gap_of_its_process(void **state)
{
	const struct report_view *v;

	(void)state;
	keep_sessions(12, 1);
	process(OTHER);
	unfollowed(OTHER, 5, 0);
	unfollowed(OTHER, 6, 7);
	v = verdict();
	assert_int_equal(v->gap_count, 3);
	for (size_t i = 0; i < v->gap_count; i++)
		assert_int_equal(v->gaps[i].pid, OTHER);
	assert_non_null(strstr(v->gaps[0].reason, "more than 16,384 prepared statements at once"));
	assert_non_null(strstr(v->gaps[1].reason, "new SQL texts in a second"));
	assert_non_null(strstr(v->gaps[2].reason, "events of this process were dropped"));
}

static void an_entry_refused_within_its_share_is_said_so(void **state)
{
	struct ev_unfollowed ev = {.start_ns = process_start(APP), .pid = APP};

	(void)state;
	keep_sessions(12, 1);
	ev.refused[EV_TABLE_OBJECTS] = ev.crowded[EV_TABLE_OBJECTS] = 2;
	story_tell(&ev, EV_UNFOLLOWED, sizeof(ev));
	assert_int_equal(verdict()->gap_count, 1);
	assert_non_null(strstr(verdict()->gaps[0].reason, "too many objects of client libraries"));
}

static void a_port_alone_is_a_guess(void **state)
{
	(void)state;
	keep_sessions(12, 1);
	for (int i = 0; i < 12; i++) {
		reported(i)->signs = EV_SIGN_PORT;
		tell(i);
	}
	assert_int_equal(expect(APP, CAUSE_UNCLOSED_CONNECTION, VERDICT_LEAKING)->confidence,
			 CONFIDENCE_POSSIBLE);
	assert_true(verdict_of(APP)->endpoints[0].guessed);
}

static void encrypted_connections_are_unknown_not_well(void **state)
{
	const struct process_view *p;

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	reported(0)->status = EV_STATUS_UNKNOWN;
	flags(0, EV_CONN_TLS);
	at(30);
	p = verdict_of(APP);
	assert_int_equal(p->verdict, VERDICT_UNKNOWN);
	assert_non_null(p->verdict_reason);
	assert_int_equal(p->finding_count, 0);
}

static void encrypted_connections_that_pile_up_are_still_a_leak(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 15; i++) {
		at(i);
		opens(i, APP, APP);
		reported(i)->status = EV_STATUS_UNKNOWN;
		flags(i, EV_CONN_TLS);
		at(i + 0.2);
		reported(i)->used_ns = story.now;
		tell(i);
	}
	at(16);
	assert_true(expect(APP, CAUSE_UNCLOSED_CONNECTION, VERDICT_LEAKING)->confidence <
		    CONFIDENCE_CERTAIN);
}

static void a_closing_nobody_told_of_is_no_leak(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 20; i++) {
		at(i);
		opens(i, APP, APP);
		begins(i);
		commits(i);
		at(i + 0.9);
		is_gone(i);
	}
	at(25);
	expect_silence(APP);
	assert_int_equal(verdict_of(APP)->endpoints[0].connections.open, 0);
}

static void the_guilty_come_first(void **state)
{
	const struct report_view *v;

	(void)state;
	keep_sessions(12, 1);
	process(1);
	opens(100, 1, 1);
	process(2);
	opens(101, 2, 2);
	begins(101);
	at(40);
	uses(100);
	v = verdict();
	assert_int_equal(v->process_count, 3);
	assert_int_equal(v->processes[0].pid, APP);
	assert_int_equal(v->processes[1].pid, 2);
	assert_int_equal(v->processes[2].pid, 1);
	assert_int_equal(v->processes[0].findings[0].verdict, VERDICT_LEAKING);
}

#define TEST(name) cmocka_unit_test_teardown(name, story_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sessions_kept_in_transaction_are_a_leak),
		TEST(sessions_closed_each_time_are_not),
		TEST(a_leak_on_one_path_of_four_is_sporadic),
		TEST(a_pool_for_each_request_is_a_leak),
		TEST(connections_left_to_a_collector_are_named),
		TEST(a_pool_that_filled_and_stays_flat_is_not_accused),
		TEST(a_pool_filled_by_one_thread_and_left_idle_is_not_accused),
		TEST(a_pool_at_work_then_quiet_then_at_work_is_not_accused),
		TEST(a_burst_that_outgrew_its_pool_is_not_accused),
		TEST(clients_at_full_work_are_not_accused),
		TEST(a_connection_for_each_transaction_is_not_accused),
		TEST(connections_too_brief_for_any_look_make_a_client),
		TEST(one_connection_for_each_worker_is_not_accused),
		TEST(workers_that_come_with_a_connection_each_are_not_accused),
		TEST(jobs_that_compute_inside_their_transaction_are_not_accused),
		TEST(connections_of_threads_that_warm_up_slowly_are_not_accused),
		TEST(one_look_accuses_nobody),
		TEST(connections_of_long_ago_that_lie_idle_are_not_accused),
		TEST(a_leak_that_began_before_us_is_found_when_it_goes_on),
		TEST(transactions_from_before_the_watch_were_not_begun_in_it),
		TEST(a_script_that_exits_with_one_connection_is_silent),
		TEST(a_script_that_leaves_two_to_its_exit_is_silent),
		TEST(a_run_that_kept_all_until_its_end_has_leaked),
		TEST(a_brief_run_that_kept_all_until_its_end_is_not_accused),
		TEST(goodbyes_at_the_very_end_are_an_implicit_release),
		TEST(listeners_and_streams_wait_by_design),
		TEST(what_a_pooler_holds_is_its_job),
		TEST(prefork_children_do_not_own_the_parents_socket),
		TEST(a_child_that_outlives_the_parent_inherits),
		TEST(refused_attempts_are_no_connections_left),
		TEST(connections_to_two_places_are_judged_apart),
		TEST(a_socket_the_server_closed_long_ago_is_stuck),
		TEST(a_socket_the_server_has_just_closed_is_not),
		TEST(sockets_the_server_keeps_closing_are_a_leak),
		TEST(sockets_the_server_closed_before_the_watch_are_all_stuck),
		TEST(a_transaction_left_open_is_stuck),
		TEST(transactions_that_their_connection_ended_have_ended),
		TEST(a_cursor_left_open_is_evidence_of_its_transaction),
		TEST(a_failed_transaction_left_open_is_stuck),
		TEST(a_transaction_open_for_a_moment_is_not),
		TEST(a_long_query_is_work),
		TEST(a_stream_being_read_is_work),
		TEST(a_process_that_thinks_long_is_measured_by_itself),
		TEST(a_worker_that_commits_each_time_is_not_stuck),
		TEST(one_text_prepared_again_and_again_is_a_leak),
		TEST(one_text_prepared_and_closed_each_time_is_not),
		TEST(one_text_on_each_of_many_connections_is_not),
		TEST(a_bounded_cache_of_statements_is_not_accused),
		TEST(a_new_name_for_each_execution_is_a_leak),
		TEST(texts_that_differ_in_literals_alone_are_a_growing_cache),
		TEST(statements_dropped_all_at_once_are_gone),
		TEST(a_large_result_held_whole_is_big),
		TEST(rows_of_sqlite_that_are_kept_are_big),
		TEST(rows_of_sqlite_that_are_not_are_well),
		TEST(rows_of_sqlite_are_counted_to_their_end),
		TEST(a_stream_of_many_rows_is_not),
		TEST(a_page_of_rows_is_not),
		TEST(lost_records_soften_the_verdict),
		TEST(the_losses_of_another_process_weaken_nobody_else),
		TEST(what_was_not_followed_is_a_gap_of_its_process),
		TEST(an_entry_refused_within_its_share_is_said_so),
		TEST(a_port_alone_is_a_guess),
		TEST(encrypted_connections_are_unknown_not_well),
		TEST(encrypted_connections_that_pile_up_are_still_a_leak),
		TEST(a_closing_nobody_told_of_is_no_leak),
		TEST(the_guilty_come_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
