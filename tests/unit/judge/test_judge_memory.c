/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_judge_memory.c - what a process's memory does, and the verdict: each leaker with its healthy
 * twins.
 */
#include "tests/unit/support/memory_story.h"

#define APP 4711

/* An application with a connection that it uses all the time. */
static void app_begins_as(enum ev_mode mode, const char *comm)
{
	story_begins_in(mode);
	process_as(APP, comm, EV_ROLE_CLIENT);
	opens(0, APP, APP);
}

static void app_begins(void)
{
	app_begins_as(EV_MODE_WATCH, "python3");
}

/* A second later, one request more, and so much memory. */
static void tick(double second, double megabytes)
{
	at(second);
	uses(0);
	has(APP, megabytes);
}

/* From one second to another, as shape() says. */
static void lives(double from, double to, double step, double (*shape)(double second))
{
	for (double t = from; t <= to; t += step)
		tick(t, shape(t));
}

static const struct finding_view *expect(enum cause cause)
{
	const struct process_view *p = verdict_of(APP);
	const struct finding_view *f = finding(p, cause);

	assert_non_null(p);
	assert_non_null(f);
	assert_int_equal(f->verdict, VERDICT_LEAKING);
	assert_int_equal(p->verdict, VERDICT_LEAKING);
	assert_int_equal(f->resource, RESOURCE_MEMORY);
	assert_true(f->evidence_count > 0);
	assert_non_null(f->advice);
	return f;
}

static bool says_so(const struct finding_view *f, const char *words)
{
	for (size_t i = 0; i < f->evidence_count; i++)
		if (strstr(f->evidence[i], words))
			return true;
	return false;
}

static size_t count_findings(void)
{
	return story.view->processes[0].finding_count;
}

static void expect_bounded(void)
{
	expect_silence(APP);
	assert_int_equal(verdict_of(APP)->verdict, VERDICT_BOUNDED);
	assert_non_null(strstr(verdict_of(APP)->verdict_reason, "memory grew by"));
}

static void expect_ok(void)
{
	expect_silence(APP);
	assert_int_equal(verdict_of(APP)->verdict, VERDICT_OK);
}

/*
 * Leaks.
 */

/* Rows are kept at one line, and pages are touched at another that gives them back. */
static void keeps_rows(double from, double to, double step, double a_second)
{
	uint64_t cache = at_line(APP, "/srv/shop/app/cache.py", 17, "remember");
	uint64_t work = at_line(APP, "/srv/shop/app/page.py", 80, "render");
	struct ev_memory_site kept, used;

	at(from);
	kept = pages_of(APP, 1, cache);
	used = pages_of(APP, 2, work);
	takes(&used, 9, 0);
	for (double t = from; t <= to; t += step) {
		tick(t, 60 + a_second * (t - from));
		takes(&kept, a_second * step * 0.8, 0);
		takes(&used, a_second * step * 0.4, a_second * step * 0.4);
	}
}

/* A helper that fetches for all takes what others keep. */
static uint64_t fetched_for(uint32_t line, const char *function)
{
	const struct place_reported frames[] = {
		{EV_LANG_PYTHON, "fetch", "/srv/shop/db.py", NULL, 9, 0, 0},
		{EV_LANG_PYTHON, function, "/srv/shop/app/page.py", NULL, line, 0, 0},
		{EV_LANG_PYTHON, "<module>", "/srv/shop/main.py", NULL, 9, 0, 0},
	};

	return tell_stack(APP, frames, sizeof(frames) / sizeof(frames[0]));
}

static void those_for_whom_a_helper_takes_are_named(void **state)
{
	struct ev_memory_site much, little, none;

	(void)state;
	app_begins();
	at(1);
	much = pages_of(APP, 1, fetched_for(40, "monthly"));
	little = pages_of(APP, 2, fetched_for(50, "yearly"));
	none = pages_of(APP, 3, fetched_for(60, "daily"));
	for (double t = 1; t <= 61; t++) {
		tick(t, 60 + 1.6 * t);
		takes(&much, 1, 0);
		takes(&little, 0.5, 0);
		takes(&none, 0.5, 0.5);
	}
	assert_true(says_so(expect(CAUSE_CACHE_GROWTH),
			    "called from: 61 MB from "
			    "/srv/shop/app/page.py:40 monthly, 30 MB from "
			    "/srv/shop/app/page.py:50 yearly"));
	assert_false(says_so(expect(CAUSE_CACHE_GROWTH), "daily"));
}

/* A line that makes garbage sets a collector off, and that touches pages for what others keep. */
static uint64_t collected_under(const char *moves, const char *begins)
{
	const struct place_reported frames[] = {
		{EV_LANG_NATIVE, moves, NULL, "/usr/bin/node", 0, 0x9a1c0, 0},
		{EV_LANG_NATIVE, begins, NULL, "/usr/bin/node", 0, 0x8a1c0, 0},
		{EV_LANG_JAVASCRIPT, "render", "/srv/shop/page.js", NULL, 80, 0, 0},
	};

	return tell_stack(APP, frames, sizeof(frames) / sizeof(frames[0]));
}

static void keeps_under(uint64_t stack)
{
	struct ev_memory_site kept;

	at(1);
	kept = pages_of(APP, 1, stack);
	for (double t = 1; t <= 121; t++) {
		tick(t, 60 + 3 * t);
		takes(&kept, 3, 0);
	}
}

static void who_set_a_moving_collector_off_is_not_blamed(void **state)
{
	const struct finding_view *f;

	(void)state;
	app_begins_as(EV_MODE_WATCH, "node");
	keeps_under(collected_under("v8::internal::Scavenger::Process",
				    "v8::internal::Heap::CollectGarbage"));
	f = expect(CAUSE_CACHE_GROWTH);
	assert_null(f->site);
	assert_true(says_so(f, "the garbage collector of V8 moved"));
	assert_true(says_so(f, "node --heapsnapshot-signal"));
}

static void who_takes_pages_without_a_collector_is_named(void **state)
{
	const struct finding_view *f;

	(void)state;
	app_begins_as(EV_MODE_WATCH, "node");
	keeps_under(collected_under("v8::internal::Factory::NewFixedArray",
				    "v8::internal::Runtime_GrowArrayElements"));
	f = expect(CAUSE_CACHE_GROWTH);
	assert_non_null(f->site);
	assert_int_equal(f->site->line, 80);
	assert_false(says_so(f, "collector of"));
}

