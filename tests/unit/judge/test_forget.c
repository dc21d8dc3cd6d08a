/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * A watch of days over programs that come and go: what the model keeps does not grow with them, and
 * what is forgotten is counted.
 */
#include "tests/unit/support/extent.h"
#include "tests/unit/support/story.h"

#define LIVES	  extent(1000000, 120000)
#define SOME	  40000
#define EACH	  0.01	     /* seconds between two of them */
#define ROOM	  (10 << 20) /* bytes: of a batch more or less */
#define FIRST	  1000
#define SESSIONS  12 /* of one that leaks */
#define KEPT	  4096
#define BURST	  (KEPT + 1100) /* within a minute */
#define KEPT_MOST 16384		/* those of the last minute, and a batch that is under way */

size_t __sanitizer_get_current_allocated_bytes(void);

static void dies(uint32_t pid)
{
	struct ev_exit e = {.start_ns = process_start(pid), .rss_peak_bytes = 70 << 20, .pid = pid};

	story_tell(&e, EV_EXIT, sizeof(e));
}

/* Who it is, its connection and what it said, and that both ended. */
static void lives(uint32_t number, void (*works)(uint32_t pid))
{
	uint32_t pid = FIRST + number;
	struct ev_gap gap = {.start_ns = process_start(pid), .pid = pid, .text = "not seen"};

	at(1 + number * EACH);
	process(pid);
	if (number % 1000 == 0)
		story_tell(&gap, EV_GAP, sizeof(gap));
	works(pid);
	dies(pid);
}

static void works_well(uint32_t pid)
{
	struct ev_site site;

	opens(1, pid, pid);
	begins(1);
	says(1, "select 1");
	commits(1);
	closes(1);
	site = site_of(pid, 9, EV_RES_RESULT, EV_DB_POSTGRESQL, "PGresult", "PQclear");
	acquires(&site, 1);
	site.released = site.acquired;
	tell_site(&site);
}

/* Session after session until its end. */
static void leaks(uint32_t pid)
{
	double began = (story.now - STORY_START) / 1e9;

	for (uint32_t id = 1; id <= SESSIONS; id++) {
		at(began + 2 * id);
		opens(id, pid, pid);
		begins(id);
		says(id, "select 2");
	}
	at(began + 2 * SESSIONS + 20);
	for (uint32_t id = 1; id <= SESSIONS; id++)
		closes_as(id, EV_CONN_EXIT);
}

static void short_lives_without_end_take_no_more_memory_than_some(void **state)
{
	const uint32_t lives_told = LIVES;
	size_t some = 0, all;

	(void)state;
	story_begins();
	for (uint32_t i = 0; i < lives_told; i++) {
		lives(i, works_well);
		if (i == SOME)
			some = __sanitizer_get_current_allocated_bytes();
	}
	all = __sanitizer_get_current_allocated_bytes();
	assert_true(all < some + ROOM);
	assert_in_range(story.model->processes.count, KEPT, KEPT_MOST);
	assert_true(story.model->gap_count <= KEPT_MOST / 1000 + 1);
	verdict();
	assert_int_equal(story.view->forgotten_processes + story.view->process_count, lives_told);
	assert_int_equal(story.view->forgotten_connections, story.view->forgotten_processes);
}

static void the_last_that_ended_are_all_told_of(void **state)
{
	(void)state;
	story_begins();
	for (uint32_t i = 0; i < KEPT; i++)
		lives(i, works_well);
	at(10000);
	verdict();
	assert_int_equal(story.view->process_count, KEPT);
	assert_int_equal(story.view->forgotten_processes, 0);
}

static void one_with_a_finding_is_kept_among_thousands_without(void **state)
{
	(void)state;
	story_begins();
	lives(0, leaks);
	for (uint32_t i = 4000; i < 4000 + SOME; i++)
		lives(i, works_well);
	verdict();
	assert_true(story.view->forgotten_processes > 0);
	assert_int_equal(story.view->processes[0].pid, FIRST);
	assert_true(story.view->processes[0].finding_count > 0);
	assert_non_null(story.view->processes[0].findings[0].sql);
}

static void of_too_many_with_findings_the_oldest_are_counted(void **state)
{
	bool reported = false;

	(void)state;
	story_begins();
	for (uint32_t i = 0; i < 4 * KEPT; i++)
		lives(4000 * i, leaks);
	assert_in_range(story.model->processes.count, KEPT, KEPT_MOST);
	verdict();
	for (size_t i = 0; i < story.view->gap_count; i++)
		reported |= !story.view->gaps[i].pid &&
			    strstr(story.view->gaps[i].reason, "with leaks are not listed");
	assert_true(reported);
}

/* One old end, and a batch and more that has just come: a late record may still name each. */
static void a_burst_of_ends_is_kept_until_all_are_settled(void **state)
{
	(void)state;
	story_begins();
	lives(0, works_well);
	for (uint32_t i = 0; i < BURST; i++)
		lives(10000 + i, works_well);
	assert_int_equal(story.model->processes.count, BURST + 1);
	at(1 + (10000 + BURST) * EACH + 60);
	assert_in_range(story.model->processes.count, KEPT, BURST);
}

static void whoever_left_its_connection_to_others_stays(void **state)
{
	(void)state;
	story_begins();
	at(1);
	process(7);
	opens(2, 7, 7);
	dies(7);
	for (uint32_t i = 0; i < SOME; i++)
		lives(i, works_well);
	uses(2); /* its child does */
	verdict();
	assert_true(story.view->forgotten_processes > 0);
	assert_non_null(model_process(story.model, 7, process_start(7)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(short_lives_without_end_take_no_more_memory_than_some,
					  story_teardown),
		cmocka_unit_test_teardown(the_last_that_ended_are_all_told_of, story_teardown),
		cmocka_unit_test_teardown(one_with_a_finding_is_kept_among_thousands_without,
					  story_teardown),
		cmocka_unit_test_teardown(of_too_many_with_findings_the_oldest_are_counted,
					  story_teardown),
		cmocka_unit_test_teardown(a_burst_of_ends_is_kept_until_all_are_settled,
					  story_teardown),
		cmocka_unit_test_teardown(whoever_left_its_connection_to_others_stays,
					  story_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
