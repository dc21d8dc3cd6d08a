/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_keys.c - what each key of the live view does.
 */
#include "tests/unit/support/screen_of.h"

static struct display display;

static int opens(void **state)
{
	(void)state;
	display = (struct display){};
	shop_look(&display, 1, 2);
	shop_look(&display, 2, 3);
	free(screen_of(&display, 24, 80, true));
	return 0;
}

static int closes(void **state)
{
	(void)state;
	shop_closes(&display);
	return 0;
}

static uint32_t pid_at(size_t row)
{
	assert_true(row < display.rows.count);
	return display.rows.rows[row].pid;
}

static void sorts_by(enum top_sort sort)
{
	types(&display, "s");
	while (display.state.sort_choice != sort)
		presses(&display, TOP_KEY_DOWN);
	presses(&display, TOP_KEY_ENTER);
	assert_int_equal(display.state.sort, sort);
}

static void the_most_urgent_process_comes_first(void **state)
{
	(void)state;
	assert_int_equal(pid_at(0), 4711);
	assert_int_equal(pid_at(1), 812);
	assert_int_equal(pid_at(2), 90);
	assert_int_equal(pid_at(3), 91);
}

static void a_column_sorts_and_once_more_turns_round(void **state)
{
	(void)state;
	sorts_by(TOP_SORT_OPEN);
	assert_int_equal(pid_at(0), 90);
	assert_int_equal(pid_at(3), 91);
	sorts_by(TOP_SORT_OPEN);
	assert_int_equal(pid_at(0), 91);
	types(&display, "I");
	assert_int_equal(pid_at(0), 90);
	sorts_by(TOP_SORT_WAITING);
	assert_int_equal(pid_at(0), 812);
	sorts_by(TOP_SORT_RATE);
	assert_int_equal(pid_at(0), 4711);
	sorts_by(TOP_SORT_NAME);
	assert_string_equal(display.rows.rows[0].name, "orders-api");
	types(&display, "M");
	assert_int_equal(display.state.sort, TOP_SORT_MEMORY);
}

static void the_sort_menu_goes_round_and_esc_leaves_it(void **state)
{
	(void)state;
	presses(&display, TOP_KEY_F1 + 5);
	presses(&display, TOP_KEY_UP);
	assert_int_equal(display.state.sort_choice, TOP_SORTS - 1);
	presses(&display, TOP_KEY_DOWN);
	assert_int_equal(display.state.sort_choice, 0);
	presses(&display, TOP_KEY_DOWN);
	presses(&display, TOP_KEY_ESCAPE);
	assert_int_equal(display.state.sort, TOP_SORT_URGENCY);
	assert_int_equal(display.state.mode, TOP_LIST);
}

static void a_filter_finds_names_lines_sql_places_and_databases(void **state)
{
	static const struct {
		const char *text;
		size_t rows;
	} cases[] = {{"ORDERS.py", 1}, {"report.py", 1}, {"from ORDERS", 2}, {"stock.service", 1},
		     {"/stock", 1},    {"4711", 1},	 {"python3", 4},     {"leaking", 1},
		     {"pooler", 1},    {"nobody", 0}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		types(&display, "/");
		types(&display, cases[i].text);
		assert_int_equal(display.rows.count, cases[i].rows);
		presses(&display, TOP_KEY_ENTER);
		assert_int_equal(display.state.mode, TOP_LIST);
		assert_int_equal(display.rows.count, cases[i].rows);
		presses(&display, TOP_KEY_ESCAPE);
		assert_int_equal(display.rows.count, SHOP_PROCESSES);
	}
}

static void a_filter_is_shortened_by_whole_characters_and_never_overflows(void **state)
{
	(void)state;
	types(&display, "/q");
	assert_false(display.state.quit);
	presses(&display, 0x4e2d);
	presses(&display, 0x1f4a9);
	presses(&display, TOP_KEY_BACKSPACE);
	assert_string_equal(display.state.filter, "q\u4e2d");
	presses(&display, TOP_KEY_BACKSPACE);
	presses(&display, TOP_KEY_BACKSPACE);
	presses(&display, TOP_KEY_BACKSPACE);
	assert_string_equal(display.state.filter, "");
	for (int i = 0; i < 200; i++)
		presses(&display, 0x1f4a9);
	assert_true(strlen(display.state.filter) < TOP_FILTER_SIZE);
	presses(&display, TOP_KEY_F1);
	presses(&display, 7);
	assert_int_equal(strlen(display.state.filter) % 4, 0);
	presses(&display, TOP_KEY_ESCAPE);
	assert_string_equal(display.state.filter, "");
}

