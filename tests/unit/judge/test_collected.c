/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * A finding is surer, or less sure, for what the collector did; where that is not known, all stays
 * as it was, and the report says so.
 */
#include "tests/unit/support/memory_story.h"

#define APP 4711

static void collects(enum ev_collector collector, uint64_t full, uint64_t partial)
{
	struct ev_collections c = {.start_ns = process_start(APP),
				   .since_ns = STORY_START,
				   .full = full,
				   .partial = partial,
				   .full_ns = full ? story.now : 0,
				   .last_ns = full + partial ? story.now : 0,
				   .pid = APP,
				   .collector = collector};

	story_tell(&c, EV_COLLECTIONS, sizeof(c));
}

static const struct finding_view *found_leak(void)
{
	const struct finding_view *f;

	view_close(story.view);
	story.view = NULL;
	f = finding(verdict_of(APP), CAUSE_UNCLOSED_CONNECTION);
	assert_non_null(f);
	assert_int_equal(f->verdict, VERDICT_LEAKING);
	return f;
}

/* Connections that are used once and kept, each by a thread of its own, or by one thread and in a
 * transaction; every_second: a full collection in each second. */
static void keeps(bool in_transaction, enum ev_collector collector, bool every_second)
{
	story_begins();
	process(APP);
	if (collector)
		collects(collector, 0, 0);
	for (int i = 0; i < 12; i++) {
		at(i);
		opens(i, APP, in_transaction ? APP : APP + i);
		at(i + 0.01);
		if (in_transaction)
			begins(i);
		else
			uses(i);
		at(i + 0.5);
		if (collector && every_second)
			collects(collector, i + 1, 0);
	}
	at(13);
}

static void a_leak_that_outlives_the_collector_is_certain(void **state)
{
	(void)state;
	keeps(false, EV_COLLECTOR_UNKNOWN, false);
	assert_int_equal(found_leak()->confidence, CONFIDENCE_LIKELY);
	story_ends();
	keeps(false, EV_COLLECTOR_PYTHON, true);
	assert_int_equal(found_leak()->confidence, CONFIDENCE_CERTAIN);
	assert_true(has_evidence(found_leak(), "outlived-collections"));
	story_ends();
	keeps(false, EV_COLLECTOR_HOTSPOT, true);
	assert_int_equal(found_leak()->confidence, CONFIDENCE_CERTAIN);
}

static void a_leak_is_likely_at_most_while_nothing_was_collected(void **state)
{
	(void)state;
	keeps(true, EV_COLLECTOR_UNKNOWN, false);
	assert_int_equal(found_leak()->confidence, CONFIDENCE_CERTAIN);
	story_ends();
	keeps(true, EV_COLLECTOR_PYTHON, false);
	assert_int_equal(found_leak()->confidence, CONFIDENCE_LIKELY);
	assert_string_equal(found_leak()->evidence_facts[1].code, "no-collection-since");
	assert_string_equal(found_leak()->evidence_facts[0].code, "idle-while-newer-opened");
	collects(EV_COLLECTOR_PYTHON, 0, 900); /* of young objects alone */
	assert_int_equal(found_leak()->confidence, CONFIDENCE_LIKELY);
	story_ends();
	keeps(true, EV_COLLECTOR_PYTHON, true);
	assert_int_equal(found_leak()->confidence, CONFIDENCE_CERTAIN);
	assert_false(has_evidence(found_leak(), "no-collection-since"));
}

static void one_collection_proves_nothing_yet(void **state)
{
	(void)state;
	keeps(false, EV_COLLECTOR_PYTHON, false);
	collects(EV_COLLECTOR_PYTHON, 1, 0); /* perhaps still at work */
	at(14);
	assert_int_equal(found_leak()->confidence, CONFIDENCE_LIKELY);
	assert_false(has_evidence(found_leak(), "outlived-collections"));
}

/* A pool keeps its connections, whatever is collected. */
static void a_pool_that_outlives_the_collector_is_not_accused(void **state)
{
	(void)state;
	story_begins();
	process(APP);
	collects(EV_COLLECTOR_PYTHON, 0, 0);
	for (int i = 0; i < 10; i++) {
		at(0.1 * i);
		opens(i, APP, APP + i);
		uses(i);
	}
	for (int i = 0; i < 60; i++) {
		at(i + 1);
		uses(0);
		collects(EV_COLLECTOR_PYTHON, i + 1, 100 * i);
	}
	expect_silence(APP);
}

