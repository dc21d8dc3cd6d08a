/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_judge_site.c - which line a finding names, and when there are several.
 */
#include "tests/unit/support/story.h"

#include "user/judge/line.h"

#define APP 4711

/* As judged last, so that what it gave stays valid; judged anew when time went on. */
static const struct process_view *app(void)
{
	static uint64_t judged_ns;

	if (!story.view || judged_ns != story.now)
		verdict();
	judged_ns = story.now;
	return story.view->process_count ? &story.view->processes[0] : NULL;
}

static const struct finding_view *expect(enum cause cause)
{
	const struct finding_view *f;

	view_close(story.view);
	story.view = NULL;
	f = finding(app(), cause);
	assert_non_null(f);
	return f;
}

static void expect_site(const struct finding_view *f, const char *file, uint32_t line,
			const char *function)
{
	assert_non_null(f->site);
	assert_string_equal(f->site->file, file);
	assert_int_equal(f->site->line, line);
	assert_string_equal(f->site->function, function);
	assert_true(f->site >= f->stack && f->site < f->stack + f->stack_count);
}

static size_t count_of(enum cause cause)
{
	const struct process_view *p = app();
	size_t n = 0;

	for (size_t i = 0; p && i < p->finding_count; i++)
		n += p->findings[i].cause == cause;
	return n;
}

static const struct finding_view *finding_at_line(enum cause cause, uint32_t line)
{
	const struct process_view *p = app();

	for (size_t i = 0; p && i < p->finding_count; i++) {
		const struct finding_view *f = &p->findings[i];

		if (f->cause == cause && f->site && f->site->line == line)
			return f;
	}
	return NULL;
}

static bool says_that(const struct finding_view *f, const char *words)
{
	for (size_t i = 0; i < f->evidence_count; i++)
		if (strstr(f->evidence[i], words))
			return true;
	return false;
}

static uint64_t line(uint32_t number)
{
	return through_sqlalchemy(APP, "/srv/shop/report.py", number, "monthly");
}

/* Through a virtual machine, whose starter is the owner's; compiled: what the code it runs is. */
static uint64_t through_machine(const struct place_reported *compiled)
{
	const struct place_reported frames[] = {
		{EV_LANG_NATIVE, "connect", NULL, "/usr/lib/x86_64-linux-gnu/libc.so.6", 0, 10, 0},
		{EV_LANG_NATIVE, "connect0", NULL, "/opt/jdk/lib/libnio.so", 0, 20, 0},
		*compiled,
		{EV_LANG_NATIVE, "JavaCalls::call_helper", NULL, "/opt/jdk/lib/server/libjvm.so", 0,
		 30, 0},
		{EV_LANG_NATIVE, "run_service", NULL, "/srv/shop/bin/starter", 0, 40, 0},
		{EV_LANG_NATIVE, "JavaMain", NULL, "/opt/jdk/lib/libjli.so", 0, 50, 0},
	};

	return tell_stack(APP, frames, sizeof(frames) / sizeof(frames[0]));
}

static size_t gaps_that_say(const char *words)
{
	size_t n = 0;

	for (size_t i = 0; i < story.view->gap_count; i++)
		n += strstr(story.view->gaps[i].reason, words) != NULL;
	return n;
}

/* A session is opened and begun, and never ended. */
static void keep(uint32_t id, double second, uint64_t stack)
{
	at(second);
	opens(id, APP, APP);
	shows_of(EV_AT_OPENED, id, 0, stack);
	at(second + 0.01);
	begins(id);
	shows_of(EV_AT_BEGUN, id, 0, stack);
	at(second + 0.02);
	uses(id);
}

static void app_begins(void)
{
	story_begins();
	process(APP);
}

/* Connections. */

static void sessions_kept_are_named_by_their_line(void **state)
{
	const struct finding_view *f;

	(void)state;
	app_begins();
	for (int i = 0; i < 12; i++)
		keep(i, i, line(42));
	at(13);
	f = expect(CAUSE_UNCLOSED_CONNECTION);
	expect_site(f, "/srv/shop/report.py", 42, "monthly");
	assert_int_equal(f->site->language, EV_LANG_PYTHON);
	assert_int_equal(f->stack_count, 6);
	assert_string_equal(f->stack[0].function, "connect");
	assert_false(says_that(f, "this line"));
	expect_site(expect(CAUSE_OPEN_TRANSACTION), "/srv/shop/report.py", 42, "monthly");
	assert_int_equal(count_of(CAUSE_UNCLOSED_CONNECTION), 1);
	assert_int_equal(count_of(CAUSE_OPEN_TRANSACTION), 1);
}

/* A pool's connect stack names only its first user. */
static void the_transaction_names_the_culprit_not_the_connect(void **state)
{
	(void)state;
	app_begins();
	for (int i = 0; i < 12; i++) {
		at(i);
		opens(i, APP, APP);
		shows_of(EV_AT_OPENED, i, 0, line(7));
		at(i + 0.01);
		begins(i);
		shows_of(EV_AT_BEGUN, i, 0, line(42));
	}
	at(13);
	expect_site(expect(CAUSE_UNCLOSED_CONNECTION), "/srv/shop/report.py", 42, "monthly");
}

