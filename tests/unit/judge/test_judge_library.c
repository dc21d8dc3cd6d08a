/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_judge_library.c - what client libraries tell in, verdict out: each leaker and its healthy
 * twin.
 */
#include "tests/unit/support/story.h"

#define APP 4711

static const struct finding_view *expect(enum cause cause, enum verdict verdict_due)
{
	const struct process_view *p = verdict_of(APP);
	const struct finding_view *f = finding(p, cause);

	assert_non_null(p);
	assert_non_null(f);
	assert_int_equal(f->verdict, verdict_due);
	assert_true(p->verdict >= verdict_due);
	assert_true(f->evidence_count > 0);
	assert_non_null(f->advice);
	return f;
}

/* Judged already, so that what expect() gave stays valid. */
static size_t count_findings(void)
{
	return story.view->processes[0].finding_count;
}

static void program_begins(enum ev_mode mode)
{
	story_begins_in(mode);
	process(APP);
	opens(0, APP, APP);
}

static struct ev_site results(void)
{
	return site_of(APP, 1, EV_RES_RESULT, EV_DB_POSTGRESQL, "PGresult", "PQclear");
}

/* Every half second from `from` to `to` so many are acquired, and so many of them freed. */
static void work(struct ev_site *s, double from, double to, uint64_t acquired, uint64_t released)
{
	for (double t = from; t < to; t += 0.5) {
		at(t);
		acquires(s, acquired);
		s->released += released;
		tell_site(s);
	}
}

/* Results. */

static void results_never_freed_are_a_leak(void **state)
{
	struct ev_site s = results();
	const struct finding_view *f;

	(void)state;
	program_begins(EV_MODE_WATCH);
	says(0, "SELECT 1");
	work(&s, 1, 15, 2, 0);
	f = expect(CAUSE_UNFREED_RESULT, VERDICT_LEAKING);
	assert_int_equal(f->kind, KIND_FREQUENT);
	assert_int_equal(f->confidence, CONFIDENCE_CERTAIN);
	assert_int_equal(f->resource, RESOURCE_RESULT);
	assert_int_equal(f->database, EV_DB_POSTGRESQL);
	assert_int_equal(f->acquired, 56);
	assert_int_equal(f->open, 56);
	assert_true(f->growth_per_minute > 200 && f->growth_per_minute < 280);
	assert_true(f->oldest_seconds > 12 && f->oldest_seconds < 15);
	assert_string_equal(f->object, "PGresult");
	assert_string_equal(f->endpoint, "10.0.0.5:5432/shop as app");
	assert_non_null(strstr(f->advice, "call PQclear for each PGresult"));
	assert_int_equal(f->caller, 0x401001);
	assert_int_equal(count_findings(), 1);
}

static void results_freed_each_time_are_not(void **state)
{
	struct ev_site s = results();

	(void)state;
	program_begins(EV_MODE_WATCH);
	work(&s, 1, 30, 100, 100);
	expect_silence(APP);
}

/* Errors kept with what explains them: one path of many. */
static void a_result_kept_now_and_then_is_sporadic(void **state)
{
	struct ev_site s = results();
	const struct finding_view *f;

	(void)state;
	program_begins(EV_MODE_WATCH);
	work(&s, 1, 20, 100, 99);
	f = expect(CAUSE_UNFREED_RESULT, VERDICT_LEAKING);
	assert_int_equal(f->kind, KIND_SPORADIC);
	assert_int_equal(f->open, 38);
}

/* What a driver's BEGIN gave is freed, each time, where the rows are kept, or half of them; rows:
 * of each result. */
static const struct finding_view *works_in_transactions(uint64_t rows, bool half)
{
	struct ev_site s = results();
	struct ev_handle h[8];

	program_begins(EV_MODE_WATCH);
	for (size_t i = 0; i < 8; i++) {
		at(1 + i * 0.1);
		h[i] = handle_of(&s, 0x7000 + i);
		h[i].rows = rows;
		tell_handle(&h[i]);
	}
	for (int t = 0; t < 40; t++) {
		at(2 + t * 0.5);
		begins(0);
		ends(0, true);
		acquires(&s, 2);
		s.released += 1 + (half && t % 2);
		tell_site(&s);
	}
	return expect(CAUSE_UNFREED_RESULT, VERDICT_LEAKING);
}

static void what_begins_a_transaction_is_no_other_path(void **state)
{
	const struct finding_view *f = works_in_transactions(20, false);

	(void)state;
	assert_int_equal(f->kind, KIND_FREQUENT);
	assert_int_equal(f->released, 40);
	story_ends();
	assert_int_equal(works_in_transactions(20, true)->kind, KIND_SPORADIC);
	story_ends();
	/* errors have no rows: what explains one path of many */
	assert_int_equal(works_in_transactions(0, false)->kind, KIND_SPORADIC);
}

static void a_leak_is_found_while_many_are_in_flight(void **state)
{
	struct ev_site s = results();

	(void)state;
	program_begins(EV_MODE_WATCH);
	for (int i = 0; i < 200; i++) {
		at(1 + i * 0.1);
		s.acquired = 1000 * i + 30;
		s.released = s.acquired - i / 4 - i % 30;
		s.last_ns = story.now;
		tell_site(&s);
	}
	expect(CAUSE_UNFREED_RESULT, VERDICT_LEAKING);
}

static void many_in_flight_alone_are_not(void **state)
{
	struct ev_site s = results();

	(void)state;
	program_begins(EV_MODE_WATCH);
	for (int i = 0; i < 200; i++) {
		at(1 + i * 0.1);
		s.acquired = 1000 * i + 200;
		s.released = s.acquired - (i * 7) % 50 - 5;
		s.last_ns = story.now;
		tell_site(&s);
		if (i > 40)
			expect_silence(APP);
	}
}

