/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_model.c - what the model remembers of hand-written records.
 */
#include "user/model/model.h"
#include "tests/unit/support/story.h"

#define APP 4711

static const struct endpoint_view *endpoint(uint32_t pid, size_t i)
{
	const struct process_view *p = verdict_of(pid);

	assert_non_null(p);
	assert_true(i < p->endpoint_count);
	return &p->endpoints[i];
}

static void a_state_replaces_the_one_before(void **state)
{
	const struct endpoint_view *e;

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	for (int i = 0; i < 5; i++) {
		begins(0);
		commits(0);
		tell(0); /* told twice is counted once */
	}
	begins(0);
	e = endpoint(APP, 0);
	assert_int_equal(e->connections.open, 1);
	assert_int_equal(e->connections.opened, 1);
	assert_int_equal(e->transactions.begun, 6);
	assert_int_equal(e->transactions.committed, 5);
	assert_int_equal(e->transactions.open, 1);
	assert_int_equal(e->connections.in_transaction, 1);
	assert_int_equal(e->connections.idle, 0);
}

static void an_older_state_that_comes_late_replaces_nothing(void **state)
{
	struct ev_connection birth;

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	birth = *reported(0);
	reported(0)->bytes_sent = 80;
	reported(0)->bytes_received = 300;
	begins(0);
	assert_int_equal(endpoint(APP, 0)->transactions.open, 1);
	story_tell(&birth, EV_CONNECTION, sizeof(birth));
	assert_int_equal(endpoint(APP, 0)->transactions.open, 1);
	assert_int_equal(endpoint(APP, 0)->connections.open, 1);
	birth.flags |= EV_CONN_CLOSED;
	story_tell(&birth, EV_CONNECTION, sizeof(birth));
	assert_int_equal(endpoint(APP, 0)->connections.open, 0);
}

static void one_that_turns_out_to_be_new_is_counted_as_such(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	stood(0, APP, -1);
	assert_int_equal(endpoint(APP, 0)->connections.pre_existing, 1);
	reported(0)->flags = EV_CONN_AUTHENTICATED;
	reported(0)->born_ns = story.now;
	tell(0);
	identify(0, "shop", "app");
	assert_int_equal(verdict_of(APP)->endpoint_count, 1);
	assert_int_equal(endpoint(APP, 0)->connections.pre_existing, 0);
	assert_int_equal(endpoint(APP, 0)->connections.opened, 1);
	assert_int_equal(endpoint(APP, 0)->connections.open, 1);
}

static void a_race_in_the_counts_does_not_wrap_them(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	reported(0)->prepared = 3;
	reported(0)->unprepared = 4;
	tell(0);
	assert_int_equal(endpoint(APP, 0)->statements.open, 0);
	at(30);
	assert_int_equal(verdict_of(APP)->finding_count, 0);
	closes(0);
	assert_int_equal(verdict_of(APP)->finding_count, 0);
}

/* 20,000 statements a second wrap the counters of a record after some 60 hours. */
static void counters_of_a_record_that_wrap_count_on(void **state)
{
	const struct endpoint_view *e;

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	for (uint64_t all = 0; all <= 5ULL << 32; all += 1ULL << 30) {
		reported(0)->prepared = (uint32_t)(all + 3);
		reported(0)->unprepared = (uint32_t)all;
		reported(0)->begun = reported(0)->committed = (uint32_t)all;
		reported(0)->rolled_back = (uint32_t)(all / 2);
		at(1 + (double)(all >> 30));
		tell(0);
	}
	e = endpoint(APP, 0);
	assert_int_equal(e->statements.open, 3);
	assert_int_equal(e->statements.prepared, (5ULL << 32) + 3);
	assert_int_equal(e->statements.closed, 5ULL << 32);
	assert_int_equal(e->transactions.begun, 5ULL << 32);
	assert_int_equal(e->transactions.committed, 5ULL << 32);
	assert_int_equal(e->transactions.rolled_back, 5ULL << 31);
	reported(0)->prepared--; /* a statement that was not one */
	tell(0);
	assert_int_equal(endpoint(APP, 0)->statements.prepared, (5ULL << 32) + 2);
	closes(0);
	assert_int_equal(endpoint(APP, 0)->statements.prepared, (5ULL << 32) + 2);
}