/* An engine for each call: each connection went back to its own pool, which sends a ROLLBACK. */
static void pools_that_nobody_uses_again_are_told_as_that(void **state)
{
	static const char *const last[] = {"ROLLBACK", "SELECT * FROM orders"};

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		app_begins();
		for (int i = 0; i < 12; i++) {
			at(i);
			opens(i, APP, APP);
			shows_of(EV_AT_OPENED, i, 0, line(42));
			uses(i);
			says(i, i ? "ROLLBACK" : last[k]);
		}
		at(13);
		assert_int_equal(strstr(expect(CAUSE_UNCLOSED_CONNECTION)->advice,
					"engine.dispose()") != NULL,
				 !k);
		story_teardown(state);
	}
}

static void counts_at_other_lines_have_separators(void **state)
{
	(void)state;
	app_begins();
	for (int i = 0; i < 1300; i++)
		keep(i, i * 0.01, i < 12 ? line(42) : 0);
	at(30);
	assert_true(says_that(expect(CAUSE_UNCLOSED_CONNECTION), "1,28"));
}

/* The query of a driver in C comes by no frame of that driver. */
static void a_driver_is_advised_that_only_opened_the_connection(void **state)
{
	const struct place_reported frames[] = {
		{EV_LANG_PYTHON, "query", "/srv/shop/report.py", NULL, 42, 0, 0}};
	const struct finding_view *f;

	(void)state;
	app_begins();
	for (int i = 0; i < 12; i++) {
		at(i);
		opens(i, APP, APP);
		shows_of(EV_AT_OPENED, i, 0, line(7));
		at(i + 0.01);
		begins(i);
		shows_of(EV_AT_BEGUN, i, 0, tell_stack(APP, frames, 1));
	}
	at(13);
	f = expect(CAUSE_UNCLOSED_CONNECTION);
	expect_site(f, "/srv/shop/report.py", 42, "query");
	assert_non_null(strstr(f->advice, "(SQLAlchemy: "));
	assert_non_null(strstr(expect(CAUSE_OPEN_TRANSACTION)->advice, "(SQLAlchemy: "));
}

/* What pools are told to do is told only where that pool is. */
static void sockets_that_the_server_closed_are_tested_by_the_pool_that_is_there(void **state)
{
	(void)state;
	for (int known = 0; known < 2; known++) {
		app_begins();
		for (int i = 0; i < 8; i++) {
			at(i * 3);
			opens(i, APP, APP);
			shows_of(EV_AT_OPENED, i, 0, known ? line(7) : 0);
			hung_up(i);
		}
		at(60);
		assert_int_equal(known, strstr(expect(CAUSE_UNCLOSED_CONNECTION)->advice,
					       "SQLAlchemy") != NULL);
		story_ends();
	}
}

static void connections_outside_a_transaction_are_named_by_their_opening(void **state)
{
	(void)state;
	app_begins();
	for (int i = 0; i < 12; i++) {
		at(i);
		opens(i, APP, APP);
		shows_of(EV_AT_OPENED, i, 0, line(7));
		at(i + 0.01);
		begins(i);
		shows_of(EV_AT_BEGUN, i, 0, line(42));
		at(i + 0.02);
		commits(i);
	}
	at(13);
	expect_site(expect(CAUSE_UNCLOSED_CONNECTION), "/srv/shop/report.py", 7, "monthly");
}

static void a_stack_that_stands_in_is_said_to(void **state)
{
	const struct finding_view *f;

	(void)state;
	app_begins();
	for (int i = 0; i < 12; i++) {
		at(i);
		opens(i, APP, APP);
		shows_of(EV_AT_OPENED, i, 0, line(7));
		/* of a transaction that has ended since */
		shows_of(EV_AT_BEGUN, i, 0, line(42));
		at(i + 0.1);
		begins(i);
	}
	at(13);
	f = expect(CAUSE_UNCLOSED_CONNECTION);
	expect_site(f, "/srv/shop/report.py", 7, "monthly");
	assert_true(says_that(f, "where the transaction began was not seen"));
}

static void the_starter_of_a_virtual_machine_is_no_line(void **state)
{
	static const struct place_reported jit = {
		EV_LANG_NATIVE, NULL, NULL, "[anonymous]", 0, 60, 0};
	static const struct place_reported named = {
		EV_LANG_JAVA, "LShop;::handle", NULL, "/tmp/perf-4711.map", 0, 60, 0};

	(void)state;
	app_begins();
	for (int i = 0; i < 12; i++)
		keep(i, i, through_machine(&jit));
	at(13);
	assert_null(expect(CAUSE_UNCLOSED_CONNECTION)->site);
	assert_int_equal(gaps_that_say("Compiler.perfmap"), 1);
	story_ends();
	/* Its twin: the machine names what it has compiled. */
	app_begins();
	for (int i = 0; i < 12; i++)
		keep(i, i, through_machine(&named));
	at(13);
	assert_non_null(expect(CAUSE_UNCLOSED_CONNECTION)->site);
	assert_int_equal(gaps_that_say("Compiler.perfmap"), 0);
}