/* A garbage collector frees them in bulk. */
static void a_saw_tooth_with_a_flat_floor_is_not(void **state)
{
	struct ev_site s = results();

	(void)state;
	program_begins(EV_MODE_WATCH);
	for (int i = 0; i < 120; i++) {
		at(1 + i * 0.5);
		acquires(&s, 3);
		if (i % 16 == 15)
			s.released = s.acquired;
		tell_site(&s);
	}
	expect_silence(APP);
}

static void a_bounded_cache_of_results_is_not(void **state)
{
	struct ev_site s = results();

	(void)state;
	program_begins(EV_MODE_WATCH);
	work(&s, 1, 6, 10, 0);
	work(&s, 6, 25, 10, 10); /* the oldest go */
	expect_silence(APP);
}

static void results_loaded_at_start_are_not(void **state)
{
	static const enum ev_mode modes[] = {EV_MODE_WATCH, EV_MODE_RUN};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct ev_site s = results();

		program_begins(modes[i]);
		work(&s, 0.5, 3, 10, 0);
		work(&s, 3, 9, 50, 50); /* and it works with them, through the same call */
		expect_silence(APP);
		exits(APP);
		expect_silence(APP);
		story_ends();
	}
	story_begins();
}

static void three_results_kept_for_minutes_are_not(void **state)
{
	struct ev_site s = results();

	(void)state;
	program_begins(EV_MODE_WATCH);
	for (int i = 0; i < 3; i++) {
		struct ev_handle h;

		at(i * 5);
		acquires(&s, 1);
		tell_site(&s);
		h = handle_of(&s, 0x1000 + i);
		tell_handle(&h);
	}
	at(300);
	expect_silence(APP);
}

static void results_that_stopped_coming_are_not_for_ever(void **state)
{
	struct ev_site s = results();

	(void)state;
	program_begins(EV_MODE_WATCH);
	work(&s, 1, 11, 2, 0);
	at(14);
	expect(CAUSE_UNFREED_RESULT, VERDICT_LEAKING);
	at(40);
	expect_silence(APP);
}

static void one_place_of_two_is_named(void **state)
{
	struct ev_site good = results(), bad = results();

	(void)state;
	program_begins(EV_MODE_WATCH);
	bad.site = 2;
	bad.caller = 0x77;
	for (int i = 0; i < 40; i++) {
		at(i * 0.5);
		acquires(&good, 5);
		good.released = good.acquired;
		acquires(&bad, 1);
		tell_site(&good);
		tell_site(&bad);
	}
	assert_int_equal(expect(CAUSE_UNFREED_RESULT, VERDICT_LEAKING)->caller, 0x77);
	assert_int_equal(count_findings(), 1);
}

/* A run. */

static void a_brief_run_that_kept_all_has_leaked(void **state)
{
	struct ev_site s = results();

	(void)state;
	program_begins(EV_MODE_RUN);
	for (int i = 0; i < 50; i++) {
		at(0.2 + i * 0.02);
		acquires(&s, 1);
		if (i % 10 == 9)
			tell_site(&s);
	}
	at(1.25);
	tell_site(&s);
	exits(APP);
	at(1.3);
	expect(CAUSE_UNFREED_RESULT, VERDICT_LEAKING);
}

/* Told of only once, at its end: the births of what was open tell how it came. */
static void births_tell_of_a_run_too_brief_to_look_at(void **state)
{
	(void)state;
	for (int at_once = 0; at_once < 2; at_once++) {
		struct ev_site s = results();
		struct ev_handle h[50];

		program_begins(EV_MODE_RUN);
		for (int i = 0; i < 50; i++) {
			at(0.2 + i * (at_once ? 0.002 : 0.02));
			acquires(&s, 1);
			h[i] = handle_of(&s, 0x1000 + i);
		}
		at(1.25);
		tell_site(&s);
		for (int i = 0; i < 50; i++)
			tell_handle(&h[i]);
		exits(APP);
		at(1.3);
		if (at_once)
			expect_silence(APP);
		else
			expect(CAUSE_UNFREED_RESULT, VERDICT_LEAKING);
		story_ends();
	}
	story_begins();
}

static void what_is_freed_at_the_very_end_only_is_implicit(void **state)
{
	struct ev_site s = results();
	const struct finding_view *f;

	(void)state;
	program_begins(EV_MODE_RUN);
	work(&s, 0.5, 12, 2, 0);
	at(12.1);
	s.released = s.acquired;
	tell_site(&s);
	at(12.2);
	exits(APP);
	at(12.3);
	f = expect(CAUSE_UNFREED_RESULT, VERDICT_LEAKING);
	assert_int_equal(f->kind, KIND_IMPLICIT);
	assert_true(f->open > 30);
}

static void what_is_freed_before_the_end_is_not(void **state)
{
	struct ev_site s = results();

	(void)state;
	program_begins(EV_MODE_RUN);
	work(&s, 0.5, 12, 2, 0);
	at(12.1);
	s.released = s.acquired;
	tell_site(&s);
	at(16);
	exits(APP);
	at(16.1);
	expect_silence(APP);
}

/* What we could not see. */

static void objects_freed_by_unseen_means_accuse_nobody(void **state)
{
	struct ev_site s = results();
	const struct report_view *v;

	(void)state;
	program_begins(EV_MODE_WATCH);
	for (int i = 0; i < 40; i++) {
		at(i * 0.5);
		acquires(&s, 4);
		s.unseen += 1;
		s.released += 1;
		tell_site(&s);
	}
	expect_silence(APP);
	v = verdict();
	assert_int_equal(v->gap_count, 1);
	assert_int_equal(v->gaps[0].pid, APP);
	assert_string_equal(v->gaps[0].comm, "app");
	assert_non_null(strstr(v->gaps[0].reason, "PGresult are freed in ways dbleak cannot see"));
	/* A second such place of the same process is the same gap. */
	s.site = 2;
	tell_site(&s);
	assert_int_equal(verdict()->gap_count, 1);
}