static void the_only_one_for_whom_a_helper_takes_is_named(void **state)
{
	struct ev_memory_site kept;

	(void)state;
	app_begins();
	at(1);
	kept = pages_of(APP, 1, fetched_for(40, "monthly"));
	for (double t = 1; t <= 61; t++) {
		tick(t, 60 + 1.6 * t);
		takes(&kept, 1.5, 0);
	}
	assert_true(says_so(expect(CAUSE_CACHE_GROWTH), "called from "
							"/srv/shop/app/page.py:40 monthly"));
}

/* A library has taken it, under stacks that none of them stands for: pages tell the line. */
static void what_a_library_holds_without_a_place_hides_no_line(void **state)
{
	struct ev_memory_site library, kept;
	const struct finding_view *f;
	uint64_t cache;

	(void)state;
	app_begins();
	cache = at_line(APP, "/srv/shop/app/cache.py", 17, "remember");
	at(1);
	library = blocks_of(APP, 7, 0);
	library.tier = EV_TIER_CLIENT;
	kept = pages_of(APP, 1, cache);
	for (double t = 1; t <= 61; t++) {
		tick(t, 60 + 1.6 * t);
		takes(&library, 1.6, 0);
		takes(&kept, 1.2, 0);
	}
	f = expect(CAUSE_CACHE_GROWTH);
	assert_non_null(f->site);
	assert_int_equal(f->site->line, 17);
	assert_int_equal(f->memory.tier, EV_TIER_GROWTH);
}

static void rows_kept_in_a_cache_are_a_leak_with_its_line(void **state)
{
	const struct finding_view *f;

	(void)state;
	app_begins();
	keeps_rows(1, 61, 1, 1.6);
	f = expect(CAUSE_CACHE_GROWTH);
	assert_int_equal(f->kind, KIND_FREQUENT);
	assert_true(f->confidence >= CONFIDENCE_LIKELY);
	assert_non_null(f->site);
	assert_int_equal(f->site->line, 17);
	assert_int_equal(f->memory.tier, EV_TIER_GROWTH);
	assert_true(f->memory.placed);
	assert_true(f->memory.held > 70000000 && f->memory.held < 85000000);
	assert_true(f->memory.grown > 80000000 && f->memory.grown <= 96000000);
	assert_true(f->memory.per_minute > 65e6 && f->memory.per_minute < 85e6);
	assert_int_equal(f->bytes, f->memory.held);
	assert_int_equal(f->acquired, UNKNOWN64);
	assert_non_null(strstr(f->advice, "lru_cache"));
	assert_true(says_so(f, "growth comes from this line"));
	assert_true(says_so(f, "sampled page faults"));
	assert_int_equal(count_findings(), 1);
}

static void a_watch_of_ten_seconds_can_tell_a_leak_of_a_megabyte_a_second(void **state)
{
	(void)state;
	app_begins();
	keeps_rows(0.5, 10.5, 1, 1);
	assert_int_equal(expect(CAUSE_CACHE_GROWTH)->confidence, CONFIDENCE_POSSIBLE);
	story_ends();
	app_begins();
	keeps_rows(0.5, 20.5, 1, 3);
	assert_int_equal(expect(CAUSE_CACHE_GROWTH)->confidence, CONFIDENCE_LIKELY);
}

static void what_fills_at_the_start_may_be_a_cache(void **state)
{
	const struct finding_view *f;

	(void)state;
	story_begins();
	story.young = true;
	process_as(APP, "python3", EV_ROLE_CLIENT);
	opens(0, APP, APP);
	keeps_rows(0.5, 30.5, 1, 3);
	f = expect(CAUSE_CACHE_GROWTH);
	assert_int_equal(f->confidence, CONFIDENCE_POSSIBLE);
	assert_true(says_so(f, "warming up looks the same"));
	story_ends();
	app_begins();
	keeps_rows(0.5, 30.5, 1, 3);
	f = expect(CAUSE_CACHE_GROWTH);
	assert_int_equal(f->confidence, CONFIDENCE_LIKELY);
	assert_true(says_so(f, "a cache that is still filling looks the same"));
}

static void a_slow_leak_is_told_after_an_hour(void **state)
{
	const struct finding_view *f;

	(void)state;
	app_begins();
	keeps_rows(1, 3600, 5, 1 / 60.0);
	f = expect(CAUSE_CACHE_GROWTH);
	assert_int_equal(f->confidence, CONFIDENCE_CERTAIN);
	assert_true(f->memory.per_minute > 0.6e6 && f->memory.per_minute < 1.1e6);
}

static double rising_saw_tooth(double t)
{
	return 80 + 40 * ((int)t % 5) / 4 + 1.0 * t;
}

static void a_saw_tooth_with_a_rising_floor_is_a_leak(void **state)
{
	(void)state;
	app_begins();
	lives(1, 90, 1, rising_saw_tooth);
	assert_null(expect(CAUSE_CACHE_GROWTH)->site);
}

static double slow_rising_saw_tooth(double t)
{
	return 80 + 40 * ((int)t % 16) / 15 + 1.5 * t;
}

/* Few teeth: each floor is above the one before. */
static void a_saw_tooth_of_few_teeth_is_a_possible_leak(void **state)
{
	uint64_t cache = at_line(APP, "/srv/shop/app/cache.py", 17, "remember");
	struct ev_memory_site kept;

	(void)state;
	story_ends();
	app_begins();
	cache = at_line(APP, "/srv/shop/app/cache.py", 17, "remember");
	kept = pages_of(APP, 1, cache);
	for (int t = 1; t <= 68; t++) {
		tick(t, slow_rising_saw_tooth(t));
		takes(&kept, 1.5, 0);
	}
	expect(CAUSE_CACHE_GROWTH);
}

/* A kernel without stacks: the size alone, beyond doubt. */
static double minute_leak(double t)
{
	return 50 + 0.8 * t;
}

static void growth_beyond_doubt_needs_no_line(void **state)
{
	const struct finding_view *f;

	(void)state;
	app_begins();
	lives(1, 60, 1, minute_leak);
	f = expect(CAUSE_CACHE_GROWTH);
	assert_null(f->site);
	assert_int_equal(f->confidence, CONFIDENCE_POSSIBLE);
	assert_false(f->memory.placed);
	assert_int_equal(f->bytes, UNKNOWN64);
	assert_true(says_so(f, "no call stack was recorded"));
}

static void growth_in_doubt_needs_one(void **state)
{
	(void)state;
	app_begins();
	lives(1, 11, 1, minute_leak);
	expect_silence(APP);
}