/* Other requests follow on the same connection, and an older stack comes late. */
static void cursors_are_named_by_the_line_that_declared_them(void **state)
{
	struct ev_evidence late = {.kind = EV_AT_BEGUN};

	(void)state;
	app_begins();
	opens(0, APP, APP);
	for (int i = 1; i <= 30; i++) {
		at(i * 0.5);
		reported(0)->cursors = i;
		uses(0);
		shows_of(EV_AT_BEGUN, 0, 0, line(42));
		at(i * 0.5 + 0.2);
		uses(0);
		shows_of(EV_AT_BEGUN, 0, 0, line(77));
	}
	late.object = reported(0)->id;
	late.stack = line(500);
	late.at_ns = STORY_START + 1;
	story_tell(&late, EV_EVIDENCE, sizeof(late));
	assert_int_equal(expect(CAUSE_UNCLOSED_CURSOR)->site->line, 42);
	/* The end of the process closes them, and keeps the line. */
	exits(APP);
	at(16);
	assert_int_equal(expect(CAUSE_UNCLOSED_CURSOR)->site->line, 42);
}

static void two_lines_of_one_function_are_two_findings(void **state)
{
	const struct finding_view *a, *b;

	(void)state;
	app_begins();
	for (int i = 0; i < 24; i++)
		keep(i, i * 0.5, line(i % 3 ? 42 : 57));
	at(13);
	assert_int_equal(count_of(CAUSE_UNCLOSED_CONNECTION), 2);
	a = finding_at_line(CAUSE_UNCLOSED_CONNECTION, 42);
	b = finding_at_line(CAUSE_UNCLOSED_CONNECTION, 57);
	assert_non_null(a);
	assert_non_null(b);
	assert_int_equal(a->acquired + b->acquired, 24);
	assert_int_equal(a->open + b->open, 23);
	assert_int_equal(a->acquired, 16);
	assert_int_equal(b->acquired, 8);
	assert_int_equal(a->released + b->released, 0);
	assert_true(a->growth_per_minute > b->growth_per_minute);
	assert_true(a->exhausts_seconds == b->exhausts_seconds);
	assert_int_equal(count_of(CAUSE_OPEN_TRANSACTION), 2);
}

static void one_connection_of_twelve_is_no_accusation_of_its_own(void **state)
{
	const struct finding_view *f;

	(void)state;
	app_begins();
	for (int i = 0; i < 12; i++)
		keep(i, i, line(i == 5 ? 57 : 42));
	at(13);
	assert_int_equal(count_of(CAUSE_UNCLOSED_CONNECTION), 1);
	f = expect(CAUSE_UNCLOSED_CONNECTION);
	expect_site(f, "/srv/shop/report.py", 42, "monthly");
	assert_int_equal(f->acquired, 12);
	assert_true(says_that(f, "10 at this line, 1 at /srv/shop/report.py:57 monthly"));
	assert_int_equal(count_of(CAUSE_OPEN_TRANSACTION), 1);
}

/* Code that is interpreted at first and compiled later. */
static void a_line_known_as_its_function_only_at_times_is_one_place(void **state)
{
	const struct finding_view *f;

	(void)state;
	app_begins();
	for (int i = 0; i < 24; i++) {
		const struct place_reported frames[] = {
			{EV_LANG_JAVASCRIPT, "main", "/srv/shop/server.js", NULL, i < 4 ? 12 : 9, 0,
			 i < 4 ? 0 : EV_FRAME_DEFINED}};

		keep(i, i * 0.5, i % 2 ? line(42) : tell_stack(APP, frames, 1));
	}
	at(13);
	f = expect(CAUSE_UNCLOSED_CONNECTION);
	assert_int_equal(count_of(CAUSE_UNCLOSED_CONNECTION), 2);
	f = finding_at_line(CAUSE_UNCLOSED_CONNECTION, 12);
	assert_non_null(f);
	expect_site(f, "/srv/shop/server.js", 12, "main");
	assert_int_equal(f->acquired, 12); /* of which two would prove nothing */
	assert_false(says_that(f, "this line"));
	assert_int_equal(count_of(CAUSE_OPEN_TRANSACTION), 2);
}

static void many_small_places_are_one_finding(void **state)
{
	const struct finding_view *f;

	(void)state;
	app_begins();
	for (int i = 0; i < 40; i++)
		keep(i, i * 0.5, line(i == 3 || i == 4 ? 500 : 100 + i));
	at(22);
	assert_int_equal(count_of(CAUSE_UNCLOSED_CONNECTION), 1);
	f = expect(CAUSE_UNCLOSED_CONNECTION);
	assert_int_equal(f->site->line, 500);
	assert_int_equal(f->acquired, 40);
	assert_true(says_that(f, "2 at this line"));
	assert_true(says_that(f, "33 at unknown lines or other lines"));
}

static void connections_from_nowhere_join_those_that_are_known(void **state)
{
	const struct finding_view *f;

	(void)state;
	app_begins();
	for (int i = 0; i < 12; i++)
		keep(i, i, i % 4 ? line(42) : 0);
	at(13);
	f = expect(CAUSE_UNCLOSED_CONNECTION);
	assert_int_equal(count_of(CAUSE_UNCLOSED_CONNECTION), 1);
	assert_int_equal(f->open, 11);
	expect_site(f, "/srv/shop/report.py", 42, "monthly");
	assert_true(says_that(f, "8 at this line, 3 at unknown lines"));
}