static void a_few_unseen_of_many_do_not_hide_a_leak(void **state)
{
	struct ev_site s = results();

	(void)state;
	program_begins(EV_MODE_WATCH);
	work(&s, 1, 15, 2, 0);
	s.unseen = 2;
	s.released = 2;
	tell_site(&s);
	assert_int_equal(expect(CAUSE_UNFREED_RESULT, VERDICT_LEAKING)->confidence,
			 CONFIDENCE_LIKELY);
	assert_int_equal(verdict()->gap_count, 0);
}

static void what_is_not_counted_any_more_is_judged_as_of_then(void **state)
{
	struct ev_site s = results();
	struct ev_library l = {.seen_ns = STORY_START,
			       .attached_ns = STORY_START + 250000000,
			       .library = EV_LIBRARY_LIBPQ,
			       .probes = 18,
			       .hits = 1234,
			       .path = "/usr/lib/libpq.so.5.15",
			       .build_id = "ab12"};
	const struct report_view *v;

	(void)state;
	program_begins(EV_MODE_WATCH);
	story_tell(&l, EV_LIBRARY, sizeof(l));
	work(&s, 1, 15, 2, 0);
	s.detached = l.detached = 1;
	tell_site(&s);
	story_tell(&l, EV_LIBRARY, sizeof(l));
	for (int t = 20; t < 200; t += 5) {
		at(t);
		tell_site(&s);
		story_tell(&l, EV_LIBRARY, sizeof(l));
	}
	assert_int_equal(expect(CAUSE_UNFREED_RESULT, VERDICT_LEAKING)->confidence,
			 CONFIDENCE_LIKELY);
	v = verdict();
	assert_int_equal(v->library_count, 1);
	assert_true(v->libraries[0].detached);
	assert_int_equal(v->libraries[0].probes, 18);
	assert_true(v->libraries[0].attach_seconds > 0.24 && v->libraries[0].attach_seconds < 0.26);
	assert_int_equal(v->gap_count, 1);
	assert_string_equal(v->gaps[0].subject, "results of libpq");
	assert_string_equal(v->gaps[0].reason,
			    "results of libpq: counted only for the first 14 s, then the "
			    "budget was used up");
}

static void lost_records_soften_it(void **state)
{
	struct ev_site s = results();

	(void)state;
	program_begins(EV_MODE_WATCH);
	work(&s, 1, 15, 2, 0);
	loses(EV_LOSS_MAP_FULL);
	assert_int_equal(expect(CAUSE_UNFREED_RESULT, VERDICT_LEAKING)->confidence,
			 CONFIDENCE_LIKELY);
}

static void a_snapshot_or_a_pooler_is_not_judged(void **state)
{
	struct ev_site s = results();

	(void)state;
	program_begins(EV_MODE_SNAPSHOT);
	work(&s, 1, 15, 2, 0);
	assert_int_equal(verdict_of(APP)->finding_count, 0);
	story_ends();
	program_begins(EV_MODE_WATCH);
	process_as(APP, "pgbouncer", EV_ROLE_POOLER);
	work(&s, 1, 15, 2, 0);
	expect_silence(APP);
}

static void a_leak_without_a_known_connection_is_told(void **state)
{
	struct ev_site s = results();
	const struct finding_view *f;

	(void)state;
	story_begins();
	process(APP);
	work(&s, 1, 15, 2, 0);
	f = expect(CAUSE_UNFREED_RESULT, VERDICT_LEAKING);
	assert_null(f->endpoint);
	assert_int_equal(f->database, EV_DB_POSTGRESQL);
}

/* Of two endpoints, the one its objects belong to. */
static void a_leak_is_told_where_its_connection_leads(void **state)
{
	struct ev_site s = results(), c = site_of(APP, 9, EV_RES_CONNECTION, EV_DB_POSTGRESQL,
						  "PGconn", "PQfinish");
	struct ev_handle conn, h;

	(void)state;
	program_begins(EV_MODE_WATCH);
	opens(1, APP, APP);
	identify(1, "other", "app");
	says(1, "INSERT INTO t VALUES (?)");
	conn = handle_of(&c, 0x500);
	conn.connection = reported(1)->id;
	tell_handle(&conn);
	work(&s, 1, 15, 2, 0);
	assert_null(expect(CAUSE_UNFREED_RESULT, VERDICT_LEAKING)->endpoint);
	h = handle_of(&s, 0x1000);
	h.parent = 0x500;
	tell_handle(&h);
	assert_string_equal(expect(CAUSE_UNFREED_RESULT, VERDICT_LEAKING)->endpoint,
			    "10.0.0.5:5432/other as app");
	assert_string_equal(expect(CAUSE_UNFREED_RESULT, VERDICT_LEAKING)->sql,
			    "INSERT INTO t VALUES (?)");
}

static const char *evidence_with(const struct finding_view *f, const char *word)
{
	for (size_t i = 0; i < f->evidence_count; i++)
		if (strstr(f->evidence[i], word))
			return f->evidence[i];
	return "";
}

/* n results, each with so many bytes and rows more than the one before. */
static void keeps_results(struct ev_site *s, int n, uint64_t bytes, uint64_t more)
{
	program_begins(EV_MODE_WATCH);
	for (int i = 0; i < n; i++) {
		struct ev_handle h;

		at(i * 0.5);
		acquires(s, 1);
		tell_site(s);
		h = handle_of(s, 0x1000 + 64 * i);
		h.bytes = bytes + more * i;
		h.rows = 10;
		tell_handle(&h);
	}
}

