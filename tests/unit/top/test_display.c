/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_display.c - the live screen: the guilty line is on it, at any size and with any name.
 *
 * Whole screens are compared with those in tests/unit/top/screens; BLESS=1 makes them anew.
 */
#include "tests/unit/support/screen_of.h"

static void shop_lives(struct display *d)
{
	*d = (struct display){};
	for (int i = 0; i < 9; i++)
		shop_look(d, i + 1, 2 + (uint64_t)i);
}

static void before_the_first_view_the_keys_are_told(void **state)
{
	struct display d = {};

	(void)state;
	expect_screen(&d, 24, 80, true, "empty-80x24");
	assert_int_equal(display_key(&d, TOP_KEY_DOWN), 0);
	assert_int_equal(display_key(&d, TOP_KEY_ENTER), 0);
	shop_closes(&d);
}

static void the_guilty_line_is_on_the_first_screen(void **state)
{
	struct display d;

	(void)state;
	shop_lives(&d);
	expect_screen(&d, 24, 80, true, "processes-80x24");
	expect_screen(&d, 5, 20, true, "processes-20x5");
	expect_screen(&d, 50, 200, true, "processes-200x50");
	expect_screen(&d, 24, 80, false, "processes-80x24-ascii");
	shop_closes(&d);
}

static void expect_name(const char *comm, const char *exe, const char *cmdline, const char *name)
{
	struct display d;

	shop_lives(&d);
	shop.processes[0].comm = comm;
	shop.processes[0].exe = exe;
	shop.processes[0].cmdline = cmdline;
	presses(&d, TOP_KEY_NONE);
	assert_string_equal(d.rows.rows[0].name, name);
	shop_closes(&d);
}

/* Five workers of one script are told apart by the names that they gave themselves. */
static void a_name_that_a_process_gave_itself_stands_before_its_script(void **state)
{
	static const char python[] = "/usr/bin/python3.11", script[] = "python3 /srv/shop.py";

	(void)state;
	expect_name("orders-api", python, script, "orders-api shop.py");
	expect_name("python3", python, script, "shop.py");
	expect_name("shop.py", python, "/usr/bin/python3 /srv/shop.py", "shop.py");
	expect_name("uwsgi-of-the-sh", "/opt/uwsgi-of-the-shop", script, "shop.py");
	expect_name("gunicorn: worke", python, "gunicorn: worker [shop:app]", "worker");
	expect_name("node-MainThread", "/usr/bin/node", "node /srv/app.js", "app.js");
	expect_name("orders-api", python, NULL, "orders-api");
}

/* Where not all of it fits, the name that tells them apart is whole. */
static void a_name_is_whole_where_room_is_short(void **state)
{
	struct display d;

	(void)state;
	shop_lives(&d);
	shop.processes[0].comm = "mail-workers";
	presses(&d, TOP_KEY_NONE);
	assert_true(screen_has(&d, "\nleaking  4711 mail-workers    10"));
	presses(&d, 't');
	assert_true(screen_has(&d, ", by process, as a tree, sorted by urgency"));
	presses(&d, '2');
	assert_false(screen_has(&d, "as a tree"));
	shop_closes(&d);
}

static void what_the_baseline_knows_is_marked(void **state)
{
	static const char plain[] = "\n  report.py:42 monthly(): 10 connections leaked",
			  known[] = "\n  report.py:42 monthly(): known, 10 connections leaked";
	struct display d;

	(void)state;
	shop_lives(&d);
	presses(&d, TOP_KEY_NONE);
	assert_true(screen_has(&d, plain));
	assert_false(screen_has(&d, "known,"));
	shop.leak.known = true;
	presses(&d, TOP_KEY_NONE);
	assert_true(screen_has(&d, known));
	assert_false(screen_has(&d, plain));
	presses(&d, '2');
	assert_true(screen_has(&d, "\n  python3[4711]: known, 10 connections leaked"));
	shop_closes(&d);
}