/* Healthy work at one line and a leak at another: the closed ones are the healthy line's. */
static void what_is_closed_elsewhere_does_not_soften_a_leak(void **state)
{
	const struct finding_view *f;
	uint32_t id = 0;

	(void)state;
	app_begins();
	for (int i = 0; i < 12; i++) {
		keep(id++, i, line(42));
		for (int k = 0; k < 3; k++, id++) {
			keep(id, i + 0.2 + k * 0.1, line(57));
			commits(id);
			closes(id);
		}
	}
	at(13);
	assert_int_equal(count_of(CAUSE_UNCLOSED_CONNECTION), 1);
	f = expect(CAUSE_UNCLOSED_CONNECTION);
	expect_site(f, "/srv/shop/report.py", 42, "monthly");
	assert_int_equal(f->open, 12);
}

static void healthy_programs_stay_silent_whatever_their_stacks(void **state)
{
	(void)state;
	app_begins();
	for (int i = 0; i < 30; i++) {
		keep(i, i, line(42 + i % 2));
		commits(i);
		closes(i);
	}
	at(31);
	expect_silence(APP);
}

/* Transactions. */

static void transactions_left_open_in_two_places_are_two(void **state)
{
	const struct finding_view *f;

	(void)state;
	app_begins();
	keep(0, 1, line(42));
	keep(1, 1.2, line(57));
	at(40);
	assert_int_equal(count_of(CAUSE_OPEN_TRANSACTION), 2);
	f = finding_at_line(CAUSE_OPEN_TRANSACTION, 57);
	assert_non_null(f);
	assert_int_equal(f->verdict, VERDICT_STUCK);
	assert_int_equal(f->open, 1);
	assert_int_equal(f->acquired, UNKNOWN64);
}

/* Two programs share a helper: each one's stack is its own. */
static void what_two_processes_share_leads_to_each_by_its_own_way(void **state)
{
	static const char *const callers[] = {"daily", "monthly"};

	(void)state;
	story_begins();
	for (uint32_t i = 0; i < 2; i++) {
		const struct place_reported frames[] = {
			{EV_LANG_PYTHON, "ask", "/srv/shop/db.py", NULL, 9, 0, 0},
			{EV_LANG_PYTHON, callers[i], "/srv/shop/report.py", NULL, 40 + i, 0, 0}};

		process(APP + i);
		at(1 + i);
		opens(i, APP + i, APP + i);
		begins(i);
		shows_of(EV_AT_BEGUN, i, 0, tell_stack(APP + i, frames, 2));
	}
	at(40);
	for (uint32_t i = 0; i < 2; i++) {
		const struct finding_view *f = finding(verdict_of(APP + i), CAUSE_OPEN_TRANSACTION);

		assert_non_null(f);
		expect_site(f, "/srv/shop/db.py", 9, "ask");
		assert_int_equal(f->stack_count, 2);
		assert_string_equal(f->stack[1].function, callers[i]);
	}
}

/* A helper that well and ill use: shown is the way of the one that is left. */
static void a_line_that_many_call_is_shown_as_it_was_reached(void **state)
{
	static const struct place_reported ways[][2] = {
		{{EV_LANG_PYTHON, "ask", "/srv/shop/db.py", NULL, 9, 0, 0},
		 {EV_LANG_PYTHON, "daily", "/srv/shop/report.py", NULL, 40, 0, 0}},
		{{EV_LANG_PYTHON, "ask", "/srv/shop/db.py", NULL, 9, 0, 0},
		 {EV_LANG_PYTHON, "monthly", "/srv/shop/report.py", NULL, 42, 0, 0}}};
	const struct finding_view *f;

	(void)state;
	app_begins();
	for (uint32_t i = 0; i < 2; i++) {
		at(1 + i);
		opens(i, APP, APP);
		begins(i);
		shows_of(EV_AT_BEGUN, i, 0, tell_stack(APP, ways[i], 2));
	}
	closes(0); /* rolled back silently */
	at(40);
	f = expect(CAUSE_OPEN_TRANSACTION);
	expect_site(f, "/srv/shop/db.py", 9, "ask");
	assert_string_equal(f->stack[1].function, "monthly");
}

/* A helper that only opens, called from so many lines in turn. */
static void helped(uint32_t count, uint32_t lines)
{
	app_begins();
	for (uint32_t i = 0; i < count; i++) {
		const struct place_reported way[] = {
			{EV_LANG_PYTHON, "session", "/srv/shop/db.py", NULL, 9, 0, 0},
			{EV_LANG_PYTHON, "session", "/srv/shop/db.py", NULL, 7, 0, 0},
			{EV_LANG_PYTHON, "__exit__", "/usr/lib/python3.11/contextlib.py", NULL, 81,
			 0, 0},
			{EV_LANG_PYTHON, "monthly", "/srv/shop/report.py", NULL, 40 + i % lines, 0,
			 0},
			{EV_LANG_PYTHON, "<module>", "/srv/shop/main.py", NULL, 1 + i, 0, 0}};

		keep(i, i, tell_stack(APP, way, sizeof(way) / sizeof(way[0])));
	}
	at(count + 1);
}