static void the_memory_behind_is_summed_when_all_is_known(void **state)
{
	struct ev_site s = results();
	const struct finding_view *f;

	(void)state;
	keeps_results(&s, 40, 1000, 0);
	f = expect(CAUSE_UNFREED_RESULT, VERDICT_LEAKING);
	assert_int_equal(f->bytes, 40000);
	assert_int_equal(f->rows, 400);
	assert_true(f->rows_exact);
	assert_string_equal(evidence_with(f, "each uses"), "each uses 1,000 bytes");
}

/* Of the others the mean of those that were looked at is believed. */
static void the_memory_behind_is_reckoned_from_those_that_were_read(void **state)
{
	struct ev_site s = results();
	const struct finding_view *f;
	struct ev_handle h;

	(void)state;
	keeps_results(&s, 41, 1000000, 10000);
	h = handle_of(&s, 0x9000); /* which could not be read */
	tell_handle(&h);
	at(21);
	acquires(&s, 9);
	tell_site(&s);
	f = expect(CAUSE_UNFREED_RESULT, VERDICT_LEAKING);
	assert_int_equal(f->bytes, 50 * 1200000ULL);
	assert_int_equal(f->rows, 500);
	assert_false(f->rows_exact);
	assert_string_equal(evidence_with(f, "each uses"),
			    "each uses about 1.2 MB (measured on 41)");
}

/* Buffers. */

static void buffers_never_freed_are_a_leak(void **state)
{
	struct ev_site s = site_of(APP, 3, EV_RES_MEMORY, EV_DB_POSTGRESQL,
				   "string of PQescapeLiteral", "PQfreemem");
	const struct finding_view *f;

	(void)state;
	program_begins(EV_MODE_WATCH);
	work(&s, 1, 15, 2, 0);
	f = expect(CAUSE_UNFREED_MEMORY, VERDICT_LEAKING);
	assert_int_equal(f->resource, RESOURCE_MEMORY);
	assert_non_null(strstr(f->advice, "PQfreemem"));
}

/* Statements. */

static struct ev_site statements(enum ev_database database)
{
	return database == EV_DB_MYSQL ? site_of(APP, 4, EV_RES_STATEMENT, EV_DB_MYSQL,
						 "MYSQL_STMT", "mysql_stmt_close")
				       : site_of(APP, 4, EV_RES_STATEMENT, EV_DB_SQLITE,
						 "sqlite3_stmt", "sqlite3_finalize");
}

static void mysql_begins(bool tls)
{
	story_begins();
	story.database = EV_DB_MYSQL;
	process(APP);
	opens(0, APP, APP);
	if (tls) {
		reported(0)->status = EV_STATUS_UNKNOWN;
		flags(0, EV_CONN_TLS);
	}
}

static void statements_the_wire_cannot_tell_of_are_a_leak(void **state)
{
	struct ev_site s = statements(EV_DB_MYSQL);
	const struct finding_view *f;

	(void)state;
	mysql_begins(true);
	work(&s, 1, 20, 2, 0);
	f = expect(CAUSE_UNCLOSED_STATEMENT, VERDICT_LEAKING);
	assert_int_equal(f->kind, KIND_FREQUENT);
	assert_int_equal(f->database, EV_DB_MYSQL);
	assert_non_null(strstr(f->advice, "mysql_stmt_close for each MYSQL_STMT"));
}

/* It meets new texts ever more rarely. */
static void a_cache_that_fills_behind_tls_is_not(void **state)
{
	struct ev_site s = statements(EV_DB_MYSQL);

	(void)state;
	mysql_begins(true);
	for (int i = 1; i < 60; i++) {
		at(i * 0.5);
		s.acquired = (uint64_t)(60 * (1 - 1 / (1 + i * 0.12)));
		s.first_ns = STORY_START;
		s.last_ns = story.now;
		tell_site(&s);
		expect_silence(APP);
	}
}

static void statements_with_the_wire_are_accused_once(void **state)
{
	struct ev_site s = statements(EV_DB_MYSQL);
	const struct finding_view *f;

	(void)state;
	mysql_begins(false);
	for (int i = 1; i <= 40; i++) {
		at(i * 0.5);
		prepares(0, i, "SELECT * FROM orders WHERE id = ?", 77);
		acquires(&s, 1);
		tell_site(&s);
	}
	at(21);
	f = expect(CAUSE_UNCLOSED_STATEMENT, VERDICT_LEAKING);
	assert_int_equal(count_findings(), 1);
	assert_int_equal(f->evidence_count, 2);
	assert_string_equal(f->evidence[1], "this line made 40 MYSQL_STMT and freed 0");
}

static void a_cache_of_statements_on_the_wire_is_not(void **state)
{
	struct ev_site s = statements(EV_DB_MYSQL);

	(void)state;
	mysql_begins(false);
	for (int i = 1; i <= 200; i++) {
		char sql[64];

		at(i * 0.1);
		snprintf(sql, sizeof(sql), "SELECT a%d FROM t WHERE id = ?", i);
		prepares(0, i, sql, 1000 + i);
		acquires(&s, 1);
		tell_site(&s);
	}
	expect_silence(APP);
}

/* They were never prepared, or their connection is closed: no cache keeps such. */
static void handles_of_statements_the_server_does_not_have_are_a_leak(void **state)
{
	struct ev_site s = statements(EV_DB_MYSQL);

	(void)state;
	mysql_begins(false);
	prepares(0, 1, "SELECT 1", 5);
	work(&s, 1, 20, 2, 0);
	expect(CAUSE_UNCLOSED_STATEMENT, VERDICT_LEAKING);
}

/* SQLite. */