static void who_waits_without_a_finding_is_told_below_the_row(void **state)
{
	struct frame_view at = {.function = "request", .file = "/srv/shop/pool.py", .line = 58};
	struct display d;

	(void)state;
	shop_lives(&d);
	shop.endpoints[2].waiters = (struct waiters_view){
		.count = 6, .oldest_seconds = 3, .pool = "QueuePool", .site = &at};
	presses(&d, TOP_KEY_NONE);
	assert_true(screen_has(&d, "\n  pool.py:58 request(): 6 threads wait for a connection in "
				   "QueuePool, the f"));
	shop_closes(&d);
}

static void rows_are_of_lines_databases_and_containers_too(void **state)
{
	struct display d;

	(void)state;
	shop_lives(&d);
	types(&d, "2");
	expect_screen(&d, 24, 80, true, "lines-80x24");
	types(&d, "3");
	expect_screen(&d, 24, 80, true, "databases-80x24");
	types(&d, "4");
	expect_screen(&d, 24, 80, true, "containers-80x24");
	presses(&d, TOP_KEY_TAB);
	assert_int_equal(d.state.by, TOP_BY_PROCESS);
	shop_closes(&d);
}

static void enter_shows_stack_sql_and_where_threads_are_now(void **state)
{
	struct frame_view now[] = {{.language = EV_LANG_PYTHON,
				    .function = "charge",
				    .file = "/srv/shop/bill.py",
				    .line = 88}};
	struct display d;

	(void)state;
	shop_lives(&d);
	shop.leak.holder = (struct holder_view){.state = HOLDER_WAITING,
						.since_seconds = 31,
						.waits_for = "203.0.113.7:443",
						.site = now,
						.stack = now,
						.stack_count = 1};
	presses(&d, TOP_KEY_ENTER);
	expect_screen(&d, 40, 80, true, "inside-80x40");
	expect_screen(&d, 5, 20, true, "inside-20x5");
	presses(&d, TOP_KEY_ESCAPE);
	shop.leak.holder = (struct holder_view){};
	expect_screen(&d, 24, 80, true, "processes-80x24");
	shop_closes(&d);
}

static void a_page_ends_at_its_last_line(void **state)
{
	struct display d;

	(void)state;
	shop_lives(&d);
	types(&d, "?");
	expect_screen(&d, 30, 80, true, "keys-80x30");
	presses(&d, TOP_KEY_END);
	assert_true(screen_has(&d, "no leak seen"));
	assert_true(d.state.scroll < 30);
	presses(&d, TOP_KEY_PAGE_DOWN);
	assert_true(screen_has(&d, "no leak seen"));
	types(&d, "c");
	assert_int_equal(d.state.scroll, 0);
	assert_true(screen_has(&d, "dbleak used 0.4 % of a CPU"));
	shop_closes(&d);
}

static void a_process_that_is_gone_is_told_of(void **state)
{
	struct display d;

	(void)state;
	shop_lives(&d);
	presses(&d, TOP_KEY_ENTER);
	shop.processes[0].pid = 1;
	assert_true(screen_has(&d, "This process ended some time ago"));
	shop_closes(&d);
}

static void the_sort_menu_and_the_filter_show_what_is_typed(void **state)
{
	struct display d;

	(void)state;
	shop_lives(&d);
	types(&d, "s");
	expect_screen(&d, 16, 80, true, "sort-80x16");
	presses(&d, TOP_KEY_ESCAPE);
	types(&d, "/stock");
	expect_screen(&d, 16, 80, true, "filter-80x16");
	types(&d, "nobody has this");
	assert_true(screen_has(&d, "No row has that text"));
	shop_closes(&d);
}

static void frozen_and_recorded_are_said(void **state)
{
	struct display d;

	(void)state;
	shop_lives(&d);
	types(&d, " ");
	d.is_recorded = true;
	d.recording = "Recording to \033[2Jx";
	assert_true(screen_has(&d, "FROZEN RECORDING"));
	assert_true(screen_has(&d, "Recording to \\x1b[2Jx"));
	shop_closes(&d);
}