/* Its state once the server has let it in, so many seconds after connect(). */
static struct ev_connection let_in(uint32_t id, double seconds, uint32_t flags)
{
	struct ev_connection c = {.id = id,
				  .start_ns = process_start(APP),
				  .born_ns = story.now,
				  .used_ns = story.now + (uint64_t)(seconds * 1e9),
				  .pid = APP,
				  .flags = EV_CONN_AUTHENTICATED | flags,
				  .database = EV_DB_POSTGRESQL,
				  .signs = EV_SIGN_HANDSHAKE,
				  .comm = "app"};

	return c;
}

static void say(struct ev_connection c)
{
	story_tell(&c, EV_CONNECTION, sizeof(c));
}

static void the_time_of_an_opening_ends_before_the_first_request(void **state)
{
	struct ev_connection late, quick, gone;
	const struct endpoint_view *e;

	(void)state;
	story_begins();
	process(APP);
	quick = let_in(1, 0.004, 0);
	gone = let_in(2, 0.7, EV_CONN_CLOSED);
	late = let_in(3, 2, 0);
	late.requests = 1; /* its last message may be any */
	say(quick);
	quick.requests = 5;
	quick.used_ns += 60000000000;
	say(quick);
	say(gone);
	say(late);
	say(let_in(4, 3, EV_CONN_TLS));
	say(let_in(5, 3, EV_CONN_PRE_EXISTING));
	e = endpoint(APP, 0);
	assert_int_equal(e->connections.opened, 4);
	assert_int_equal(durations_within(&e->created, DURATION_BOUNDS), 2);
	assert_int_equal(durations_within(&e->created, 0), 0); /* 1 ms */
	assert_int_equal(durations_within(&e->created, 1), 1); /* 5 ms */
	assert_int_equal(durations_within(&e->created, 5), 1); /* 500 ms */
	assert_int_equal(durations_within(&e->created, 6), 2); /* 1 s */
	assert_int_equal(e->created.sum_ns, 704000000);
}

/* The record that names the server comes after that of the connection. */
static void the_time_of_an_opening_goes_with_its_connection(void **state)
{
	struct ev_connection c;

	(void)state;
	story_begins();
	process(APP);
	opens(1, APP, APP);
	c = *reported(1);
	c.used_ns = c.born_ns + 2000000;
	say(c);
	assert_int_equal(endpoint(APP, 0)->created.sum_ns, 2000000);
	identify(1, "shop", "bob");
	assert_int_equal(verdict_of(APP)->endpoint_count, 1);
	assert_string_equal(endpoint(APP, 0)->user, "bob");
	assert_int_equal(endpoint(APP, 0)->created.sum_ns, 2000000);
}

static void what_closed_stays_counted(void **state)
{
	const struct endpoint_view *e;

	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 3; i++) {
		opens(i, APP, APP);
		prepares(i, 1, "SELECT 1", 5);
		begins(i);
	}
	commits(0);
	closes(0);
	ends(1, false);
	closes(1);
	closes(2);
	e = endpoint(APP, 0);
	assert_int_equal(e->connections.open, 0);
	assert_int_equal(e->connections.opened, 3);
	assert_int_equal(e->connections.closed, 3);
	assert_int_equal(e->connections.peak, 3);
	assert_int_equal(e->transactions.begun, 3);
	assert_int_equal(e->transactions.committed, 1);
	assert_int_equal(e->transactions.rolled_back, 1);
	assert_int_equal(e->transactions.abandoned, 1);
	assert_int_equal(e->transactions.open, 0);
	assert_int_equal(e->statements.prepared, 3);
}

static void one_told_of_only_at_its_end_was_there(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	*reported(0) = (struct ev_connection){.id = 100,
					      .start_ns = process_start(APP),
					      .born_ns = story.now,
					      .pid = APP,
					      .database = EV_DB_POSTGRESQL,
					      .flags = EV_CONN_CLOSED | EV_CONN_TERMINATED};
	tell(0);
	assert_int_equal(endpoint(APP, 0)->connections.opened, 1);
	assert_int_equal(endpoint(APP, 0)->connections.closed, 1);
	assert_int_equal(endpoint(APP, 0)->connections.open, 0);
}