/* Python maps an arena where room has run out, whoever filled it. */
static void room_of_a_run_time_is_nobodys(void **state)
{
	struct ev_memory_site arenas, kept;
	uint64_t page, cache;

	(void)state;
	app_begins();
	page = at_line(APP, "/srv/shop/app/page.py", 80, "render");
	cache = at_line(APP, "/srv/shop/app/cache.py", 17, "remember");
	arenas = blocks_of(APP, 1, page);
	snprintf(arenas.object, sizeof(arenas.object), "mmap");
	kept = pages_of(APP, 2, cache);
	for (int t = 1; t <= 60; t++) {
		tick(t, 60 + 2 * t);
		arenas.taken += 2;
		takes(&arenas, 2, 0);
		takes(&kept, 1.8, 0);
	}
	assert_int_equal(expect(CAUSE_CACHE_GROWTH)->site->line, 17);
	assert_int_equal(count_findings(), 1);
}

static void a_c_program_has_unfreed_memory(void **state)
{
	struct ev_memory_site s;
	const struct finding_view *f;

	(void)state;
	app_begins_as(EV_MODE_WATCH, "feed");
	s = blocks_of(APP, 1, at_c_line(APP, 42, "store_row"));
	for (int t = 1; t <= 30; t++) {
		tick(t, 20 + t * 0.02);
		s.taken += 50;
		s.freed += 10;
		takes(&s, 0.005, 0.001);
	}
	f = expect(CAUSE_UNFREED_MEMORY);
	assert_int_equal(f->confidence, CONFIDENCE_CERTAIN);
	assert_int_equal(f->kind, KIND_FREQUENT);
	assert_int_equal(f->site->line, 42);
	assert_int_equal(f->acquired, 1500);
	assert_int_equal(f->released, 300);
	assert_int_equal(f->open, 1200);
	assert_int_equal(f->memory.tier, EV_TIER_FULL);
	assert_int_equal(f->memory.error, 0);
	assert_true(says_so(f, "calls of the allocator"));
	assert_non_null(strstr(f->advice, "C: free"));
	assert_true(f->memory.per_minute > 0.2e6 && f->memory.per_minute < 0.3e6);
}

static void one_path_of_many_is_sporadic(void **state)
{
	struct ev_memory_site s;

	(void)state;
	app_begins_as(EV_MODE_WATCH, "feed");
	s = blocks_of(APP, 1, at_c_line(APP, 42, "store_row"));
	for (int t = 1; t <= 30; t++) {
		tick(t, 20);
		s.taken += 100;
		s.freed += 90;
		takes(&s, 0.1, 0.09);
	}
	assert_int_equal(expect(CAUSE_UNFREED_MEMORY)->kind, KIND_SPORADIC);
}

/* Bytes are sampled where calls are many: what is held must stand far above the error. */
static void sampled_calls_prove_it_with_their_error(void **state)
{
	(void)state;
	for (int error = 0; error < 2; error++) {
		struct ev_memory_site s;

		app_begins_as(EV_MODE_WATCH, "feed");
		s = blocks_of(APP, 1, at_c_line(APP, 42, "store_row"));
		s.taken = s.freed = UNKNOWN64;
		for (int t = 1; t <= 20; t++) {
			tick(t, 20);
			s.taken_bytes += 400000;
			s.held_bytes += 200000;
			s.error_bytes = error ? 1500000 : 200000;
			s.flags = EV_MEMORY_ESTIMATED;
			tell_taken(&s);
		}
		if (error) {
			expect_silence(APP);
		} else {
			const struct finding_view *f = expect(CAUSE_UNFREED_MEMORY);

			assert_int_equal(f->confidence, CONFIDENCE_LIKELY);
			assert_int_equal(f->kind, KIND_SPORADIC);
			assert_int_equal(f->open, UNKNOWN64);
			assert_int_equal(f->memory.error, 200000);
		}
		story_ends();
	}
	story_begins();
}

static void what_is_lost_is_a_lower_bound(void **state)
{
	struct ev_memory_site s;
	const struct finding_view *f;

	(void)state;
	app_begins_as(EV_MODE_WATCH, "feed");
	s = blocks_of(APP, 1, at_c_line(APP, 42, "store_row"));
	s.flags |= EV_MEMORY_LOWER_BOUND;
	for (int t = 1; t <= 30; t++) {
		tick(t, 20);
		s.taken += 100;
		takes(&s, 0.1, 0);
	}
	loses(EV_LOSS_MAP_FULL);
	f = expect(CAUSE_UNFREED_MEMORY);
	assert_true(f->memory.at_least);
	assert_int_equal(f->confidence, CONFIDENCE_LIKELY);
	assert_true(says_so(f, "at least so much"));
}

static void two_lines_that_prove_it_are_two_findings(void **state)
{
	struct ev_memory_site a, b, c;
	const struct process_view *p;

	(void)state;
	app_begins();
	a = pages_of(APP, 1, at_line(APP, "/srv/shop/app/cache.py", 17, "remember"));
	b = pages_of(APP, 2, at_line(APP, "/srv/shop/app/audit.py", 60, "log"));
	c = pages_of(APP, 3, at_line(APP, "/srv/shop/app/page.py", 80, "render"));
	for (int t = 1; t <= 40; t++) {
		tick(t, 60 + 2 * t);
		takes(&a, 1.0, 0);
		takes(&b, 0.8, 0);
		takes(&c, 0.1, 0);
	}
	p = verdict_of(APP);
	assert_int_equal(p->finding_count, 2);
	assert_int_equal(p->findings[0].site->line + p->findings[1].site->line, 77);
	assert_true(says_so(&p->findings[0], "from /srv/shop/app/"));
	assert_true(says_so(&p->findings[0], "lowest memory use rose"));
	assert_false(says_so(&p->findings[1], "lowest memory use rose")); /* said once is enough */
}

/* An array that realloc makes larger: its pages are not where they were touched. */
static void what_is_moved_is_held(void **state)
{
	(void)state;
	for (int moved = 0; moved < 2; moved++) {
		struct ev_memory_site array, work;
		double here = moved ? 0.9 : 1.5, there = moved ? 0.1 : 1.5;

		app_begins_as(EV_MODE_WATCH, "feed");
		at(1);
		array = pages_of(APP, 1, at_c_line(APP, 42, "append"));
		work = pages_of(APP, 2, at_c_line(APP, 80, "render"));
		for (int t = 1; t <= 30; t++) {
			tick(t, 20 + t);
			takes(&array, here, t % 8 ? here : 0);
			takes(&work, there, there);
		}
		if (moved) {
			const struct finding_view *f = expect(CAUSE_UNFREED_MEMORY);

			assert_non_null(f->site);
			assert_int_equal(f->site->line, 42);
			assert_true(f->memory.held > 20e6 && f->memory.held < 30e6);
			assert_true(says_so(f, "realloc moved"));
			assert_int_equal(count_findings(), 1);
		} else { /* either may have given all of its own back */
			expect_silence(APP);
		}
		story_ends();
	}
	story_begins();
}

