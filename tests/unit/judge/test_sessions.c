/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_sessions.c - what servers say of connections completes a finding, and never makes one.
 */
#include "tests/unit/support/story.h"

#define APP 500

static struct ev_session session_of(uint32_t id, enum ev_session_source source, uint64_t number,
				    const char *sql)
{
	struct ev_session s = {.id = reported(id)->id,
			       .session = number,
			       .source = source,
			       .status = EV_STATUS_TRANSACTION,
			       .user = "app",
			       .name = "shop",
			       .application = "orders",
			       .length = strlen(sql)};

	memcpy(s.text, sql, s.length);
	return s;
}

static void tell_session(struct ev_session *s)
{
	story_tell(s, EV_SESSION, offsetof(struct ev_session, text) + s->length);
}

/* Met inside a transaction, and silent since. */
static void stood_inside(uint32_t id, double used)
{
	stood(id, APP, used);
	reported(id)->status = EV_STATUS_TRANSACTION;
	tell(id);
}

static const struct finding_view *stuck(void)
{
	const struct finding_view *f = finding(verdict_of(APP), CAUSE_OPEN_TRANSACTION);

	assert_non_null(f);
	assert_int_equal(f->verdict, VERDICT_STUCK);
	return f;
}

static void an_answer_tells_age_sql_names_and_what_to_end(void **state)
{
	const struct finding_view *f;
	struct ev_session s;

	(void)state;
	story_begins();
	process(APP);
	stood_inside(0, 20);
	s = session_of(0, EV_SESSION_STATISTICS, 4711, "UPDATE items SET price = ?");
	s.transaction_ns = STORY_START - 600 * 1000000000ULL;
	s.since_ns = STORY_START - 20 * 1000000000ULL;
	tell_session(&s);
	at(10);
	f = stuck();
	assert_int_equal((int)(f->oldest_seconds + 0.5), 610);
	assert_false(f->oldest_is_minimum);
	assert_string_equal(f->sql, "UPDATE items SET price = ?");
	assert_string_equal(f->endpoint, "10.0.0.5:5432/shop as app");
	assert_string_equal(f->now, "SELECT pg_terminate_backend(4711) on the server, or restart "
				    "the process: both roll back");
	assert_int_equal(f->session_count, 1);
	assert_int_equal(f->sessions[0].session, 4711);
	assert_int_equal((int)(f->sessions[0].transaction_seconds + 0.5), 610);
	assert_int_equal((int)(f->sessions[0].state_seconds + 0.5), 30);
	assert_string_equal(f->sessions[0].application, "orders");
	assert_true(has_evidence(f, "server-says-begun"));
	assert_int_equal(f->confidence, CONFIDENCE_LIKELY);
}

/* MySQL counts whole seconds, rounded down, and the kernel does not. */
static void a_date_by_the_second_is_no_minimum(void **state)
{
	struct ev_session s;

	(void)state;
	story_begins();
	process(APP);
	stood_inside(0, 20.9);
	s = session_of(0, EV_SESSION_STATISTICS, 1, "");
	s.transaction_ns = STORY_START - 20 * 1000000000ULL;
	tell_session(&s);
	at(10);
	assert_int_equal((int)(10 * stuck()->oldest_seconds + 0.5), 309);
	assert_false(stuck()->oldest_is_minimum);
}

static void without_a_date_the_age_is_a_minimum_and_nothing_was_begun(void **state)
{
	const struct finding_view *f;
	struct ev_session s;

	(void)state;
	story_begins();
	process(APP);
	for (uint32_t id = 0; id < 10; id++) {
		stood_inside(id, 20);
		s = session_of(id, EV_SESSION_TITLE, 100 + id, "");
		tell_session(&s);
	}
	at(10);
	f = stuck();
	assert_true(f->oldest_is_minimum);
	assert_true(f->begin_unseen);
	assert_int_equal(f->acquired, 10);
	assert_int_equal(f->earlier, 10);
	assert_int_not_equal(f->kind, KIND_FREQUENT);
	assert_null(f->sql);
	assert_true(has_evidence(f, "begin-not-seen"));
	assert_string_equal(f->now,
			    "end sessions 100, 101, 102 and 7 more on the server (SELECT "
			    "pg_terminate_backend), or restart the process: both roll back");
}