static void where_a_connection_leads_may_become_known_later(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	opens(1, APP, APP);
	identify(1, "other", "app");
	assert_int_equal(verdict_of(APP)->endpoint_count, 2);
	assert_string_equal(endpoint(APP, 0)->name, "shop");
	assert_int_equal(endpoint(APP, 0)->connections.open, 1);
	assert_string_equal(endpoint(APP, 1)->name, "other");
	assert_int_equal(endpoint(APP, 1)->connections.open, 1);
	assert_string_equal(endpoint(APP, 1)->address, "10.0.0.5:5432");
	assert_string_equal(endpoint(APP, 1)->user, "app");
}

static void a_server_names_what_a_connection_did_not(void **state)
{
	struct ev_session s = {.source = EV_SESSION_TITLE, .user = "ann", .name = "shop"};

	(void)state;
	story_begins();
	process(APP);
	stood(0, APP, 5);
	s.id = reported(0)->id;
	story_tell(&s, EV_SESSION, sizeof(s));
	assert_string_equal(endpoint(APP, 0)->user, "ann");
	assert_string_equal(endpoint(APP, 0)->name, "shop");
	opens(1, APP, APP);
	s.id = reported(1)->id;
	story_tell(&s, EV_SESSION, sizeof(s));
	assert_string_equal(endpoint(APP, 1)->user, "app");
	assert_int_equal(verdict_of(APP)->endpoint_count, 2);
}

static void addresses_of_all_families_are_told_apart(void **state)
{
	struct ev_identity v6 = {.id = 100, .port = 3306, .family = AF_INET6};
	struct ev_identity local = {.id = 101, .family = AF_UNIX, .path = "/run/x/.s.PGSQL.5432"};

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	opens(1, APP, APP);
	v6.address[15] = 1;
	story_tell(&v6, EV_IDENTITY, sizeof(v6));
	memset(local.path + 20, 0, sizeof(local.path) - 20);
	story_tell(&local, EV_IDENTITY, sizeof(local));
	assert_int_equal(verdict_of(APP)->endpoint_count, 2);
	assert_string_equal(endpoint(APP, 0)->address, "[::1]:3306");
	assert_string_equal(endpoint(APP, 1)->address, "/run/x/.s.PGSQL.5432");
	assert_null(endpoint(APP, 1)->name);
}

static void a_path_without_end_is_survived(void **state)
{
	struct ev_identity local = {.id = 100, .family = AF_UNIX};

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	memset(local.path, 'p', sizeof(local.path));
	story_tell(&local, EV_IDENTITY, sizeof(local));
	assert_int_equal(strlen(endpoint(APP, 0)->address), EV_PATH_LEN);
}

static void a_pid_that_comes_back_is_another_process(void **state)
{
	struct ev_process p = {.start_ns = 77, .pid = APP, .comm = "other"};
	const struct report_view *v;

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	exits(APP);
	at(5);
	story_tell(&p, EV_PROCESS, sizeof(p));
	*reported(1) = *reported(0);
	reported(1)->id = 500;
	reported(1)->start_ns = 77;
	reported(1)->flags = EV_CONN_AUTHENTICATED;
	tell(1);
	v = verdict();
	assert_int_equal(v->process_count, 2);
	assert_int_equal(v->processes[0].exited + v->processes[1].exited, 1);
}

/* Each record says all that is known of it then. */
static void what_a_container_belongs_to_may_become_known_later(void **state)
{
	struct ev_container told = {.pid = APP, .image = "shop/api:1.4"};
	const struct report_view *v;

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	v = verdict();
	assert_null(v->processes[0].pod);
	assert_null(v->processes[0].image);
	at(2);
	told.start_ns = process_start(APP);
	strcpy(told.pod, "web-7d9");
	strcpy(told.pod_namespace, "shop");
	story_tell(&told, EV_CONTAINER, sizeof(told));
	v = verdict();
	assert_string_equal(v->processes[0].pod, "web-7d9");
	assert_string_equal(v->processes[0].pod_namespace, "shop");
	assert_string_equal(v->processes[0].image, "shop/api:1.4");
}

static void a_start_known_to_a_tick_is_the_same_process(void **state)
{
	static const struct {
		uint64_t apart;
		size_t processes;
	} starts[] = {{0, 1}, {9999999, 1}, {10000000, 2}};

	(void)state;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		struct ev_process exact = {.start_ns = process_start(APP) + starts[i].apart,
					   .pid = APP,
					   .comm = "app"};

		story_begins();
		process(APP);
		opens(0, APP, APP);
		story_tell(&exact, EV_PROCESS, sizeof(exact));
		*reported(1) = *reported(0);
		reported(1)->id = 500;
		reported(1)->start_ns = exact.start_ns;
		tell(1);
		assert_int_equal(verdict()->process_count, starts[i].processes);
		story_teardown(state);
	}
}