static void sqlite_begins(int connections, const char *path)
{
	story_begins();
	story.database = EV_DB_SQLITE;
	process(APP);
	for (int i = 0; i < connections; i++)
		opens_file(i, APP, APP + i, path);
}

static void an_lru_of_sqlite_statements_is_not(void **state)
{
	struct ev_site s = statements(EV_DB_SQLITE);

	(void)state;
	sqlite_begins(1, "/srv/app.db");
	for (int i = 1; i <= 400; i++) {
		char sql[64];

		at(i * 0.05);
		snprintf(sql, sizeof(sql), "SELECT a%d FROM t WHERE id = ?", i);
		prepares(0, i, sql, 1000 + i);
		acquires(&s, 1);
		if (i > 128) {
			unprepares(0, i - 128);
			s.released++;
		}
		tell_site(&s);
		if (i % 40 == 0)
			expect_silence(APP);
	}
}

static void sqlite_statements_never_finalized_are_accused_once(void **state)
{
	struct ev_site s = statements(EV_DB_SQLITE);
	const struct finding_view *f;

	(void)state;
	sqlite_begins(1, "/srv/app.db");
	for (int i = 1; i <= 40; i++) {
		at(i * 0.5);
		prepares(0, i, "SELECT * FROM t WHERE id = ?", 77);
		acquires(&s, 1);
		tell_site(&s);
	}
	at(21);
	f = expect(CAUSE_UNCLOSED_STATEMENT, VERDICT_LEAKING);
	assert_int_equal(count_findings(), 1);
	assert_string_equal(f->endpoint, "/srv/app.db");
	assert_non_null(strstr(f->advice, "prepare it once"));
	assert_int_equal(f->confidence, CONFIDENCE_CERTAIN);
}

/* One connection, and each thread prepares the same text once for itself. */
static void one_text_for_each_thread_of_a_shared_connection_is_not(void **state)
{
	(void)state;
	sqlite_begins(1, "/srv/app.db");
	for (int i = 1; i <= 24; i++) {
		at(i * 0.1);
		prepares(0, i, "SELECT * FROM t WHERE id = ?", 77);
	}
	for (int t = 3; t < 30; t++) {
		at(t);
		uses(0);
	}
	expect_silence(APP);
}

static void a_pool_of_sqlite_connections_is_not(void **state)
{
	(void)state;
	sqlite_begins(0, "");
	for (int i = 0; i < 8; i++) {
		at(i * 0.2);
		opens_file(i, APP, APP + i, "/srv/app.db");
	}
	for (int turn = 0; turn < 100; turn++) {
		at(2 + turn * 0.25);
		begins(turn % 8);
		commits(turn % 8);
	}
	at(30);
	expect_silence(APP);
	assert_string_equal(verdict_of(APP)->endpoints[0].address, "/srv/app.db");
	assert_int_equal(verdict_of(APP)->endpoints[0].database, EV_DB_SQLITE);
	assert_false(verdict_of(APP)->endpoints[0].guessed);
}

static void sqlite_sessions_kept_are_a_leak(void **state)
{
	const struct finding_view *f;

	(void)state;
	sqlite_begins(0, "");
	for (int i = 0; i < 12; i++) {
		at(i);
		opens_file(i, APP, APP, "/srv/app.db");
		begins(i);
	}
	at(13);
	f = expect(CAUSE_UNCLOSED_CONNECTION, VERDICT_LEAKING);
	assert_string_equal(f->endpoint, "/srv/app.db");
	assert_null(f->exhausts_limit);
	assert_non_null(strstr(f->advice, "close every connection"));
	f = expect(CAUSE_OPEN_TRANSACTION, VERDICT_LEAKING);
	assert_null(strstr(f->evidence[0], "sent"));
	assert_null(strstr(f->evidence[0], "server"));
}

/* Each is a database of its own. */
static void databases_in_memory_are_no_connections_left(void **state)
{
	(void)state;
	for (int named = 0; named < 2; named++) {
		sqlite_begins(0, "");
		for (int i = 0; i < 6; i++) {
			at(i * 2);
			opens_file(i, APP, APP, named ? ":memory:" : "");
			begins(i);
			at(i * 2 + 0.5);
			commits(i);
		}
		at(16);
		expect_silence(APP);
		assert_string_equal(verdict_of(APP)->endpoints[0].address,
				    named ? ":memory:" : "(temporary)");
		story_ends();
	}
	story_begins();
}

static void a_reader_behind_which_the_log_grows_is_a_leak(void **state)
{
	const struct finding_view *f;

	(void)state;
	sqlite_begins(2, "/srv/app.db");
	at(1);
	uses(0);
	reads_file(0, 1, 1, 100000);
	for (int i = 1; i <= 10; i++) {
		at(1 + i * 0.5);
		uses(1);
		reads_file(0, 1, 1, 100000 + i * 1650000);
	}
	f = expect(CAUSE_WAL_GROWTH, VERDICT_LEAKING);
	assert_int_equal(f->bytes, 16600000);
	assert_int_equal(f->open, 1);
	assert_int_equal(f->kind, KIND_ONE_TIME);
	assert_string_equal(f->sql, "SELECT * FROM items");
	assert_string_equal(f->endpoint, "/srv/app.db");
	assert_true(f->oldest_seconds > 4.9 && f->oldest_seconds < 5.1);
	/* No longer growing, but still held: and it is no second finding that it is held. */
	at(40);
	reads_file(0, 1, 1, 16600000);
	expect(CAUSE_WAL_GROWTH, VERDICT_STUCK);
	assert_int_equal(count_findings(), 1);
}