static const struct finding_view *heap_growth(enum ev_collector collector, bool every_ten_seconds)
{
	const struct place_reported frames[] = {
		{EV_LANG_JAVA, "Cache.keep", "/srv/shop/Cache.java", NULL, 42, 0, 0}};
	struct ev_memory_site site;
	const struct process_view *p;

	story_begins();
	process(APP);
	opens(0, APP, APP);
	uses(0);
	if (collector)
		collects(collector, 0, 0);
	site = pages_of(APP, 1, tell_stack(APP, frames, 1));
	for (int i = 0; i < 360; i++) {
		at(i * 0.25);
		uses(0);
		has(APP, 100 + i);
		takes(&site, 1, 0);
		if (collector && every_ten_seconds && i % 40 == 39)
			collects(collector, i / 40 + 1, 0);
	}
	p = verdict_of(APP);
	return p ? finding(p, CAUSE_CACHE_GROWTH) : NULL;
}

static void a_heap_that_was_not_collected_grows_for_no_known_reason(void **state)
{
	const struct finding_view *f = heap_growth(EV_COLLECTOR_UNKNOWN, false);

	(void)state;
	assert_non_null(f);
	assert_int_equal(f->confidence, CONFIDENCE_POSSIBLE);
	story_ends();
	assert_null(heap_growth(EV_COLLECTOR_HOTSPOT, false));
	story_ends();
	f = heap_growth(EV_COLLECTOR_HOTSPOT, true);
	assert_non_null(f);
	assert_true(f->confidence > CONFIDENCE_POSSIBLE);
	assert_true(has_evidence(f, "collections-ran-meanwhile"));
}

static size_t collector_gaps(void)
{
	const struct report_view *v;
	size_t n = 0;

	view_close(story.view);
	story.view = NULL;
	v = verdict();
	for (size_t i = 0; i < v->gap_count; i++)
		n += v->gaps[i].pid == APP &&
		     strstr(v->gaps[i].reason, "garbage collector") != NULL;
	return n;
}

/* A finding whose line is of that language. */
static void leaks_in(enum ev_language language, enum ev_collector collector, bool looked)
{
	const struct place_reported frames[] = {{language, "load", "/srv/app/load", NULL, 7, 0, 0}};
	uint64_t stack;

	story_begins();
	process(APP);
	stack = tell_stack(APP, frames, 1);
	for (int i = 0; i < 12; i++) {
		at(i);
		opens(i, APP, APP);
		shows_of(EV_AT_OPENED, i, 0, stack);
		at(i + 0.01);
		begins(i);
	}
	if (looked)
		collects(collector, 0, 0);
	at(13);
}

static void a_collector_that_does_not_tell_is_a_gap_of_its_finding(void **state)
{
	(void)state;
	leaks_in(EV_LANG_JAVASCRIPT, EV_COLLECTOR_UNKNOWN, true);
	assert_int_equal(collector_gaps(), 1);
	assert_int_equal(found_leak()->confidence, CONFIDENCE_CERTAIN);
	story_ends();
	leaks_in(EV_LANG_NATIVE, EV_COLLECTOR_UNKNOWN, true); /* C collects nothing */
	assert_int_equal(collector_gaps(), 0);
	story_ends();
	leaks_in(EV_LANG_JAVASCRIPT, EV_COLLECTOR_UNKNOWN, false); /* an old recording */
	assert_int_equal(collector_gaps(), 0);
	story_ends();
	leaks_in(EV_LANG_PYTHON, EV_COLLECTOR_PYTHON, true);
	assert_int_equal(collector_gaps(), 0);
	story_ends();
	story_begins(); /* and without a finding there is nothing to be sure of */
	process(APP);
	opens(0, APP, APP);
	uses(0);
	collects(EV_COLLECTOR_UNKNOWN, 0, 0);
	at(2);
	assert_int_equal(collector_gaps(), 0);
}

/* A C library in a program of Python: no collector closes what C forgets. */
static void a_leak_of_another_language_is_as_sure_as_before(void **state)
{
	(void)state;
	leaks_in(EV_LANG_NATIVE, EV_COLLECTOR_PYTHON, true);
	assert_int_equal(found_leak()->confidence, CONFIDENCE_CERTAIN);
	assert_false(has_evidence(found_leak(), "no-collection-since"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, story_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_leak_that_outlives_the_collector_is_certain),
		TEST(a_leak_is_likely_at_most_while_nothing_was_collected),
		TEST(one_collection_proves_nothing_yet),
		TEST(a_pool_that_outlives_the_collector_is_not_accused),
		TEST(a_heap_that_was_not_collected_grows_for_no_known_reason),
		TEST(a_collector_that_does_not_tell_is_a_gap_of_its_finding),
		TEST(a_leak_of_another_language_is_as_sure_as_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