static void an_exit_ends_what_nobody_else_holds(void **state)
{
	struct ev_exit e = {
		.start_ns = process_start(APP), .pid = APP, .rss_peak_bytes = UNKNOWN64};

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	begins(0);
	story_tell(&e, EV_EXIT, sizeof(e)); /* and its closing was lost */
	at(3);
	is_gone(0);
	assert_int_equal(endpoint(APP, 0)->connections.open, 0);
	assert_int_equal(endpoint(APP, 0)->transactions.abandoned, 1);
	assert_true(verdict_of(APP)->exited);
}

static void a_holder_matters_only_when_the_owner_is_gone(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	process(APP + 1);
	opens(0, APP, APP);
	holds(0, APP + 1);
	assert_null(verdict_of(APP + 1));
	assert_int_equal(endpoint(APP, 0)->connections.open, 1);
}

static void records_of_unknown_connections_are_passed_over(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	reported(9)->id = 12345;
	identify(9, "shop", "app");
	says(9, "SELECT 1");
	is_gone(9);
	holds(9, APP);
	reads(9, 1, 1 << 20, 0);
	assert_int_equal(verdict()->process_count, 0);
}

static void a_process_without_connections_is_not_reported(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	at(3);
	assert_int_equal(verdict()->process_count, 0);
}

static void facts_are_replaced_by_later_ones(void **state)
{
	const struct process_view *p;

	(void)state;
	story_begins();
	process_as(APP, "python3", EV_ROLE_CLIENT);
	opens(0, APP, APP);
	process_as(APP, "orders", EV_ROLE_CLIENT); /* after exec */
	p = verdict_of(APP);
	assert_string_equal(p->comm, "orders");
	assert_string_equal(p->cmdline, "orders --serve");
	assert_null(p->runtime);
	assert_int_equal(p->rss_start, 50 << 20);
	assert_int_equal(p->rss_peak, 60 << 20);
}

static void a_gap_is_told_once(void **state)
{
	struct ev_gap gap = {.start_ns = process_start(APP), .pid = APP, .text = "TLS"};

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	for (int i = 0; i < 20; i++) {
		story_tell(&gap, EV_GAP, sizeof(gap));
		gap.pid = i % 2 ? APP : 0;
	}
	assert_int_equal(verdict()->gap_count, 2);
	assert_string_equal(verdict()->gaps[0].reason, "TLS");
	assert_string_equal(verdict()->gaps[0].comm, "app");
}

static void a_death_at_a_probe_comes_before_every_gap(void **state)
{
	struct ev_withdrawn death = {.pid = 7, .signal = 4, .comm = "victim"};
	struct ev_gap gap = {.start_ns = process_start(APP), .pid = APP, .text = "TLS"};

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	story_tell(&gap, EV_GAP, sizeof(gap));
	at(3);
	story_tell(&death, EV_WITHDRAWN, sizeof(death));
	death.pid = 8;
	story_tell(&death, EV_WITHDRAWN, sizeof(death));
	assert_int_equal(verdict()->gap_count, 2);
	assert_true(verdict()->gaps[0].withdrawn);
	assert_int_equal(verdict()->gaps[0].pid, 7);
	assert_string_equal(verdict()->gaps[0].comm, "victim");
	assert_non_null(strstr(verdict()->gaps[0].reason, "died of SIGILL"));
	assert_non_null(strstr(verdict()->gaps[0].reason, "3.0 s after"));
	assert_false(verdict()->gaps[1].withdrawn);
}

static void losses_and_costs_are_the_latest(void **state)
{
	struct ev_cost cost = {.cpu_ns = 1000000000,
			       .bpf_ns = 1000000000,
			       .events = 123,
			       .kernel_bytes = UNKNOWN64};

	(void)state;
	story_begins();
	loses(EV_LOSS_READ_FAULT);
	loses(EV_LOSS_READ_FAULT);
	at(20);
	assert_true(verdict()->cpu_percent < 0); /* not known yet */
	story_tell(&cost, EV_COST, sizeof(cost));
	assert_int_equal(verdict()->losses[EV_LOSS_READ_FAULT], 3);
	assert_int_equal(verdict()->events, 123);
	assert_true(verdict()->cpu_percent > 9.9 && verdict()->cpu_percent < 10.1);
	assert_int_equal(verdict()->kernel_bytes, UNKNOWN64);
	assert_true(verdict()->seconds > 19.9);
}