static void what_a_server_says_accuses_nobody(void **state)
{
	struct ev_session s;

	(void)state;
	story_begins();
	process(APP);
	for (uint32_t id = 0; id < 5; id++) {
		stood(id, APP, 3600);
		s = session_of(id, EV_SESSION_STATISTICS, id, "DELETE FROM items");
		s.transaction_ns = STORY_START - 3600 * 1000000000ULL;
		tell_session(&s);
	}
	at(30);
	assert_int_equal(verdict_of(APP)->finding_count, 0);
	assert_string_equal(verdict_of(APP)->endpoints[0].user, "app");
}

static void what_a_connection_shows_itself_stands(void **state)
{
	const struct finding_view *f;
	struct ev_session s;

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	s = session_of(0, EV_SESSION_STATISTICS, 7, "SELECT old");
	s.transaction_ns = STORY_START - 900 * 1000000000ULL;
	memcpy(s.name, "other", 6);
	tell_session(&s);
	at(1);
	begins(0);
	says(0, "SELECT new");
	at(20);
	f = stuck();
	assert_string_equal(f->sql, "SELECT new");
	assert_string_equal(f->endpoint, "10.0.0.5:5432/shop as app");
	assert_int_equal((int)(f->oldest_seconds + 0.5), 19);
	assert_int_equal((int)(f->sessions[0].transaction_seconds + 0.5), 19);
	assert_false(f->begin_unseen);
	assert_int_equal(f->acquired, 1);
	assert_int_equal(f->confidence, CONFIDENCE_CERTAIN);
}

static void a_title_replaces_no_answer(void **state)
{
	struct ev_session s;

	(void)state;
	story_begins();
	process(APP);
	stood_inside(0, 20);
	s = session_of(0, EV_SESSION_TITLE, 11, "");
	s.pid = 900;
	tell_session(&s);
	s = session_of(0, EV_SESSION_STATISTICS, 11, "SELECT 1");
	tell_session(&s);
	s = session_of(0, EV_SESSION_TITLE, 12, "");
	tell_session(&s);
	at(10);
	assert_int_equal(stuck()->sessions[0].session, 11);
	assert_int_equal(stuck()->sessions[0].pid, 900);
}

static void mysql_sessions_are_ended_by_kill(void **state)
{
	struct ev_session s;

	(void)state;
	story_begins();
	story.database = EV_DB_MYSQL;
	process(APP);
	stood_inside(0, 20);
	s = session_of(0, EV_SESSION_STATISTICS, 17, "");
	tell_session(&s);
	at(10);
	assert_string_equal(stuck()->now,
			    "KILL 17 on the server, or restart the process: both roll back");
}

static void of_many_sessions_those_idle_for_longest_are_shown(void **state)
{
	const struct finding_view *f;
	struct ev_session s;

	(void)state;
	story_begins();
	process(APP);
	for (uint32_t id = 0; id < 30; id++) {
		stood_inside(id, 20 + id);
		s = session_of(id, EV_SESSION_TITLE, id, "");
		tell_session(&s);
	}
	at(10);
	f = stuck();
	assert_int_equal(f->session_count, SESSIONS_SHOWN);
	assert_int_equal(f->sessions_known, 30);
	for (size_t i = 0; i < f->session_count; i++)
		assert_in_range(f->sessions[i].session, 10, 29);
}

static void a_session_of_no_connection_is_passed_over(void **state)
{
	struct ev_session s = {.id = 999, .source = EV_SESSION_TITLE};

	(void)state;
	story_begins();
	process(APP);
	tell_session(&s);
	opens(0, APP, APP);
	s.id = reported(0)->id;
	tell_session(&s);
	closes(0);
	tell_session(&s);
	assert_int_equal(verdict_of(APP)->finding_count, 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, story_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_answer_tells_age_sql_names_and_what_to_end),
		TEST(a_date_by_the_second_is_no_minimum),
		TEST(without_a_date_the_age_is_a_minimum_and_nothing_was_begun),
		TEST(what_a_server_says_accuses_nobody),
		TEST(what_a_connection_shows_itself_stands),
		TEST(a_title_replaces_no_answer),
		TEST(mysql_sessions_are_ended_by_kill),
		TEST(of_many_sessions_those_idle_for_longest_are_shown),
		TEST(a_session_of_no_connection_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