static void a_reader_at_work_while_the_log_grows_is_not(void **state)
{
	(void)state;
	sqlite_begins(2, "/srv/app.db");
	at(1);
	reads_file(0, 1, 1, 100000);
	for (int i = 1; i <= 60; i++) {
		at(1 + i * 0.5);
		reported(0)->used_ns = story.now; /* it steps */
		tell(0);
		uses(1);
		reads_file(0, 1, 1, 100000 + i * 1650000);
		expect_silence(APP);
	}
}

static void short_readers_beside_a_large_log_are_not(void **state)
{
	(void)state;
	sqlite_begins(2, "/srv/app.db");
	for (int i = 1; i <= 60; i++) {
		at(i * 0.5);
		uses(0);
		uses(1);
		reads_file(0, 1, i * 0.5, 100000 + i * 1650000);
	}
	expect_silence(APP);
	at(33);
	reads_file(0, 0, -1, 90000000);
	at(60);
	expect_silence(APP);
}

static void a_reader_left_open_is_stuck(void **state)
{
	const struct finding_view *f;

	(void)state;
	sqlite_begins(1, "/srv/app.db");
	at(1);
	uses(0);
	reads_file(0, 1, 1, UNKNOWN64);
	at(8);
	expect_silence(APP);
	at(14);
	f = expect(CAUSE_UNCLOSED_CURSOR, VERDICT_STUCK);
	assert_int_equal(f->resource, RESOURCE_CURSOR);
	assert_int_equal(f->open, 1);
	reads_file(0, 0, -1, UNKNOWN64);
	expect_silence(APP);
}

static void a_stream_of_sqlite_rows_is_not(void **state)
{
	(void)state;
	sqlite_begins(1, "/srv/app.db");
	at(1);
	reads_file(0, 1, 1, UNKNOWN64);
	for (int t = 2; t < 60; t++) {
		at(t);
		uses(0);
		expect_silence(APP);
	}
}

static void cursors_with_rows_left_that_pile_up_are_a_leak(void **state)
{
	const struct finding_view *f;

	(void)state;
	sqlite_begins(1, "/srv/app.db");
	for (int i = 1; i <= 30; i++) {
		at(i * 0.5);
		uses(0);
		reads_file(0, i, 0.5, UNKNOWN64);
	}
	f = expect(CAUSE_UNCLOSED_CURSOR, VERDICT_LEAKING);
	assert_int_equal(f->open, 30);
	assert_string_equal(f->sql, "SELECT * FROM items");
}

static void readers_of_many_connections_that_come_and_go_are_not(void **state)
{
	(void)state;
	sqlite_begins(20, "/srv/app.db");
	for (int i = 1; i <= 300; i++) {
		at(i * 0.1);
		uses(i % 20);
		reads_file(i % 20, 1, i * 0.1, UNKNOWN64);
		reads_file((i + 10) % 20, 0, -1, UNKNOWN64);
	}
	expect_silence(APP);
}

static void closed_sqlite_connections_that_live_on_are_their_statements(void **state)
{
	const struct finding_view *f;

	(void)state;
	sqlite_begins(0, "");
	for (int i = 0; i < 6; i++) {
		struct ev_file file = {.wal_bytes = UNKNOWN64, .zombie = 1};

		at(i * 2);
		opens_file(i, APP, APP, "/srv/app.db");
		begins(i);
		commits(i);
		reported(i)->prepared = 2;
		tell(i);
		file.id = reported(i)->id;
		story_tell(&file, EV_FILE, offsetof(struct ev_file, text));
	}
	at(21);
	f = expect(CAUSE_UNCLOSED_STATEMENT, VERDICT_LEAKING);
	assert_non_null(strstr(f->evidence[0], "closed with statements still open"));
	assert_int_equal(count_findings(), 1);
}

static void one_closed_a_moment_ago_that_lives_on_is_not(void **state)
{
	struct ev_file file = {.wal_bytes = UNKNOWN64, .zombie = 1};

	(void)state;
	sqlite_begins(1, "/srv/app.db");
	at(20);
	file.id = reported(0)->id;
	story_tell(&file, EV_FILE, offsetof(struct ev_file, text));
	at(25);
	expect_silence(APP);
}

/* Cursors of servers. */

static void cursors_with_hold_that_pile_up_are_a_leak(void **state)
{
	const struct finding_view *f;

	(void)state;
	program_begins(EV_MODE_WATCH);
	for (int i = 1; i <= 30; i++) {
		at(i * 0.5);
		reported(0)->cursors = i;
		uses(0);
	}
	f = expect(CAUSE_UNCLOSED_CURSOR, VERDICT_LEAKING);
	assert_int_equal(f->open, 30);
	assert_non_null(strstr(f->advice, "WITH HOLD"));
	at(200);
	assert_int_equal(expect(CAUSE_UNCLOSED_CURSOR, VERDICT_STUCK)->open, 30);
	closes(0);
	expect_silence(APP);
}

/* Ten seconds of silence tell of ten; three need as much longer; two are never enough. */
static void a_few_cursors_with_hold_left_for_long_are_stuck(void **state)
{
	const struct finding_view *f;

	(void)state;
	program_begins(EV_MODE_WATCH);
	at(5);
	reported(0)->cursors = 3;
	uses(0);
	at(37);
	expect_silence(APP);
	at(39);
	f = expect(CAUSE_UNCLOSED_CURSOR, VERDICT_STUCK);
	assert_int_equal(f->open, 3);
	reported(0)->cursors = 2;
	uses(0);
	at(600);
	expect_silence(APP);
}

static void a_few_cursors_with_hold_are_not(void **state)
{
	(void)state;
	program_begins(EV_MODE_WATCH);
	for (int i = 1; i <= 60; i++) {
		at(i * 0.5);
		reported(0)->cursors = 1 + i % 5;
		uses(0);
	}
	at(90);
	expect_silence(APP);
}