static void a_line_that_gives_back_is_not_named_beside_a_slow_leaker(void **state)
{
	struct ev_memory_site busy, slow;
	const struct finding_view *f;

	(void)state;
	app_begins_as(EV_MODE_WATCH, "feed");
	busy = blocks_of(APP, 1, at_c_line(APP, 80, "render"));
	slow = blocks_of(APP, 2, at_c_line(APP, 42, "store_row"));
	for (int t = 1; t <= 40; t++) {
		tick(t, 60 + 0.5 * t);
		busy.taken += 10000;
		busy.freed += t > 1 ? 10000 : 9000;
		takes(&busy, 100, t > 1 ? 100 : 90);
		slow.taken += 50;
		takes(&slow, 0.5, 0);
	}
	f = expect(CAUSE_UNFREED_MEMORY);
	assert_int_equal(f->site->line, 42);
	assert_int_equal(count_findings(), 1);
}

/* Requests all the time, and each few seconds one that is kept. */
static void growth_beside_few_requests_is_sporadic(void **state)
{
	(void)state;
	for (int every = 1; every <= 3; every += 2) {
		struct ev_memory_site s;
		double has_now = 50;

		app_begins();
		s = pages_of(APP, 1, at_line(APP, "/srv/shop/app/load.py", 30, "load"));
		for (int t = 1; t <= 28; t++) {
			double more = t % every ? 0 : every;

			has_now += more;
			tick(t, has_now);
			takes(&s, more, 0);
		}
		assert_int_equal(expect(CAUSE_CACHE_GROWTH)->kind,
				 every == 1 ? KIND_FREQUENT : KIND_SPORADIC);
		story_ends();
	}
	story_begins();
}

/* An error path that keeps what explains the error: bursts of errors, and rests between them. */
static void growth_beside_failures_is_sporadic(void **state)
{
	double has_now = 50;
	struct ev_memory_site s;
	const struct finding_view *f;

	(void)state;
	app_begins();
	s = pages_of(APP, 1, at_line(APP, "/srv/shop/app/load.py", 30, "load"));
	for (int t = 1; t <= 90; t++) {
		bool fails = t % 10 < 3;

		at(t);
		uses(0);
		begins(0);
		ends(0, !fails);
		has_now += fails ? 2 : 0;
		has(APP, has_now);
		takes(&s, fails ? 2 : 0, 0);
	}
	f = expect(CAUSE_CACHE_GROWTH);
	assert_int_equal(f->kind, KIND_SPORADIC);
}

static void all_given_back_at_the_end_is_implicit(void **state)
{
	struct ev_memory_site s;

	(void)state;
	app_begins_as(EV_MODE_RUN, "feed");
	s = pages_of(APP, 1, at_c_line(APP, 42, "store_row"));
	for (int t = 1; t <= 40; t++) {
		tick(t, 20 + 2 * t);
		takes(&s, 2, 0);
	}
	at(40.5);
	has(APP, 15);
	at(40.8);
	exits(APP);
	assert_int_equal(expect(CAUSE_UNFREED_MEMORY)->kind, KIND_IMPLICIT);
}

static void a_leak_of_a_program_that_has_ended_is_told(void **state)
{
	(void)state;
	app_begins_as(EV_MODE_RUN, "python3");
	keeps_rows(1, 20, 1, 3);
	at(20.6);
	exits(APP);
	expect(CAUSE_CACHE_GROWTH);
}

static void the_limit_that_is_near_is_told(void **state)
{
	struct ev_memory_site s;
	const struct finding_view *f;

	(void)state;
	app_begins();
	s = pages_of(APP, 1, at_line(APP, "/srv/shop/app/cache.py", 17, "remember"));
	for (int t = 1; t <= 60; t++) {
		struct ev_memory m = memory_of(APP, 60 + t + (t * 7 % 3) * 0.3);

		at(t);
		uses(0);
		m.limit_bytes = 512 << 20;
		m.limit_used_bytes = m.anonymous_bytes + 20000000;
		m.limit = EV_LIMIT_CGROUP;
		tell_memory(&m);
		takes(&s, 1, 0);
	}
	f = expect(CAUSE_CACHE_GROWTH);
	assert_string_equal(f->exhausts_limit, "memory 512 MiB of its cgroup");
	assert_true(f->exhausts_seconds > 360 && f->exhausts_seconds < 440);
	assert_true(f->exhausts_earliest < f->exhausts_seconds);
	assert_true(f->exhausts_latest > f->exhausts_seconds);
}

/* A language that collects garbage shows its leak when the floor after each collection rises. */
static void a_floor_after_collections_tells_in_any_language(void **state)
{
	(void)state;
	app_begins_as(EV_MODE_WATCH, "java");
	lives(1, 90, 1, rising_saw_tooth);
	assert_int_equal(expect(CAUSE_CACHE_GROWTH)->cause, CAUSE_CACHE_GROWTH);
}

/* SQLite's statements are prepared once and run often: that nothing is prepared is no rest. */
static void rows_of_sqlite_are_a_leak_too(void **state)
{
	struct ev_memory_site kept;

	(void)state;
	story_begins_in(EV_MODE_RUN);
	process_as(APP, "python3", EV_ROLE_CLIENT);
	opens_file(0, APP, APP, "/srv/shop/shop.db");
	kept = pages_of(APP, 1, at_line(APP, "/srv/shop/app/cache.py", 17, "remember"));
	for (int t = 1; t <= 14; t++) {
		at(t);
		has(APP, 5 + 2 * t);
		takes(&kept, 2, 0);
	}
	at(14.5);
	closes_as(0, EV_CONN_EXIT);
	exits(APP);
	expect(CAUSE_CACHE_GROWTH);
}

/*
 * Twins.
 */

static double saw_tooth(double t)
{
	return 80 + 60 * ((int)t % 7) / 6;
}

static double warm_up(double t)
{
	return t < 4 ? 20 + 12 * t : 68;
}

static double filling(double t) /* ever more slowly: what is cached is met more often */
{
	double left = 1;

	for (int i = 0; i < t; i++)
		left *= 0.93;
	return 60 + 60 * (1 - left);
}

static double high_water(double t)
{
	return t < 6 ? 45 : (int)t % 8 < 4 ? 335 : 104;
}

static double high_water_at_the_end(double t)
{
	return t < 10 ? 45 : t < 18 ? 104 : 335;
}

static double plateau(double t)
{
	return t < 12 ? 50 + 4 * t : 98;
}