/* What a hostile program may be called, and what its SQL may be. */
static const char *const hostile[] = {
	"\033[2J\033]0;x\007",		"\u202eevil\u202c",
	"e\u0301\u0301\u0301\u0301",	"\u05d0\u05d1\u05d2",
	"\U0001f4a9\u4e2d\u6587\uff21", "\xff\xfe\x80",
	"\u200b\u200d\ufeff",		"a\nb\tc\rd",
	"\u0e01\u0e33\u0e4d",		"%s%n",
};

static void expect_harmless(struct display *d)
{
	static const size_t sizes[][2] = {{24, 80}, {5, 20}, {50, 200}, {1, 1}, {2, 3}, {7, 33}};

	/* screen_of looks at each cell */
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (int utf8 = 0; utf8 < 2; utf8++)
			free(screen_of(d, sizes[i][0], sizes[i][1], utf8));
}

static void name_all(const char *name)
{
	shop.frames[1].function = shop.frames[1].file = name;
	shop.leak.sql = shop.leak.endpoint = shop.leak.advice = name;
	for (size_t i = 0; i < SHOP_PROCESSES; i++) {
		shop.processes[i].comm = shop.processes[i].cmdline = name;
		shop.processes[i].unit = name;
		shop.endpoints[i].address = shop.endpoints[i].name = shop.endpoints[i].user = name;
	}
	shop.view.host_name = name;
}

static void no_name_reaches_the_terminal_as_it_is(void **state)
{
	static const char keys[] = "1234?cs\033/x\r";

	(void)state;
	for (size_t i = 0; i < COUNT(hostile); i++) {
		struct display d;

		shop_lives(&d);
		name_all(hostile[i]);
		for (const char *key = keys; *key; key++) {
			presses(&d, (unsigned char)*key);
			expect_harmless(&d);
		}
		presses(&d, TOP_KEY_ESCAPE);
		presses(&d, TOP_KEY_ENTER);
		expect_harmless(&d);
		shop_closes(&d);
	}
}

static void hostile_names_stand_in_columns(void **state)
{
	struct display d;

	(void)state;
	shop_lives(&d);
	shop.processes[2].cmdline = "\u202e\033[2J\u4e2d\u6587\u05d0e\u0301";
	shop.processes[2].comm = shop.processes[2].cmdline;
	shop.processes[3].comm = "\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587";
	types(&d, "1");
	expect_screen(&d, 12, 80, true, "hostile-80x12");
	expect_screen(&d, 12, 80, false, "hostile-80x12-ascii");
	shop_closes(&d);
}

static void any_size_is_drawn(void **state)
{
	struct display d;

	(void)state;
	shop_lives(&d);
	for (size_t rows = 0; rows < 30; rows++)
		for (size_t columns = 0; columns < 100; columns += 1 + columns / 20)
			free(screen_of(&d, rows, columns, true));
	shop_closes(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_the_first_view_the_keys_are_told),
		cmocka_unit_test(the_guilty_line_is_on_the_first_screen),
		cmocka_unit_test(a_name_that_a_process_gave_itself_stands_before_its_script),
		cmocka_unit_test(a_name_is_whole_where_room_is_short),
		cmocka_unit_test(what_the_baseline_knows_is_marked),
		cmocka_unit_test(who_waits_without_a_finding_is_told_below_the_row),
		cmocka_unit_test(rows_are_of_lines_databases_and_containers_too),
		cmocka_unit_test(enter_shows_stack_sql_and_where_threads_are_now),
		cmocka_unit_test(a_page_ends_at_its_last_line),
		cmocka_unit_test(a_process_that_is_gone_is_told_of),
		cmocka_unit_test(the_sort_menu_and_the_filter_show_what_is_typed),
		cmocka_unit_test(frozen_and_recorded_are_said),
		cmocka_unit_test(no_name_reaches_the_terminal_as_it_is),
		cmocka_unit_test(hostile_names_stand_in_columns),
		cmocka_unit_test(any_size_is_drawn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