static void those_that_call_a_helper_are_named(void **state)
{
	const struct finding_view *f;

	(void)state;
	helped(12, 5);
	f = expect(CAUSE_UNCLOSED_CONNECTION);
	expect_site(f, "/srv/shop/db.py", 9, "session");
	assert_true(says_that(f, "called from: "
				 "3 from /srv/shop/report.py:40 monthly, "
				 "2 from /srv/shop/report.py:41 monthly, "
				 "2 from /srv/shop/report.py:42 monthly, "
				 "2 from /srv/shop/report.py:43 monthly, 2 from other callers"));
}

static void a_helper_called_from_one_place_is_only_named(void **state)
{
	(void)state;
	helped(12, 1);
	assert_false(says_that(expect(CAUSE_UNCLOSED_CONNECTION), "several"));
}

static void what_nobody_called_is_only_named(void **state)
{
	(void)state;
	app_begins();
	for (uint32_t i = 0; i < 12; i++) {
		const struct place_reported way[] = {
			{EV_LANG_PYTHON, "<module>", "/srv/shop/main.py", NULL, 9, 0, 0},
			{EV_LANG_PYTHON, "run", "/usr/lib/python3.11/runpy.py", NULL, 10 + i, 0,
			 0}};

		keep(i, i, tell_stack(APP, way, 2));
	}
	at(13);
	assert_false(says_that(expect(CAUSE_UNCLOSED_CONNECTION), "several"));
}

/* Order of records. */

static void records_of_code_may_come_in_any_order(void **state)
{
	static const struct place_reported frames[] = {
		{EV_LANG_PYTHON, "monthly", "/srv/shop/report.py", NULL, 42, 0, 0}};
	uint64_t stack;

	(void)state;
	app_begins();
	stack = tell_stack(APP, frames, 1); /* in another story: only its id is used here */
	story_ends();
	app_begins();
	at(1);
	reported(0)->pid = APP;
	reported(0)->start_ns = process_start(APP);
	shows_of(EV_AT_BEGUN, 0, 0, 99);
	shows_of(EV_AT_BEGUN, 0, 0, stack); /* the later replaces the earlier */
	opens(0, APP, APP);
	begins(0);
	at(30);
	assert_null(expect(CAUSE_OPEN_TRANSACTION)->site);
	tell_stack(APP, frames, 1);
	expect_site(expect(CAUSE_OPEN_TRANSACTION), "/srv/shop/report.py", 42, "monthly");
}

static void evidence_of_what_never_comes_is_bounded(void **state)
{
	(void)state;
	app_begins();
	for (uint64_t i = 1; i < 20000; i++)
		shows((struct ev_evidence){.kind = EV_AT_OPENED, .object = i << 20, .pid = APP}, 5);
	assert_true(story.model->code.waiting.count <= 4096);
	assert_true(story.model->code.waiting.count >= 4000);
	/* a kind of a later version, and an object that is none */
	shows((struct ev_evidence){.kind = 99, .object = 1}, 5);
	shows((struct ev_evidence){.kind = EV_AT_ACQUIRED, .object = 0}, 5);
}

static void evidence_goes_with_its_object(void **state)
{
	(void)state;
	app_begins();
	for (uint32_t i = 0; i < 2000; i++) {
		keep(i, i * 0.01, line(42));
		prepares(i, 5, "SELECT 1", 1);
		shows_of(EV_AT_PREPARED, i, 5, line(42));
		commits(i);
		closes(i);
	}
	assert_int_equal(story.model->code.waiting.count, 0);
	assert_int_equal(story.model->code.stacks.count, 1);
	assert_int_equal(story.model->connections.count, 0);
}

static void a_flood_of_places_that_nothing_refers_to_makes_room(void **state)
{
	(void)state;
	app_begins();
	for (uint32_t i = 1; i <= (128 << 10) + 10; i++)
		tell_frame(&(struct place_reported){EV_LANG_NATIVE, "f", "a.c", NULL, i, 0, 0});
	assert_in_range(story.model->code.frames.count, CODE_RECENT, CODE_RECENT + 100);
	assert_int_equal(story.model->code.refused, 0);
	verdict();
	assert_int_equal(story.view->gap_count, 0);
}

/* Evidence that waits for its object refers to each of them. */
static void a_flood_of_places_in_use_is_counted_and_left_out(void **state)
{
	struct place_reported frames[EV_STACK_FRAMES];
	uint32_t line = 0, last = ((128 << 10) + 10) / EV_STACK_FRAMES + 1;

	(void)state;
	app_begins();
	for (uint32_t n = 0; n < last; n++) {
		for (uint32_t i = 0; i < EV_STACK_FRAMES; i++)
			frames[i] = (struct place_reported){EV_LANG_NATIVE, "f", "a.c", NULL,
							    ++line,	    0,	 0};
		shows((struct ev_evidence){.kind = EV_AT_OPENED, .object = 5000 + n},
		      tell_stack(1, frames, EV_STACK_FRAMES));
	}
	assert_int_equal(story.model->code.frames.count, 128 << 10);
	assert_int_equal(story.model->code.refused, line - (128 << 10));
	verdict();
	assert_int_equal(story.view->gap_count, 1);
	assert_non_null(strstr(story.view->gaps[0].reason, "some leaks have no line"));
}