static double two_plateaus(double t)
{
	return t < 10 ? 60 + 2 * t : t < 25 ? 80 : t < 35 ? 80 + 2 * (t - 25) : 100;
}

static double fragmentation(double t)
{
	return 60 + 45 * (1 - 8 / (8 + t)) + (int)(t * 13) % 5 * 0.4;
}

static double noise(double t)
{
	return 200 + (int)(t * t * 7919) % 17 * 0.8;
}

static double generations(double t) /* each generation's garbage lies for longer */
{
	return 90 + (int)t % 4 * 3 + (int)t % 16 * 1.5 + (int)t % 48 * 0.5;
}

static double flat(double t)
{
	return 50 + (int)t % 2 * 0.1;
}

static double grew_and_stopped(double t)
{
	return t < 40 ? 60 + 2 * t : 140;
}

static void healthy_shapes_are_silent(void **state)
{
	static double (*const shapes[])(double) = {
		saw_tooth,    high_water,    high_water_at_the_end,
		two_plateaus, fragmentation, noise,
		generations,  flat,	     filling};
	static const double lengths[] = {10, 15, 20, 30, 45, 60, 90, 130, 200, 600};

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		for (size_t j = 0; j < sizeof(lengths) / sizeof(lengths[0]); j++) {
			/* Such a rise can be told only when it slackens. */
			if ((shapes[i] == filling && lengths[j] < 20) ||
			    (shapes[i] == two_plateaus && lengths[j] < 15))
				continue;
			print_message("shape %zu for %.0f s\n", i, lengths[j]);
			app_begins();
			lives(1, lengths[j], 1, shapes[i]);
			expect_silence(APP);
			story_ends();
		}
	}
	story_begins();
}

/* Even where one line holds all of it. */
static void healthy_shapes_with_a_line_are_silent(void **state)
{
	static double (*const shapes[])(double) = {plateau, warm_up, grew_and_stopped, filling,
						   fragmentation};

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct ev_memory_site s;

		app_begins();
		s = pages_of(APP, 1, at_line(APP, "/srv/shop/app/cache.py", 17, "remember"));
		for (int t = 1; t <= 90; t++) {
			tick(t, shapes[i](t));
			takes(&s, shapes[i](t) - shapes[i](t - 1), 0);
			if (t > 50)
				expect_silence(APP);
		}
		story_ends();
	}
	story_begins();
}

static void a_plateau_is_bounded_and_says_so(void **state)
{
	(void)state;
	app_begins();
	lives(1, 60, 1, plateau);
	expect_bounded();
	assert_non_null(strstr(story.view->processes[0].verdict_reason, "then stable for 48 s"));
}

static void a_steady_process_is_well(void **state)
{
	(void)state;
	app_begins();
	lives(1, 60, 1, flat);
	expect_ok();
	assert_int_equal(verdict_of(APP)->memory.end, 50000000);
}

static void growth_that_stopped_is_not_a_leak_any_more(void **state)
{
	(void)state;
	app_begins();
	lives(1, 60, 1, grew_and_stopped);
	expect_silence(APP);
	lives(61, 90, 1, grew_and_stopped);
	expect_bounded();
}

static void a_short_program_is_none(void **state)
{
	(void)state;
	app_begins_as(EV_MODE_RUN, "python3");
	for (double t = 0.1; t < 4; t += 0.2)
		tick(t, 10 + 40 * t);
	exits(APP);
	expect_silence(APP);
}

/* Rows are read for half a minute: one reply, one request. */
static void one_long_reply_is_one_rise(void **state)
{
	(void)state;
	app_begins();
	at(1);
	asks(0);
	for (int t = 1; t <= 40; t++) {
		at(t);
		reported(0)->bytes_received += 1500000;
		tell(0);
		has(APP, 50 + 3 * t);
	}
	expect_silence(APP);
}

/* Objects are made of it for some seconds after its end. */
static void nothing_asked_meanwhile_is_one_rise(void **state)
{
	(void)state;
	app_begins();
	uses(0);
	for (int t = 1; t <= 20; t++) {
		at(t);
		has(APP, 50 + 3 * t);
	}
	expect_silence(APP);
}

/* A heap that has not been collected yet may hold nothing but garbage. */
static void a_heap_of_garbage_is_not(void **state)
{
	static const char *const comms[] = {"java", "node"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		app_begins_as(EV_MODE_WATCH, comms[i]);
		lives(1, 50, 1, minute_leak);
		expect_silence(APP);
		story_ends();
	}
	story_begins();
}

static void a_program_without_a_database_is_not_judged(void **state)
{
	struct ev_memory_site s;

	(void)state;
	story_begins();
	process(APP);
	s = pages_of(APP, 1, at_line(APP, "/srv/shop/app/cache.py", 17, "remember"));
	for (int t = 1; t <= 60; t++) {
		at(t);
		has(APP, 50 + 2 * t);
		takes(&s, 2, 0);
	}
	assert_null(verdict_of(APP));
}

static double heap_of_a_cache(double t)
{
	return 25 + 3 * t;
}

/* No garbage lies so long: but in Java, whose heap may be as large as it was allowed. */
static void a_heap_far_beyond_garbage_is_a_possible_leak(void **state)
{
	(void)state;
	app_begins_as(EV_MODE_WATCH, "node");
	lives(1, 70, 1, heap_of_a_cache);
	assert_int_equal(expect(CAUSE_CACHE_GROWTH)->confidence, CONFIDENCE_POSSIBLE);
	story_ends();
	app_begins_as(EV_MODE_WATCH, "java");
	lives(1, 70, 1, heap_of_a_cache);
	expect_silence(APP);
}

static void one_look_accuses_nobody(void **state)
{
	(void)state;
	app_begins_as(EV_MODE_SNAPSHOT, "python3");
	keeps_rows(1, 60, 1, 2);
	expect_silence(APP);
}

static void a_server_is_not_judged(void **state)
{
	(void)state;
	story_begins();
	process_as(APP, "postgres", EV_ROLE_SERVER);
	opens(0, APP, APP);
	keeps_rows(1, 60, 1, 2);
	expect_silence(APP);
}

static void a_cache_that_filled_with_exact_counts_is_silent(void **state)
{
	struct ev_memory_site s;

	(void)state;
	app_begins_as(EV_MODE_WATCH, "feed");
	s = blocks_of(APP, 1, at_c_line(APP, 42, "store_row"));
	for (int t = 1; t <= 60; t++) {
		tick(t, 20);
		s.taken += 100;
		s.freed += t > 15 ? 100 : 0;
		takes(&s, 0.1, t > 15 ? 0.1 : 0);
		if (t > 30)
			expect_silence(APP);
	}
}