static struct ev_handle unread(uint64_t address)
{
	struct ev_site s = site_of(APP, 5, EV_RES_RESULT, EV_DB_MYSQL, "MYSQL_RES",
				   "mysql_free_result");
	struct ev_handle h = handle_of(&s, address);

	h.flags = EV_HANDLE_UNREAD;
	h.used_ns = story.now;
	return h;
}

static void a_result_nobody_fetches_is_stuck(void **state)
{
	struct ev_handle h;

	(void)state;
	mysql_begins(false);
	at(1);
	h = unread(0x1000);
	tell_handle(&h);
	at(9);
	expect_silence(APP);
	at(15);
	assert_int_equal(expect(CAUSE_UNCLOSED_CURSOR, VERDICT_STUCK)->kind, KIND_ONE_TIME);
	h.flags = 0; /* all rows are fetched */
	tell_handle(&h);
	expect_silence(APP);
}

static void a_result_being_fetched_is_not(void **state)
{
	struct ev_handle h;

	(void)state;
	mysql_begins(false);
	at(1);
	h = unread(0x1000);
	for (int t = 2; t < 60; t++) {
		at(t);
		h.used_ns = story.now;
		tell_handle(&h);
		expect_silence(APP);
	}
}

/* Workers come one after the other, and each reads a long stream. */
static void streams_of_ever_more_workers_are_not(void **state)
{
	struct ev_site s = site_of(APP, 5, EV_RES_RESULT, EV_DB_MYSQL, "MYSQL_RES",
				   "mysql_free_result");
	struct ev_handle h[20];

	(void)state;
	mysql_begins(false);
	for (int i = 0; i < 20; i++) {
		at(1 + i * 0.5);
		acquires(&s, 1);
		tell_site(&s);
		h[i] = unread(0x1000 + i);
		for (int j = 0; j <= i; j++) {
			h[j].used_ns = story.now;
			tell_handle(&h[j]);
		}
		expect_silence(APP);
	}
}

static void results_nobody_fetches_that_pile_up_are_a_leak(void **state)
{
	(void)state;
	mysql_begins(false);
	for (int i = 0; i < 8; i++) {
		struct ev_handle h;

		at(i * 2);
		h = unread(0x1000 + i);
		tell_handle(&h);
	}
	at(25);
	expect(CAUSE_UNCLOSED_CURSOR, VERDICT_LEAKING);
}

/* Halves of connections. */

static struct ev_handle pgconn(int i)
{
	struct ev_site s = site_of(APP, 9, EV_RES_CONNECTION, EV_DB_POSTGRESQL, "PGconn",
				   "PQfinish");
	struct ev_handle h = handle_of(&s, 0x5000 + i);

	h.connection = reported(i)->id;
	return h;
}

static void handles_without_sockets_are_found(void **state)
{
	const struct finding_view *f;

	(void)state;
	for (int n = 2; n <= 6; n += 2) {
		story_begins();
		process(APP);
		for (int i = 0; i < n; i++) {
			struct ev_handle h;

			at(i * 2);
			opens(i, APP, APP + i);
			h = pgconn(i);
			tell_handle(&h);
			at(i * 2 + 1);
			closes_as(i, 0); /* it failed: the library closed the socket, and keeps the
					    rest */
		}
		at(26);
		if (n < 3) {
			expect_silence(APP);
		} else {
			f = expect(CAUSE_UNCLOSED_CONNECTION,
				   n == 6 ? VERDICT_LEAKING : VERDICT_STUCK);
			assert_int_equal(f->open, n);
			assert_non_null(strstr(f->advice, "PQfinish"));
			assert_string_equal(f->endpoint, "10.0.0.5:5432/shop as app");
			assert_null(f->server);
			assert_int_equal(count_findings(), 1);
		}
		story_ends();
	}
	story_begins();
}

static void connections_closed_whole_are_not(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 20; i++) {
		struct ev_handle h;

		at(i);
		opens(i, APP, APP);
		h = pgconn(i);
		tell_handle(&h);
		at(i + 0.5);
		if (i % 2)
			frees(&h);
		closes(i);
		if (i % 2 == 0)
			frees(&h);
	}
	at(60);
	expect_silence(APP);
}

static void handles_that_connect_again_are_not(void **state)
{
	struct ev_handle h[4];

	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 4; i++) {
		opens(i, APP, APP + i);
		h[i] = pgconn(i);
		tell_handle(&h[i]);
		at(1);
		closes_as(i, 0);
	}
	at(2);
	for (int i = 0; i < 4; i++) {
		opens(10 + i, APP, APP + i);
		h[i].connection = reported(10 + i)->id;
		tell_handle(&h[i]);
	}
	at(40);
	expect_silence(APP);
}

static void a_socket_without_its_handle_is_stuck(void **state)
{
	struct ev_handle h;

	(void)state;
	story_begins();
	process(APP);
	opens(0, APP, APP);
	h = pgconn(0);
	tell_handle(&h);
	at(1);
	frees(&h);
	at(5);
	expect_silence(APP);
	at(20);
	expect(CAUSE_UNCLOSED_CONNECTION, VERDICT_STUCK);
	holds(0, APP + 1); /* a child has it: so it was fork */
	expect_silence(APP);
}

static void both_halves_alive_are_one_connection(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	for (int i = 0; i < 12; i++) {
		struct ev_handle h;

		at(i);
		opens(i, APP, APP);
		h = pgconn(i);
		tell_handle(&h);
		begins(i);
	}
	at(13);
	assert_int_equal(expect(CAUSE_UNCLOSED_CONNECTION, VERDICT_LEAKING)->acquired, 12);
	assert_int_equal(verdict_of(APP)->endpoint_count, 1);
	assert_int_equal(verdict_of(APP)->endpoints[0].connections.open, 12);
	for (size_t i = 1; i < count_findings(); i++)
		assert_int_not_equal(verdict_of(APP)->findings[i].cause, CAUSE_UNCLOSED_CONNECTION);
}