/* Statements and results. */

static void statements_are_named_by_their_prepare(void **state)
{
	const struct finding_view *f;

	(void)state;
	app_begins();
	at(1);
	opens(0, APP, APP);
	shows_of(EV_AT_OPENED, 0, 0, line(7));
	for (int i = 0; i < 40; i++) {
		at(1 + i * 0.2);
		prepares(0, 1000 + i, "SELECT 1", 77);
		shows_of(EV_AT_PREPARED, 0, 1000 + i, line(42));
	}
	f = expect(CAUSE_UNCLOSED_STATEMENT);
	expect_site(f, "/srv/shop/report.py", 42, "monthly");
	assert_int_equal(f->open, 40);
	assert_int_equal(f->acquired, 40);
}

/* Statements prepared by a driver's own task, whose stack has no line of the owner. */
static void statements_of_a_task_of_the_driver_are_named_by_the_opening(void **state)
{
	const struct place_reported opening[] = {
		{EV_LANG_NATIVE, "tokio_postgres::connect", NULL, "/srv/shop/shop", 0, 10, 0},
		{EV_LANG_NATIVE, "shop::pool", "/srv/shop/src/pool.rs", "/srv/shop/shop", 7, 20, 0},
	};
	const struct place_reported task[] = {
		{EV_LANG_NATIVE, "tokio_postgres::connection::Connection<S,T>::poll_flush", NULL,
		 "/srv/shop/shop", 0, 30, 0},
		{EV_LANG_NATIVE, "shop::pool::{{closure}}", "/srv/shop/src/pool.rs",
		 "/srv/shop/shop", 9, 40, 0},
	};
	const struct finding_view *f;

	(void)state;
	app_begins();
	at(1);
	opens(0, APP, APP);
	shows_of(EV_AT_OPENED, 0, 0, tell_stack(APP, opening, 2));
	for (int i = 0; i < 40; i++) {
		at(1 + i * 0.2);
		prepares(0, 1000 + i, "SELECT 1", 77);
		shows_of(EV_AT_PREPARED, 0, 1000 + i, tell_stack(APP, task, 2));
	}
	f = expect(CAUSE_UNCLOSED_STATEMENT);
	expect_site(f, "/srv/shop/src/pool.rs", 7, "shop::pool");
	assert_true(says_that(f, "which line prepared the statements was not seen"));
	/* told when the line was known */
	assert_non_null(strstr(f->advice, "(Rust: drop(statement)"));
}

static void a_stack_that_is_cut_short_needs_smaller_frames_not_symbols(void **state)
{
	struct frame_view frame = {
		.language = EV_LANG_NATIVE, .file = "/srv/shop/src/pool.rs", .line = 7};
	struct finding_view f = {.stack = &frame, .stack_count = 1, .stack_flags = EV_STACK_CUT};

	(void)state;
	assert_non_null(strstr(line_to_get(&f, EV_LANG_NATIVE), "with optimization"));
	frame.line = 0;
	assert_non_null(strstr(line_to_get(&f, EV_LANG_NATIVE), "debug symbols"));
	frame.line = 7;
	f.stack_flags = 0;
	assert_non_null(strstr(line_to_get(&f, EV_LANG_NATIVE), "debug symbols"));
}

static void statements_of_two_lines_are_two_findings(void **state)
{
	const struct finding_view *f;

	(void)state;
	app_begins();
	at(1);
	opens(0, APP, APP);
	for (int i = 0; i < 60; i++) {
		at(1 + i * 0.2);
		prepares(0, 1000 + i, i % 3 ? "SELECT 1" : "SELECT 2", i % 3 ? 77 : 78);
		shows_of(EV_AT_PREPARED, 0, 1000 + i, i == 50 ? 0 : line(i % 3 ? 42 : 57));
	}
	assert_int_equal(count_of(CAUSE_UNCLOSED_STATEMENT), 2);
	f = finding_at_line(CAUSE_UNCLOSED_STATEMENT, 57);
	assert_int_equal(f->open, 20);
	assert_string_equal(f->sql, "SELECT 2");
	f = finding_at_line(CAUSE_UNCLOSED_STATEMENT, 42);
	assert_int_equal(f->open, 40);
	assert_int_equal(f->acquired, UNKNOWN64);
}

