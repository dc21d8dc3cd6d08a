/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * A watch of weeks over texts and places without end: what is kept of them does not grow with their
 * number, and what is open keeps its own.
 */
#include "tests/unit/support/extent.h"
#include "tests/unit/support/story.h"

#define TEXTS	  extent(1000000, 200000) /* more than has room */
#define STACKS	  extent(500000, 200000)  /* three times as many as have room */
#define PROCESSES extent(100000, 75000)
#define LIBRARIES extent(20000, 8000) /* and gaps, more than have room */
#define ROOM	  (64 << 20)	      /* bytes: the bounds of texts and places together */

size_t __sanitizer_get_current_allocated_bytes(void);

static size_t began;

static bool is_within_room(void)
{
	return __sanitizer_get_current_allocated_bytes() < began + ROOM;
}

static void story_opens(void)
{
	story_begins();
	began = __sanitizer_get_current_allocated_bytes();
}

static const char *some_text(uint32_t number)
{
	static char text[256];

	snprintf(text, sizeof(text),
		 "select id, customer, total, status, created_at from orders_%08x where customer = "
		 "? and created_at > ? order by created_at desc limit ?",
		 number * 2654435761U);
	return text;
}

/* Session 2 leaves its transaction open, and its text is as old as the watch. */
static void texts_without_end_take_little_and_what_is_open_keeps_its_own(void **state)
{
	const uint32_t texts = TEXTS;
	const struct finding_view *f;

	(void)state;
	story_opens();
	process(7);
	process(8);
	opens(1, 7, 7);
	opens(2, 8, 8);
	begins(2);
	says(2, "update stock set left = left - ?");
	prepares(1, 9, "select kept from statement", 99);
	for (uint32_t i = 0; i < texts; i++) {
		if (i % 1000 == 0)
			at(1 + i / 1000.0);
		says(1, some_text(i));
	}
	assert_true(is_within_room());
	assert_true(story.model->texts.count < 50000);
	assert_int_equal(story.model->texts_refused, 0);
	f = finding(verdict_of(8), CAUSE_OPEN_TRANSACTION);
	assert_non_null(f);
	assert_string_equal(f->sql, "update stock set left = left - ?");
	assert_null(finding(verdict_of(7), CAUSE_OPEN_TRANSACTION));
	assert_int_equal(story.model->statements.count, 1);
	for (size_t at_ = 0;;) {
		const struct table_slot *slot = table_next(&story.model->statements, &at_);

		if (!slot)
			break;
		assert_string_equal(((struct statement_model *)slot->value)->text->sql,
				    "select kept from statement");
	}
}

/* Nothing of it may go, so what comes later is left out, and said to be. */
static void texts_that_are_all_in_use_are_bounded_too(void **state)
{
	static char text[EV_STATEMENT_SQL_LEN + 1];
	bool told_of = false;

	(void)state;
	story_opens();
	process(7);
	opens(1, 7, 7);
	memset(text, 'x', EV_STATEMENT_SQL_LEN);
	for (uint32_t i = 0; i < 300000; i++) {
		snprintf(text, 24, "select %08x from", i * 2654435761U);
		text[20] = ' ';
		prepares(1, i + 1, text, i + 1);
	}
	assert_true(story.model->text_bytes <= 48 << 20);
	assert_true(story.model->texts_refused > 0);
	verdict();
	for (size_t i = 0; i < story.view->gap_count; i++)
		told_of |= strstr(story.view->gaps[i].reason, "SQL texts: ") != NULL;
	assert_true(told_of);
}

static uint64_t some_stack(uint32_t pid, uint32_t number)
{
	char function[32];
	const struct place_reported frames[] = {{.language = EV_LANG_PYTHON,
						 .function = function,
						 .file = "/app/made.py",
						 .line = number},
						{.language = EV_LANG_PYTHON,
						 .function = "main",
						 .file = "/app/made.py",
						 .line = 1}};

	snprintf(function, sizeof(function), "made_%u", number);
	return tell_stack(pid, frames, 2);
}

static void half_a_million_stacks_take_little_and_what_is_open_keeps_its_own(void **state)
{
	const struct finding_view *f;
	uint64_t stack;

	(void)state;
	story_opens();
	process(7);
	opens(1, 7, 7);
	begins(1);
	stack = some_stack(7, 5);
	shows_of(EV_AT_BEGUN, 1, 0, stack);
	for (uint32_t i = 0, n = STACKS; i < n; i++) {
		if (i % 1000 == 0)
			at(1 + i / 1000.0);
		some_stack(7, 100 + i);
	}
	assert_true(is_within_room());
	assert_int_equal(story.model->code.refused, 0);
	assert_non_null(code_stack(&story.model->code, stack));
	f = finding(verdict_of(7), CAUSE_OPEN_TRANSACTION);
	assert_non_null(f);
	assert_non_null(f->site);
	assert_string_equal(f->site->function, "made_5");
	/* What was told a moment ago may be referred to in the next. */
	assert_non_null(code_stack(&story.model->code, some_stack(7, 100 + STACKS - 20000)));
}

static void many_processes_with_texts_and_stacks_of_their_own_take_little(void **state)
{
	(void)state;
	story_opens();
	process(7);
	opens(2, 7, 7);
	uses(2);
	for (uint32_t i = 0, n = PROCESSES; i < n; i++) {
		uint32_t pid = 1000 + i;

		at(1 + i * 0.02);
		process(pid);
		opens(1, pid, pid);
		begins(1);
		shows_of(EV_AT_BEGUN, 1, 0, some_stack(pid, i));
		says(1, some_text(i));
		commits(1);
		closes(1);
		exits(pid);
	}
	assert_true(is_within_room());
	assert_int_equal(story.model->code.refused, 0);
	verdict();
	for (size_t i = 0; i < story.view->process_count; i++)
		assert_int_equal(story.view->processes[i].finding_count, 0);
}

/* A crash loop of containers brings a new copy of each library every time. */
static void libraries_and_gaps_without_end_are_bounded(void **state)
{
	struct ev_library live = {.inode = 1, .path = "/usr/lib/live.so"}, l;
	struct ev_gap gap = {.pid = 0};

	(void)state;
	story_opens();
	for (uint32_t i = 0, n = LIBRARIES; i < n; i++) {
		at(1 + i);
		story_tell(&live, EV_LIBRARY, sizeof(live));
		l = (struct ev_library){.inode = 2 + i};
		snprintf(l.path, sizeof(l.path), "/run/%u.so", i);
		story_tell(&l, EV_LIBRARY, sizeof(l));
		snprintf(gap.text, sizeof(gap.text), "gap %u", i);
		story_tell(&gap, EV_GAP, sizeof(gap));
	}
	assert_true(story.model->libraries.count <= 1024);
	assert_non_null(table_get(&story.model->libraries, (struct table_key){0, 1}));
	assert_true(story.model->gap_count <= 4096);
	assert_true(story.model->gaps_refused > 0);
	verdict();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			texts_without_end_take_little_and_what_is_open_keeps_its_own,
			story_teardown),
		cmocka_unit_test_teardown(texts_that_are_all_in_use_are_bounded_too,
					  story_teardown),
		cmocka_unit_test_teardown(
			half_a_million_stacks_take_little_and_what_is_open_keeps_its_own,
			story_teardown),
		cmocka_unit_test_teardown(
			many_processes_with_texts_and_stacks_of_their_own_take_little,
			story_teardown),
		cmocka_unit_test_teardown(libraries_and_gaps_without_end_are_bounded,
					  story_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