/*
 * Many lives of each shape, with sizes, rates and noise by chance: of the healthy hardly one may be
 * accused, of the others nearly all must be.
 */

static struct {
	uint64_t seed;
	double base, size, rate; /* rate: 0 to 1 */
	double kept;
	int last;
} chance;

static double random_part(void)
{
	chance.seed ^= chance.seed << 13;
	chance.seed ^= chance.seed >> 7;
	chance.seed ^= chance.seed << 17;
	return (chance.seed >> 11) / 9007199254740992.0;
}

static double some_noise(double share)
{
	(void)share;
	return chance.base + chance.size * random_part();
}

static double some_cache(double share)
{
	return chance.base + chance.size * share / (share + 0.02 + 0.3 * chance.rate) +
	       random_part();
}

static double some_teeth(double share)
{
	double teeth = share * (3 + 15 * chance.rate);

	return chance.base + chance.size * (teeth - (int)teeth);
}

static double some_warm_up(double share)
{
	double warm = 0.15 * chance.rate + 0.01;

	return chance.base + chance.size * (share < warm ? share / warm : 1) + random_part() / 2;
}

static double some_plateau(double share)
{
	double full = 0.2 + 0.5 * chance.rate;

	return chance.base + chance.size * (share < full ? share / full : 1) + random_part() / 3;
}

static double some_stairs(double share)
{
	int steps = 2 + (int)(3 * chance.rate);

	return chance.base + chance.size * (int)(share * steps * 0.999 + chance.size / 100) / steps;
}

/* The highest demand so far stays. */
static double some_peaks(double share)
{
	double demand = chance.size * random_part() * random_part();

	(void)share;
	chance.kept = demand > chance.kept ? demand : chance.kept;
	return chance.base + chance.kept;
}

static double some_leak(double share)
{
	return chance.base + (40 + chance.size) * share + random_part() / 5;
}

static double some_noisy_leak(double share)
{
	return chance.base + (40 + chance.size) * (share + 0.2 * random_part());
}

static double some_bursts(double share)
{
	for (; chance.last < share * 60; chance.last++)
		chance.kept += random_part() < 0.5 ? (40 + chance.size) / 30 : 0;
	return chance.base + chance.kept;
}

static bool is_accused(double (*shape)(double), double seconds)
{
	struct ev_memory_site s;
	double held = 0, first = 0;
	bool accused;

	chance.base = 30 + 200 * random_part();
	chance.size = 5 + 100 * random_part();
	chance.rate = random_part();
	chance.kept = chance.last = 0;
	app_begins();
	s = pages_of(APP, 1, at_line(APP, "/srv/shop/app/cache.py", 17, "remember"));
	for (int i = 1; i <= 60; i++) {
		double now = shape(i / 60.0);

		tick(i * seconds / 60, now);
		first = i == 1 ? now : first;
		if (now - first > held)
			takes(&s, now - first - held, 0);
		held = now - first > held ? now - first : held;
	}
	accused = verdict_of(APP)->verdict == VERDICT_LEAKING;
	story_ends();
	return accused;
}

#define LIVES 25

static void of_many_lives_only_the_leaks_are_accused(void **state)
{
	static const struct {
		const char *name;
		double (*shape)(double);
		bool leaks;
	} shapes[] = {
		{"noise", some_noise, false},	       {"cache", some_cache, false},
		{"teeth", some_teeth, false},	       {"warm-up", some_warm_up, false},
		{"plateau", some_plateau, false},      {"stairs", some_stairs, false},
		{"peaks", some_peaks, false},	       {"leak", some_leak, true},
		{"noisy leak", some_noisy_leak, true}, {"bursts", some_bursts, true},
	};
	static const double lengths[] = {20, 60, 600};

	(void)state;
	chance.seed = 88172645463325252ULL;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		int accused = 0, lives = 0;

		for (size_t j = 0; j < sizeof(lengths) / sizeof(lengths[0]); j++)
			for (int n = 0; n < LIVES; n++, lives++)
				accused += is_accused(shapes[i].shape, lengths[j]);
		print_message("%s: %d of %d accused\n", shapes[i].name, accused, lives);
		if (shapes[i].leaks)
			assert_true(10 * accused >= 8 * lives);
		else
			assert_true(accused <= 1);
	}
	story_begins();
}

/*
 * What is not known.
 */

static void what_is_not_known_is_not_nothing(void **state)
{
	struct ev_memory m;

	(void)state;
	app_begins();
	for (int t = 1; t <= 30; t++) {
		at(t);
		uses(0);
		m = memory_of(APP, 50);
		m.anonymous_bytes = UNKNOWN64;
		tell_memory(&m);
	}
	expect_ok();
	assert_int_equal(verdict_of(APP)->memory.end, UNKNOWN64);
	assert_int_equal(verdict_of(APP)->memory.limit, UNKNOWN64);
	story_ends();
	app_begins();
	at(1);
	expect_ok();
	assert_int_equal(verdict_of(APP)->memory.tier, EV_TIER_OFF);
	assert_int_equal(verdict_of(APP)->memory.swapped, UNKNOWN64);
}

static void what_is_swapped_out_is_still_there(void **state)
{
	struct ev_memory m;

	(void)state;
	app_begins();
	for (int t = 1; t <= 60; t++) {
		at(t);
		uses(0);
		m = memory_of(APP, 50);
		m.swapped_bytes = (uint64_t)t * 1000000;
		tell_memory(&m);
	}
	expect(CAUSE_CACHE_GROWTH);
}

static void held_by_nobody_knows_how_much_is_no_zero(void **state)
{
	struct ev_memory_site s;
	const struct memory_view *v;

	(void)state;
	app_begins();
	tick(1, 50);
	s = pages_of(APP, 1, at_line(APP, "/srv/shop/app/cache.py", 17, "remember"));
	s.taken_bytes = 5000000;
	s.held_bytes = UNKNOWN64;
	tell_taken(&s);
	v = &verdict_of(APP)->memory;
	assert_int_equal(v->sites[0].held, UNKNOWN64);
	s = pages_of(APP, 2, s.stack);
	takes(&s, 2, 1);
	v = &verdict_of(APP)->memory;
	assert_int_equal(v->site_count, 1);
	assert_int_equal(v->sites[0].held, 1000000);
	assert_true(v->sites[0].flags & EV_MEMORY_LOWER_BOUND);
}