static void a_large_result_is_named_by_its_request(void **state)
{
	(void)state;
	app_begins();
	at(1);
	opens(0, APP, APP);
	begins(0);
	shows_of(EV_AT_BEGUN, 0, 0, line(7));
	at(3);
	reads(0, 200000, 80 << 20, 300 << 20);
	expect_site(expect(CAUSE_UNBOUNDED_RESULT), "/srv/shop/report.py", 7, "monthly");
	/* of another, smaller reply long before */
	at(1.5);
	shows_of(EV_AT_RESULT, 0, 0, line(99));
	expect_site(expect(CAUSE_UNBOUNDED_RESULT), "/srv/shop/report.py", 7, "monthly");
	at(2.5);
	shows_of(EV_AT_RESULT, 0, 0, line(42));
	expect_site(expect(CAUSE_UNBOUNDED_RESULT), "/srv/shop/report.py", 42, "monthly");
}

static void a_reader_left_open_is_named_by_its_statement(void **state)
{
	(void)state;
	app_begins();
	at(1);
	opens_file(0, APP, APP, "/var/lib/shop.db");
	shows_of(EV_AT_OPENED, 0, 0, line(7));
	prepares(0, 1, "SELECT * FROM items", 5);
	shows_of(EV_AT_PREPARED, 0, 1, line(42));
	reads_file(0, 1, 1, 4096);
	for (int i = 2; i < 20; i++) {
		at(i);
		reads_file(0, 1, 1, (uint64_t)i << 20);
	}
	expect_site(expect(CAUSE_WAL_GROWTH), "/srv/shop/report.py", 42, "monthly");
}

/* Objects of libraries. */

static struct ev_site results_of(uint64_t site)
{
	return site_of(APP, site, EV_RES_RESULT, EV_DB_POSTGRESQL, "PGresult", "PQclear");
}

static void objects_are_named_by_where_they_were_acquired(void **state)
{
	struct ev_site s = results_of(1);
	const struct finding_view *f;

	(void)state;
	app_begins();
	opens(0, APP, APP);
	for (int i = 0; i < 20; i++) {
		struct ev_handle h;

		at(1 + i * 0.5);
		acquires(&s, 1);
		tell_site(&s);
		h = handle_of(&s, 0x1000 + i);
		shows_of_handle(&h, line(42)); /* before the object itself */
		tell_handle(&h);
	}
	shows_of_site(&s, line(99)); /* a healthy call looked at last */
	f = expect(CAUSE_UNFREED_RESULT);
	expect_site(f, "/srv/shop/report.py", 42, "monthly");
	assert_false(says_that(f, "this line"));
}

static void objects_not_looked_at_are_named_by_their_calls(void **state)
{
	struct ev_site s = results_of(1);

	(void)state;
	app_begins();
	shows_of_site(&s, line(42));
	for (int i = 0; i < 20; i++) {
		at(1 + i * 0.5);
		acquires(&s, 1);
		tell_site(&s);
	}
	expect_site(expect(CAUSE_UNFREED_RESULT), "/srv/shop/report.py", 42, "monthly");
}

/* Looked at too often to be looked at each time: then its evidence has no stack. */
static void no_stack_replaces_that_of_a_transaction_and_not_that_of_a_place(void **state)
{
	struct ev_site s = results_of(1);

	(void)state;
	app_begins();
	shows_of_site(&s, line(42));
	for (int i = 0; i < 20; i++) {
		at(1 + i * 0.5);
		acquires(&s, 1);
		tell_site(&s);
		shows_of_site(&s, 0);
	}
	expect_site(expect(CAUSE_UNFREED_RESULT), "/srv/shop/report.py", 42, "monthly");
	keep(0, 20, line(42));
	shows_of(EV_AT_BEGUN, 0, 0, 0);
	shows_of(EV_AT_OPENED, 0, 0, 0);
	at(60);
	assert_null(expect(CAUSE_OPEN_TRANSACTION)->site);
}

/* Two return addresses in one line: neither has ten of its own. */
static void calls_from_one_place_are_judged_as_one(void **state)
{
	for (int same = 0; same < 2; same++) {
		struct ev_site a = results_of(1), b = results_of(2);
		const struct finding_view *f;

		(void)state;
		app_begins();
		shows_of_site(&a, line(42));
		shows_of_site(&b, line(same ? 42 : 57));
		for (int i = 0; i < 16; i++) {
			struct ev_site *s = i % 2 ? &a : &b;

			at(1 + i);
			acquires(s, 2);
			s->released++;
			tell_site(&a);
			tell_site(&b);
		}
		at(17);
		f = finding(verdict_of(APP), CAUSE_UNFREED_RESULT);
		if (!same) {
			assert_null(f);
		} else {
			assert_non_null(f);
			assert_int_equal(f->acquired, 32);
			assert_int_equal(f->released, 16);
			assert_int_equal(f->open, 16);
			assert_int_equal(f->caller, 0);
			expect_site(f, "/srv/shop/report.py", 42, "monthly");
		}
		story_ends();
	}
	story_begins();
}

static void other_objects_of_one_place_are_judged_apart(void **state)
{
	struct ev_site a = results_of(1), b = site_of(APP, 2, EV_RES_MEMORY, EV_DB_POSTGRESQL,
						      "PQescape buffer", "PQfreemem");

	(void)state;
	app_begins();
	shows_of_site(&a, line(42));
	shows_of_site(&b, line(42));
	for (int i = 0; i < 16; i++) {
		at(1 + i);
		acquires(&a, 2);
		tell_site(&a);
		acquires(&b, 2);
		b.released += 2;
		tell_site(&b);
	}
	assert_int_equal(count_of(CAUSE_UNFREED_RESULT), 1);
	assert_int_equal(count_of(CAUSE_UNFREED_MEMORY), 0);
	assert_int_equal(expect(CAUSE_UNFREED_RESULT)->acquired, 32);
}

