/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_advice.c - the missing call is told in the language of the line that is named.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "user/judge/advice.h"

static struct rule_input rule_input;

static int begin(void **state)
{
	(void)state;
	rule_input.arena = arena_open();
	return !rule_input.arena;
}

static int end(void **state)
{
	(void)state;
	arena_close(rule_input.arena);
	return 0;
}

static const char *advice(enum advice what, enum ev_database database,
			  const struct frame_view *site)
{
	struct finding_view f = {.database = database, .site = site};

	return advice_for(&rule_input, &f, what);
}

static void a_line_in_c_is_told_the_call_of_its_library(void **state)
{
	const struct frame_view c = {.language = EV_LANG_NATIVE};

	(void)state;
	assert_string_equal(advice(ADVICE_CLOSE, EV_DB_POSTGRESQL, &c),
			    "close each connection or session where it was opened, on every path "
			    "(C: PQfinish)");
	assert_string_equal(advice(ADVICE_CLOSE, EV_DB_MYSQL, &c),
			    "close each connection or session where it was opened, on every path "
			    "(C: mysql_close)");
}

static void large_results_are_read_otherwise_in_each_language(void **state)
{
	const struct frame_view c = {.language = EV_LANG_NATIVE}, php = {.language = EV_LANG_PHP};

	(void)state;
	assert_string_equal(advice(ADVICE_PAGES, EV_DB_POSTGRESQL, &c),
			    "read in pages (LIMIT, keyset) or as a stream (C: PQsetSingleRowMode)");
	assert_string_equal(advice(ADVICE_PAGES, EV_DB_MYSQL, &php),
			    "read in pages (LIMIT, keyset) or as a stream (PHP: MYSQLI_USE_RESULT, "
			    "or an unbuffered query of PDO)");
	assert_string_equal(advice(ADVICE_PAGES, EV_DB_POSTGRESQL, NULL),
			    "read in pages (LIMIT, keyset) or as a stream (server-side cursor; "
			    "SQLAlchemy: yield_per)");
}

static void without_a_line_the_example_is_pythons(void **state)
{
	(void)state;
	assert_string_equal(advice(ADVICE_END, EV_DB_MYSQL, NULL),
			    "end it with commit or rollback on every path, also after reading only "
			    "(Python: `with session.begin():`)");
	assert_string_equal(advice(ADVICE_END, EV_DB_SQLITE, NULL),
			    "end it with commit or rollback on every path, also after an error "
			    "(Python: `with connection:`)");
}

static void a_language_has_one_example_for_databases_without_their_own(void **state)
{
	const struct frame_view php = {.language = EV_LANG_PHP};

	(void)state;
	assert_non_null(strstr(advice(ADVICE_CLOSE, EV_DB_MYSQL, &php), "mysqli"));
	assert_null(strstr(advice(ADVICE_CLOSE, EV_DB_REDIS, &php), "mysqli"));
	assert_non_null(strstr(advice(ADVICE_CLOSE, EV_DB_REDIS, &php), "PHP"));
}

static void a_language_without_an_example_gets_none(void **state)
{
	const struct frame_view unknown = {.language = EV_LANG_UNKNOWN};

	(void)state;
	assert_string_equal(advice(ADVICE_CLOSE, EV_DB_MYSQL, &unknown),
			    "close each connection or session where it was opened, on every path");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_line_in_c_is_told_the_call_of_its_library, begin,
						end),
		cmocka_unit_test_setup_teardown(large_results_are_read_otherwise_in_each_language,
						begin, end),
		cmocka_unit_test_setup_teardown(without_a_line_the_example_is_pythons, begin, end),
		cmocka_unit_test_setup_teardown(
			a_language_has_one_example_for_databases_without_their_own, begin, end),
		cmocka_unit_test_setup_teardown(a_language_without_an_example_gets_none, begin,
						end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