static void the_view_has_what_was_told(void **state)
{
	struct ev_memory m;
	struct ev_memory_site s;
	const struct memory_view *v;

	(void)state;
	app_begins();
	tick(1, 50);
	tick(2, 90);
	at(3);
	m = memory_of(APP, 60);
	m.swapped_bytes = 10000000;
	m.limit = EV_LIMIT_HOST;
	m.limit_bytes = 8000000000;
	m.limit_used_bytes = 3000000000;
	tell_memory(&m);
	s = pages_of(APP, 1, at_line(APP, "/srv/shop/app/cache.py", 17, "remember"));
	takes(&s, 5, 1);
	s = blocks_of(APP, 1, 0);
	takes(&s, 1, 0);
	v = &verdict_of(APP)->memory;
	assert_int_equal(v->tier, EV_TIER_GROWTH);
	assert_int_equal(v->start, 50000000);
	assert_int_equal(v->end, 70000000);
	assert_int_equal(v->peak, 90000000);
	assert_int_equal(v->swapped, 10000000);
	assert_int_equal(v->limit, 8000000000);
	assert_int_equal(v->limit_used, 3000000000);
	assert_string_equal(v->limit_of, "the host");
	assert_int_equal(v->site_count, 2);
	assert_int_equal(v->sites[0].tier, EV_TIER_FULL);
	assert_null(v->sites[0].site);
	assert_string_equal(v->sites[0].object, "malloc");
	assert_int_equal(v->sites[1].held, 4000000);
	assert_int_equal(v->sites[1].taken_bytes, 5000000);
	assert_int_equal(v->sites[1].site->line, 17);
	assert_int_equal(v->sites[1].taken, UNKNOWN64);
}

/*
 * Beside other rules.
 */

static void results_never_freed_bring_their_memory(void **state)
{
	struct ev_site results = site_of(APP, 1, EV_RES_RESULT, EV_DB_POSTGRESQL, "PGresult",
					 "PQclear");
	struct ev_memory_site s;
	const struct process_view *p;
	uint64_t stack;

	(void)state;
	story_ends();
	app_begins_as(EV_MODE_WATCH, "feed");
	stack = at_c_line(APP, 42, "store_row");
	shows_of_site(&results, stack);
	s = pages_of(APP, 1, at_c_line(APP, 43, "store_row"));
	for (int t = 1; t <= 40; t++) {
		tick(t, 20 + 2 * t);
		acquires(&results, 5);
		tell_site(&results);
		takes(&s, 2, 0);
	}
	p = verdict_of(APP);
	assert_int_equal(p->finding_count, 1);
	assert_int_equal(p->findings[0].cause, CAUSE_UNFREED_RESULT);
	assert_int_equal(p->findings[0].memory.tier, EV_TIER_GROWTH);
	assert_int_equal(p->findings[0].bytes, 80000000);
	assert_true(says_so(&p->findings[0], "meanwhile the process grew by"));
}

static void what_unclosed_connections_cost_is_no_second_leak(void **state)
{
	const struct process_view *p;

	(void)state;
	story_ends();
	story_begins();
	process_as(APP, "python3", EV_ROLE_CLIENT);
	for (uint32_t i = 0; i < 60; i++) {
		at(1 + i);
		opens(i, APP, APP);
		begins(i);
		has(APP, 40 + 0.3 * i);
	}
	p = verdict_of(APP);
	assert_non_null(finding(p, CAUSE_UNCLOSED_CONNECTION));
	assert_null(finding(p, CAUSE_CACHE_GROWTH));
	assert_int_equal(finding(p, CAUSE_UNCLOSED_CONNECTION)->memory.tier, EV_TIER_GROWTH);
}

/* Rows of SQLite, copied one by one as they are read: of such a reply no socket tells. */
static void reads_slowly(double megabytes, double grown)
{
	struct ev_memory_site s;
	uint64_t line;

	app_begins_as(EV_MODE_WATCH, "feed");
	opens_file(1, APP, APP, "/srv/feed.db");
	line = at_c_line(APP, 42, "load_all");
	s = pages_of(APP, 1, line);
	for (int t = 1; t <= 20; t++) {
		tick(t, 20 + grown * t / 20);
		takes(&s, grown / 20, 0);
	}
	shows_of(EV_AT_RESULT, 1, 0, line);
	reads_rows(1, 400000, 19, (uint64_t)(megabytes * 1e6), 2000, false);
}

static void one_large_result_is_told_once(void **state)
{
	(void)state;
	reads_slowly(60, 60);
	assert_non_null(finding(verdict_of(APP), CAUSE_UNBOUNDED_RESULT));
	assert_null(finding(verdict_of(APP), CAUSE_UNFREED_MEMORY));
	story_ends();
	reads_slowly(20, 60);
	assert_non_null(finding(verdict_of(APP), CAUSE_UNBOUNDED_RESULT));
	assert_non_null(finding(verdict_of(APP), CAUSE_UNFREED_MEMORY));
}

/* Node: the last result is kept, those before wait for the collector. */
static void reads_again_and_again(double grown)
{
	const struct place_reported frames[] = {
		{EV_LANG_JAVASCRIPT, "load", "/srv/feed/load.js", NULL, 42, 0, 0}};
	struct ev_memory_site s;
	uint64_t line;

	app_begins_as(EV_MODE_WATCH, "node");
	opens_file(1, APP, APP, "/srv/feed.db");
	line = tell_stack(APP, frames, 1);
	s = pages_of(APP, 1, line);
	for (int t = 1; t <= 20; t++) {
		tick(t, 40 + grown * t / 20);
		takes(&s, grown / 20, 0);
		if (t % 2)
			continue;
		shows_of(EV_AT_RESULT, 1, 0, line);
		reads_rows(1, 200000, 0.5, 28000000, 2000, false);
	}
}

static void large_results_that_wait_for_the_collector_are_told_once(void **state)
{
	(void)state;
	reads_again_and_again(140);
	assert_non_null(finding(verdict_of(APP), CAUSE_UNBOUNDED_RESULT));
	assert_null(finding(verdict_of(APP), CAUSE_CACHE_GROWTH));
	story_ends();
	reads_again_and_again(270); /* all are kept */
	assert_non_null(finding(verdict_of(APP), CAUSE_UNBOUNDED_RESULT));
	assert_non_null(finding(verdict_of(APP), CAUSE_CACHE_GROWTH));
}

static void a_large_result_tells_what_is_still_held(void **state)
{
	struct ev_memory_site s;
	const struct finding_view *f;

	(void)state;
	app_begins();
	at(2);
	s = pages_of(APP, 1, at_line(APP, "/srv/shop/app/report.py", 42, "monthly"));
	s.connection = reported(0)->id;
	reads(0, 200000, 60000000, 290000000);
	s.reply_bytes = 290000000;
	takes(&s, 290, 186);
	for (int t = 3; t <= 60; t++)
		tick(t, 104);
	f = finding(verdict_of(APP), CAUSE_UNBOUNDED_RESULT);
	assert_non_null(f);
	assert_int_equal(f->verdict, VERDICT_BIG);
	assert_int_equal(f->memory.held, 104000000);
	assert_true(says_so(f, "104 MB of its memory is still not freed"));
	assert_int_equal(count_findings(), 1);
}