static void what_the_user_calls_a_library_is_passed_over(void **state)
{
	static const char *const patterns[] = {"shop/report.py"};

	(void)state;
	app_begins();
	for (int i = 0; i < 12; i++)
		keep(i, i, line(42));
	at(13);
	story.library = (struct site_patterns){patterns, 1};
	expect_site(expect(CAUSE_UNCLOSED_CONNECTION), "/srv/shop/main.py", 9, "<module>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(sessions_kept_are_named_by_their_line, story_teardown),
		cmocka_unit_test_teardown(cursors_are_named_by_the_line_that_declared_them,
					  story_teardown),
		cmocka_unit_test_teardown(the_starter_of_a_virtual_machine_is_no_line,
					  story_teardown),
		cmocka_unit_test_teardown(the_transaction_names_the_culprit_not_the_connect,
					  story_teardown),
		cmocka_unit_test_teardown(pools_that_nobody_uses_again_are_told_as_that,
					  story_teardown),
		cmocka_unit_test_teardown(counts_at_other_lines_have_separators, story_teardown),
		cmocka_unit_test_teardown(a_driver_is_advised_that_only_opened_the_connection,
					  story_teardown),
		cmocka_unit_test(
			sockets_that_the_server_closed_are_tested_by_the_pool_that_is_there),
		cmocka_unit_test_teardown(
			connections_outside_a_transaction_are_named_by_their_opening,
			story_teardown),
		cmocka_unit_test_teardown(a_stack_that_stands_in_is_said_to, story_teardown),
		cmocka_unit_test_teardown(two_lines_of_one_function_are_two_findings,
					  story_teardown),
		cmocka_unit_test_teardown(one_connection_of_twelve_is_no_accusation_of_its_own,
					  story_teardown),
		cmocka_unit_test_teardown(a_line_known_as_its_function_only_at_times_is_one_place,
					  story_teardown),
		cmocka_unit_test_teardown(many_small_places_are_one_finding, story_teardown),
		cmocka_unit_test_teardown(connections_from_nowhere_join_those_that_are_known,
					  story_teardown),
		cmocka_unit_test_teardown(what_is_closed_elsewhere_does_not_soften_a_leak,
					  story_teardown),
		cmocka_unit_test_teardown(healthy_programs_stay_silent_whatever_their_stacks,
					  story_teardown),
		cmocka_unit_test_teardown(transactions_left_open_in_two_places_are_two,
					  story_teardown),
		cmocka_unit_test_teardown(a_line_that_many_call_is_shown_as_it_was_reached,
					  story_teardown),
		cmocka_unit_test_teardown(those_that_call_a_helper_are_named, story_teardown),
		cmocka_unit_test_teardown(a_helper_called_from_one_place_is_only_named,
					  story_teardown),
		cmocka_unit_test_teardown(what_nobody_called_is_only_named, story_teardown),
		cmocka_unit_test_teardown(what_two_processes_share_leads_to_each_by_its_own_way,
					  story_teardown),
		cmocka_unit_test_teardown(records_of_code_may_come_in_any_order, story_teardown),
		cmocka_unit_test_teardown(evidence_of_what_never_comes_is_bounded, story_teardown),
		cmocka_unit_test_teardown(evidence_goes_with_its_object, story_teardown),
		cmocka_unit_test_teardown(a_flood_of_places_that_nothing_refers_to_makes_room,
					  story_teardown),
		cmocka_unit_test_teardown(a_flood_of_places_in_use_is_counted_and_left_out,
					  story_teardown),
		cmocka_unit_test_teardown(statements_are_named_by_their_prepare, story_teardown),
		cmocka_unit_test_teardown(
			statements_of_a_task_of_the_driver_are_named_by_the_opening,
			story_teardown),
		cmocka_unit_test(a_stack_that_is_cut_short_needs_smaller_frames_not_symbols),
		cmocka_unit_test_teardown(statements_of_two_lines_are_two_findings, story_teardown),
		cmocka_unit_test_teardown(a_large_result_is_named_by_its_request, story_teardown),
		cmocka_unit_test_teardown(a_reader_left_open_is_named_by_its_statement,
					  story_teardown),
		cmocka_unit_test_teardown(objects_are_named_by_where_they_were_acquired,
					  story_teardown),
		cmocka_unit_test_teardown(objects_not_looked_at_are_named_by_their_calls,
					  story_teardown),
		cmocka_unit_test_teardown(
			no_stack_replaces_that_of_a_transaction_and_not_that_of_a_place,
			story_teardown),
		cmocka_unit_test_teardown(calls_from_one_place_are_judged_as_one, story_teardown),
		cmocka_unit_test_teardown(other_objects_of_one_place_are_judged_apart,
					  story_teardown),
		cmocka_unit_test_teardown(what_the_user_calls_a_library_is_passed_over,
					  story_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