/* Sessions kept with their last results: one leak, or two when there are more of those. */
static void keep_with_results(uint64_t each)
{
	struct ev_site s = results();

	story_begins();
	process(APP);
	for (int i = 0; i < 20; i++) {
		at(i);
		opens(i, APP, APP);
		begins(i);
		acquires(&s, each);
		tell_site(&s);
	}
	at(21);
}

static void what_a_left_connection_keeps_is_part_of_its_leak(void **state)
{
	const struct finding_view *f;

	(void)state;
	keep_with_results(1);
	f = expect(CAUSE_UNCLOSED_CONNECTION, VERDICT_LEAKING);
	assert_non_null(strstr(f->evidence[f->evidence_count - 1], "19 PGresult leaked with them"));
	assert_null(finding(verdict_of(APP), CAUSE_UNFREED_RESULT));
	story_ends();
	keep_with_results(10);
	expect(CAUSE_UNCLOSED_CONNECTION, VERDICT_LEAKING);
	expect(CAUSE_UNFREED_RESULT, VERDICT_LEAKING);
}

/* Identity. */

static void an_address_that_comes_back_is_another_object(void **state)
{
	struct ev_handle old, young;

	(void)state;
	mysql_begins(false);
	old = unread(0x1000);
	tell_handle(&old);
	at(5);
	young = unread(0x1000);
	tell_handle(&young);
	frees(&old); /* late news of the one before */
	at(20);
	assert_true(expect(CAUSE_UNCLOSED_CURSOR, VERDICT_STUCK)->oldest_seconds < 16);
	frees(&young);
	expect_silence(APP);
}

#define TEST(name) cmocka_unit_test_teardown(name, story_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_a_left_connection_keeps_is_part_of_its_leak),
		TEST(results_never_freed_are_a_leak),
		TEST(results_freed_each_time_are_not),
		TEST(a_result_kept_now_and_then_is_sporadic),
		TEST(what_begins_a_transaction_is_no_other_path),
		TEST(a_leak_is_found_while_many_are_in_flight),
		TEST(many_in_flight_alone_are_not),
		TEST(a_saw_tooth_with_a_flat_floor_is_not),
		TEST(a_bounded_cache_of_results_is_not),
		TEST(results_loaded_at_start_are_not),
		TEST(three_results_kept_for_minutes_are_not),
		TEST(results_that_stopped_coming_are_not_for_ever),
		TEST(one_place_of_two_is_named),
		TEST(a_brief_run_that_kept_all_has_leaked),
		TEST(births_tell_of_a_run_too_brief_to_look_at),
		TEST(what_is_freed_at_the_very_end_only_is_implicit),
		TEST(what_is_freed_before_the_end_is_not),
		TEST(objects_freed_by_unseen_means_accuse_nobody),
		TEST(a_few_unseen_of_many_do_not_hide_a_leak),
		TEST(what_is_not_counted_any_more_is_judged_as_of_then),
		TEST(lost_records_soften_it),
		TEST(a_snapshot_or_a_pooler_is_not_judged),
		TEST(a_leak_without_a_known_connection_is_told),
		TEST(a_leak_is_told_where_its_connection_leads),
		TEST(the_memory_behind_is_summed_when_all_is_known),
		TEST(the_memory_behind_is_reckoned_from_those_that_were_read),
		TEST(buffers_never_freed_are_a_leak),
		TEST(statements_the_wire_cannot_tell_of_are_a_leak),
		TEST(a_cache_that_fills_behind_tls_is_not),
		TEST(statements_with_the_wire_are_accused_once),
		TEST(a_cache_of_statements_on_the_wire_is_not),
		TEST(handles_of_statements_the_server_does_not_have_are_a_leak),
		TEST(an_lru_of_sqlite_statements_is_not),
		TEST(sqlite_statements_never_finalized_are_accused_once),
		TEST(one_text_for_each_thread_of_a_shared_connection_is_not),
		TEST(a_pool_of_sqlite_connections_is_not),
		TEST(sqlite_sessions_kept_are_a_leak),
		TEST(databases_in_memory_are_no_connections_left),
		TEST(a_reader_behind_which_the_log_grows_is_a_leak),
		TEST(a_reader_at_work_while_the_log_grows_is_not),
		TEST(short_readers_beside_a_large_log_are_not),
		TEST(a_reader_left_open_is_stuck),
		TEST(a_stream_of_sqlite_rows_is_not),
		TEST(cursors_with_rows_left_that_pile_up_are_a_leak),
		TEST(readers_of_many_connections_that_come_and_go_are_not),
		TEST(closed_sqlite_connections_that_live_on_are_their_statements),
		TEST(one_closed_a_moment_ago_that_lives_on_is_not),
		TEST(cursors_with_hold_that_pile_up_are_a_leak),
		TEST(a_few_cursors_with_hold_left_for_long_are_stuck),
		TEST(a_few_cursors_with_hold_are_not),
		TEST(a_result_nobody_fetches_is_stuck),
		TEST(a_result_being_fetched_is_not),
		TEST(streams_of_ever_more_workers_are_not),
		TEST(results_nobody_fetches_that_pile_up_are_a_leak),
		TEST(handles_without_sockets_are_found),
		TEST(connections_closed_whole_are_not),
		TEST(handles_that_connect_again_are_not),
		TEST(a_socket_without_its_handle_is_stuck),
		TEST(both_halves_alive_are_one_connection),
		TEST(an_address_that_comes_back_is_another_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