static void rows_name_their_query(void **state)
{
	struct ev_memory_site s;
	const struct finding_view *f;

	(void)state;
	app_begins();
	says(0, "SELECT * FROM orders");
	s = pages_of(APP, 1, at_line(APP, "/srv/shop/app/cache.py", 17, "remember"));
	s.connection = reported(0)->id;
	for (int t = 1; t <= 60; t++) {
		tick(t, 50 + 2 * t);
		s.reply_bytes += 1900000;
		takes(&s, 2, 0);
	}
	f = expect(CAUSE_CACHE_GROWTH);
	assert_string_equal(f->sql, "SELECT * FROM orders");
	assert_string_equal(f->endpoint, "10.0.0.5:5432/shop as app");
	assert_true(says_so(f, "allocated here are query results"));
}

/*
 * Large.
 */

static void ten_thousand_sites_fit(void **state)
{
	uint64_t stack = at_line(APP, "/srv/shop/app/cache.py", 17, "remember");
	struct ev_memory_site s, big;
	const struct finding_view *f;

	(void)state;
	story_ends();
	app_begins();
	stack = at_line(APP, "/srv/shop/app/cache.py", 17, "remember");
	big = pages_of(APP, 7, stack);
	for (int t = 1; t <= 20; t++) {
		tick(t, 60 + 3 * t);
		takes(&big, 3, 0);
		for (uint64_t i = 0; i < 500; i++) {
			s = pages_of(APP, 1000 + 500 * t + i, 0);
			takes(&s, 0.001, 0);
		}
	}
	assert_true(story.model->memory_sites.all.count <= MEMORY_SITES_MOST);
	assert_true(story.model->memory_sites.forgotten >= 1000);
	f = expect(CAUSE_CACHE_GROWTH);
	assert_int_equal(f->site->line, 17);
}

static void a_process_with_many_sites_drops_its_own(void **state)
{
	struct ev_memory_site s, small;
	struct table_slot *slot;
	size_t at = 0, kept = 0;

	(void)state;
	story_ends();
	app_begins();
	for (uint64_t i = 0; i < 100; i++) {
		small = pages_of(APP + 1, 7 + i, 0);
		takes(&small, 0.001, 0);
	}
	for (uint64_t i = 0; i < 2 * MEMORY_SITES_MOST; i++) {
		s = pages_of(APP, 1000 + i, 0);
		takes(&s, 1, 0);
	}
	while ((slot = table_next(&story.model->memory_sites.all, &at)))
		kept += ((const struct memory_site *)slot->value)->state.pid == APP + 1;
	assert_int_equal(kept, 100);
	assert_true(story.model->memory_sites.all.count <= MEMORY_SITES_MOST);
}

static int begin(void **state)
{
	(void)state;
	story_begins();
	return 0;
}

#define TEST(name)    cmocka_unit_test_setup_teardown(name, NULL, story_teardown)
#define TEST_IN(name) cmocka_unit_test_setup_teardown(name, begin, story_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(those_for_whom_a_helper_takes_are_named),
		TEST(the_only_one_for_whom_a_helper_takes_is_named),
		TEST(who_set_a_moving_collector_off_is_not_blamed),
		TEST(who_takes_pages_without_a_collector_is_named),
		TEST(rows_kept_in_a_cache_are_a_leak_with_its_line),
		TEST(what_a_library_holds_without_a_place_hides_no_line),
		TEST(a_watch_of_ten_seconds_can_tell_a_leak_of_a_megabyte_a_second),
		TEST(what_fills_at_the_start_may_be_a_cache),
		TEST(a_slow_leak_is_told_after_an_hour),
		TEST(a_saw_tooth_with_a_rising_floor_is_a_leak),
		TEST_IN(a_saw_tooth_of_few_teeth_is_a_possible_leak),
		TEST(growth_beyond_doubt_needs_no_line),
		TEST(growth_in_doubt_needs_one),
		TEST(room_of_a_run_time_is_nobodys),
		TEST(a_c_program_has_unfreed_memory),
		TEST(one_path_of_many_is_sporadic),
		TEST(sampled_calls_prove_it_with_their_error),
		TEST(what_is_lost_is_a_lower_bound),
		TEST(two_lines_that_prove_it_are_two_findings),
		TEST(what_is_moved_is_held),
		TEST(a_line_that_gives_back_is_not_named_beside_a_slow_leaker),
		TEST(growth_beside_few_requests_is_sporadic),
		TEST(growth_beside_failures_is_sporadic),
		TEST(all_given_back_at_the_end_is_implicit),
		TEST(a_leak_of_a_program_that_has_ended_is_told),
		TEST(the_limit_that_is_near_is_told),
		TEST(a_floor_after_collections_tells_in_any_language),
		TEST(rows_of_sqlite_are_a_leak_too),
		TEST(healthy_shapes_are_silent),
		TEST(healthy_shapes_with_a_line_are_silent),
		TEST(a_plateau_is_bounded_and_says_so),
		TEST(a_steady_process_is_well),
		TEST(growth_that_stopped_is_not_a_leak_any_more),
		TEST(a_short_program_is_none),
		TEST(one_long_reply_is_one_rise),
		TEST(nothing_asked_meanwhile_is_one_rise),
		TEST(a_heap_of_garbage_is_not),
		TEST(a_program_without_a_database_is_not_judged),
		TEST(a_heap_far_beyond_garbage_is_a_possible_leak),
		TEST(one_look_accuses_nobody),
		TEST(a_server_is_not_judged),
		TEST(a_cache_that_filled_with_exact_counts_is_silent),
		TEST(of_many_lives_only_the_leaks_are_accused),
		TEST(what_is_not_known_is_not_nothing),
		TEST(what_is_swapped_out_is_still_there),
		TEST(held_by_nobody_knows_how_much_is_no_zero),
		TEST(the_view_has_what_was_told),
		TEST_IN(results_never_freed_bring_their_memory),
		TEST_IN(what_unclosed_connections_cost_is_no_second_leak),
		TEST(one_large_result_is_told_once),
		TEST(large_results_that_wait_for_the_collector_are_told_once),
		TEST(a_large_result_tells_what_is_still_held),
		TEST(rows_name_their_query),
		TEST_IN(ten_thousand_sites_fit),
		TEST_IN(a_process_with_many_sites_drops_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