static void a_recording_without_end_was_cut(void **state)
{
	struct ev_end end = {.records = 3};

	(void)state;
	story_begins();
	assert_true(verdict()->cut);
	story_tell(&end, EV_END, sizeof(end));
	assert_false(verdict()->cut);
}

static void a_view_outlives_its_model(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	says(0, "SELECT 1");
	begins(0);
	at(30);
	verdict();
	model_close(story.model);
	story.model = model_open();
	assert_string_equal(story.view->processes[0].comm, "app");
	assert_string_equal(story.view->processes[0].findings[0].sql, "SELECT 1");
	assert_string_equal(story.view->processes[0].findings[0].endpoint,
			    "10.0.0.5:5432/shop as app");
}

static void many_lives_are_remembered_and_more_are_counted(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 3 * PAST_MOST; i++) {
		at(i * 0.001);
		opens(0, APP, APP);
		reported(0)->id = 1000 + i;
		tell(0);
		closes(0);
	}
	at(20);
	assert_int_equal(endpoint(APP, 0)->connections.opened +
				 (verdict_of(APP)->endpoint_count > 1
					  ? endpoint(APP, 1)->connections.opened
					  : 0),
			 3 * PAST_MOST + 1);
}

static size_t statements(void)
{
	return story.model->statements.count;
}

static void statements_end_with_their_connection_but_for_the_fullest(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (uint32_t id = 0; id < 3; id++) {
		opens(id, APP, APP);
		for (uint64_t i = 0; i < 4 - id; i++)
			prepares(id, i + 1, "SELECT 1", 1);
	}
	assert_int_equal(statements(), 4 + 3 + 2);
	unprepares(0, 4);
	unprepares(0, 1);
	unprepares(0, 2);
	unprepares(0, 2); /* twice */
	assert_int_equal(statements(), 1 + 3 + 2);
	reported(0)->unprepared = 3;
	closes(0);
	assert_int_equal(statements(), 1 + 3 + 2);
	closes(1);
	assert_int_equal(statements(), 3 + 2);
	closes(2);
	assert_int_equal(statements(), 3);
	opens(0, APP, APP);
	prepares(0, 1, "SELECT 1", 1);
	prepares(0, 2, "SELECT 2", 2);
	unprepares(0, 0); /* all of them */
	assert_int_equal(statements(), 3);
}

#define TEST(name) cmocka_unit_test_teardown(name, story_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_state_replaces_the_one_before),
		TEST(what_a_container_belongs_to_may_become_known_later),
		TEST(an_older_state_that_comes_late_replaces_nothing),
		TEST(one_that_turns_out_to_be_new_is_counted_as_such),
		TEST(a_race_in_the_counts_does_not_wrap_them),
		TEST(counters_of_a_record_that_wrap_count_on),
		TEST(the_time_of_an_opening_ends_before_the_first_request),
		TEST(the_time_of_an_opening_goes_with_its_connection),
		TEST(what_closed_stays_counted),
		TEST(one_told_of_only_at_its_end_was_there),
		TEST(where_a_connection_leads_may_become_known_later),
		TEST(a_server_names_what_a_connection_did_not),
		TEST(addresses_of_all_families_are_told_apart),
		TEST(a_path_without_end_is_survived),
		TEST(a_pid_that_comes_back_is_another_process),
		cmocka_unit_test(a_start_known_to_a_tick_is_the_same_process),
		TEST(an_exit_ends_what_nobody_else_holds),
		TEST(a_holder_matters_only_when_the_owner_is_gone),
		TEST(records_of_unknown_connections_are_passed_over),
		TEST(a_process_without_connections_is_not_reported),
		TEST(facts_are_replaced_by_later_ones),
		TEST(a_gap_is_told_once),
		TEST(a_death_at_a_probe_comes_before_every_gap),
		TEST(losses_and_costs_are_the_latest),
		TEST(a_recording_without_end_was_cut),
		TEST(a_view_outlives_its_model),
		TEST(many_lives_are_remembered_and_more_are_counted),
		TEST(statements_end_with_their_connection_but_for_the_fullest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