static void the_cursor_follows_its_row_unless_it_is_the_first(void **state)
{
	(void)state;
	presses(&display, TOP_KEY_DOWN);
	types(&display, "j");
	assert_int_equal(pid_at(display.state.line), 90);
	shop.endpoints[2].connections.open = 0;
	shop.view.seconds = 3;
	display.view = NULL;
	assert_int_equal(display_take(&display, &shop.view), 0);
	assert_int_equal(pid_at(display.state.line), 90);
	assert_int_equal(display.state.line, 3);
	presses(&display, TOP_KEY_HOME);
	assert_int_equal(display.state.key, 0);
	presses(&display, TOP_KEY_END);
	assert_int_equal(display.state.line, 3);
	presses(&display, TOP_KEY_DOWN);
	assert_int_equal(display.state.line, 3);
	presses(&display, TOP_KEY_PAGE_UP);
	assert_int_equal(display.state.line, 0);
	presses(&display, TOP_KEY_UP);
	assert_int_equal(display.state.line, 0);
	presses(&display, TOP_KEY_PAGE_DOWN);
	assert_int_equal(display.state.line, 3);
}

static void enter_goes_into_a_group_then_into_a_process_and_esc_back(void **state)
{
	(void)state;
	types(&display, "3");
	assert_int_equal(display.rows.count, 2);
	presses(&display, TOP_KEY_ENTER); /* three processes share the first database */
	assert_int_equal(display.state.by, TOP_BY_PROCESS);
	assert_int_equal(display.rows.count, 3);
	presses(&display, TOP_KEY_DOWN);
	presses(&display, TOP_KEY_ENTER);
	assert_int_equal(display.state.mode, TOP_INSIDE);
	assert_int_equal(display.state.process, row_key_of_process(&shop.processes[2]));
	presses(&display, TOP_KEY_ESCAPE);
	assert_int_equal(display.rows.count, 3);
	presses(&display, TOP_KEY_ESCAPE);
	assert_int_equal(display.state.by, TOP_BY_ENDPOINT);
	assert_int_equal(display.rows.count, 2);
	presses(&display, TOP_KEY_DOWN);
	presses(&display, TOP_KEY_ENTER); /* of one process alone */
	assert_int_equal(display.state.mode, TOP_INSIDE);
	assert_int_equal(display.state.process, row_key_of_process(&shop.processes[1]));
}

static void a_tree_has_processes_below_their_parents(void **state)
{
	(void)state;
	shop.processes[2].parent_pid = 812;
	shop.processes[2].start_realtime_ns = 1;
	shop.processes[3].start_realtime_ns = 2;
	types(&display, "t");
	assert_int_equal(display.rows.rows[0].depth, 0);
	assert_int_equal(pid_at(1), 812);
	assert_int_equal(pid_at(2), 90);
	assert_int_equal(display.rows.rows[2].depth, 1);
	assert_int_equal(pid_at(3), 91);
	assert_int_equal(display.rows.rows[3].depth, 2);
	presses(&display, TOP_KEY_F1 + 4);
	assert_int_equal(display.rows.rows[3].depth, 0);
}

static void parents_in_a_circle_are_no_tree_and_no_row_is_lost(void **state)
{
	(void)state;
	for (size_t i = 0; i < SHOP_PROCESSES; i++) {
		shop.processes[i].start_realtime_ns = 7;
		shop.processes[i].parent_pid = shop.processes[(i + 1) % SHOP_PROCESSES].pid;
	}
	types(&display, "t");
	assert_int_equal(display.rows.count, SHOP_PROCESSES);
	for (size_t i = 0; i < SHOP_PROCESSES; i++)
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(pid_at(i), pid_at(k));
}

static void freeze_record_and_quit_are_asked_for_everywhere(void **state)
{
	(void)state;
	types(&display, " r");
	assert_true(display.state.frozen && display.state.record);
	presses(&display, TOP_KEY_ENTER);
	types(&display, "Zr");
	assert_false(display.state.frozen || display.state.record);
	presses(&display, TOP_KEY_F1 + 9);
	assert_true(display.state.quit);
}

static void any_keys_in_any_order_keep_the_state_whole(void **state)
{
	uint64_t seed = 12345;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint32_t key;

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		key = seed >> 33 & 1 ? (uint32_t)(seed >> 40 & 0x7f)
				     : TOP_KEY_UP + (uint32_t)(seed >> 40) % 24;
		presses(&display, key);
		if (i % 50 == 0)
			free(screen_of(&display, 1 + seed % 30, 1 + seed / 64 % 120, seed & 32));
		assert_true(display.state.by < TOP_BYS && display.state.sort < TOP_SORTS);
		assert_true(!display.rows.count || display.state.line < display.rows.count);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, opens, closes)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_most_urgent_process_comes_first),
		CASE(a_column_sorts_and_once_more_turns_round),
		CASE(the_sort_menu_goes_round_and_esc_leaves_it),
		CASE(a_filter_finds_names_lines_sql_places_and_databases),
		CASE(a_filter_is_shortened_by_whole_characters_and_never_overflows),
		CASE(the_cursor_follows_its_row_unless_it_is_the_first),
		CASE(enter_goes_into_a_group_then_into_a_process_and_esc_back),
		CASE(a_tree_has_processes_below_their_parents),
		CASE(parents_in_a_circle_are_no_tree_and_no_row_is_lost),
		CASE(freeze_record_and_quit_are_asked_for_everywhere),
		CASE(any_keys_in_any_order_keep_the_state_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
