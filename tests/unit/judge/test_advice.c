/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_advice.c - the missing call is told in the language of the line that is named, and in the
 * words of the library that is on the stack.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "user/judge/advice.h"
#include "user/model/model_state.h"

#define WORDS_MOST 20

static struct rule_input rule_input;
static struct process_model process;

static int begin(void **state)
{
	(void)state;
	rule_input.arena = arena_open();
	rule_input.process = &process;
	return !rule_input.arena;
}

static int end(void **state)
{
	(void)state;
	arena_close(rule_input.arena);
	return 0;
}

/* The advice for a line in that language with that library on the stack; NULL: none is. */
static const char *advice(enum advice what, enum ev_language language, enum ev_database database,
			  const char *library)
{
	struct frame_view frames[] = {
		{.language = language, .file = library, .function = library},
		{.language = language, .file = "/srv/app"},
	};
	struct finding_view f = {.database = database,
				 .site = language == EV_LANG_UNKNOWN ? NULL : &frames[1],
				 .stack = frames,
				 .stack_count = 2};

	return advice_for(&rule_input, &f, what);
}

/* No row is hidden by another one, and each is told where it is meant. */
static void each_example_is_told_where_it_belongs(void **state)
{
	const struct advice_example *all;
	size_t count;

	(void)state;
	all = advice_examples(&count);
	for (size_t i = 0; i < count; i++) {
		const struct advice_example *e = &all[i];
		const char *said = advice(e->what, e->language, e->database, e->library);

		if (!strstr(said, e->text))
			fail_msg("'%s' is not in '%s'", e->text, said);
	}
}

static size_t words_of(const char *text)
{
	size_t n = 0;

	for (const char *at = text; *at; at++)
		n += *at != ' ' && (at == text || at[-1] == ' ');
	return n;
}

static void each_sentence_and_each_example_is_short(void **state)
{
	const struct advice_example *all;
	size_t count;

	(void)state;
	for (enum advice what = 0; what < ADVICE_COUNT; what++)
		if (words_of(advice(what, EV_LANG_UNKNOWN, EV_DB_MYSQL, NULL)) > WORDS_MOST)
			fail_msg("too long: '%s'",
				 advice(what, EV_LANG_UNKNOWN, EV_DB_MYSQL, NULL));
	all = advice_examples(&count);
	for (size_t i = 0; i < count; i++)
		if (words_of(all[i].text) > WORDS_MOST || strlen(all[i].text) > 80)
			fail_msg("too long: '%s'", all[i].text);
}

static void no_library_is_named_that_is_not_there(void **state)
{
	(void)state;
	assert_non_null(strstr(advice(ADVICE_CLOSE, EV_LANG_PYTHON, EV_DB_MYSQL,
				      "/usr/lib/python3/sqlalchemy/pool.py"),
			       "SQLAlchemy"));
	assert_null(strstr(advice(ADVICE_CLOSE, EV_LANG_PYTHON, EV_DB_MYSQL, NULL), "SQLAlchemy"));
	assert_null(strstr(advice(ADVICE_END, EV_LANG_PYTHON, EV_DB_MYSQL, NULL), "session"));
}

static void a_line_in_c_is_told_the_call_of_its_library(void **state)
{
	(void)state;
	assert_string_equal(advice(ADVICE_CLOSE, EV_LANG_NATIVE, EV_DB_POSTGRESQL, NULL),
			    "close every connection, or return it to its pool, on every path, also "
			    "after errors (C: PQfinish)");
	assert_non_null(strstr(advice(ADVICE_CLOSE, EV_LANG_NATIVE, EV_DB_MYSQL, NULL),
			       "(C: mysql_close)"));
}

static void rust_is_told_from_c_by_its_files_and_threads(void **state)
{
	struct frame_view site = {.language = EV_LANG_NATIVE, .file = "/srv/shop/src/main.rs"};
	struct finding_view f = {
		.database = EV_DB_POSTGRESQL, .site = &site, .stack = &site, .stack_count = 1};

	(void)state;
	assert_non_null(strstr(advice_for(&rule_input, &f, ADVICE_END), "(Rust: "));
	site.file = "/srv/shop.rs/main.c";
	assert_non_null(strstr(advice_for(&rule_input, &f, ADVICE_END), "(C: "));
	site.file = NULL;
	site.function = "std::sys_common::backtrace::__rust_begin_short_backtrace";
	assert_non_null(strstr(advice_for(&rule_input, &f, ADVICE_FREE), "(Rust: "));
	f.site = NULL; /* the frames of its run time and drivers tell, too */
	assert_non_null(strstr(advice_for(&rule_input, &f, ADVICE_FREE), "(Rust: "));
	f.site = &site;
	site.function = "std::thread::_Invoker::run";
	assert_non_null(strstr(advice_for(&rule_input, &f, ADVICE_FREE), "(C: "));
}

static void without_a_line_the_process_tells_the_language(void **state)
{
	(void)state;
	strcpy(process.comm, "node");
	assert_non_null(strstr(advice(ADVICE_END, EV_LANG_UNKNOWN, EV_DB_MYSQL, NULL), "(Node: "));
	assert_non_null(strstr(advice(ADVICE_END, EV_LANG_NATIVE, EV_DB_MYSQL, NULL), "(Node: "));
	strcpy(process.comm, "python3.11");
	assert_non_null(
		strstr(advice(ADVICE_END, EV_LANG_UNKNOWN, EV_DB_MYSQL, NULL), "(Python: "));
	strcpy(process.comm, "node_exporter");
	assert_null(strchr(advice(ADVICE_END, EV_LANG_UNKNOWN, EV_DB_MYSQL, NULL), '('));
	strcpy(process.comm, "nodebug");
	assert_null(strchr(advice(ADVICE_END, EV_LANG_UNKNOWN, EV_DB_MYSQL, NULL), '('));
	strcpy(process.comm, "php-fpm8.2");
	assert_non_null(strstr(advice(ADVICE_END, EV_LANG_UNKNOWN, EV_DB_MYSQL, NULL), "(PHP: "));
	strcpy(process.comm, "billing");
	assert_null(strchr(advice(ADVICE_END, EV_LANG_UNKNOWN, EV_DB_MYSQL, NULL), '('));
	assert_non_null(strstr(advice(ADVICE_END, EV_LANG_NATIVE, EV_DB_MYSQL, NULL), "(C: "));
	*process.comm = '\0';
}

static void a_language_has_one_example_for_databases_without_their_own(void **state)
{
	(void)state;
	assert_non_null(strstr(advice(ADVICE_CLOSE, EV_LANG_PHP, EV_DB_MYSQL, NULL), "mysqli"));
	assert_null(strstr(advice(ADVICE_CLOSE, EV_LANG_PHP, EV_DB_REDIS, NULL), "mysqli"));
	assert_non_null(strstr(advice(ADVICE_CLOSE, EV_LANG_PHP, EV_DB_REDIS, NULL), "PHP"));
}

#define ADVICE_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ADVICE_TEST(each_example_is_told_where_it_belongs),
		ADVICE_TEST(each_sentence_and_each_example_is_short),
		ADVICE_TEST(no_library_is_named_that_is_not_there),
		ADVICE_TEST(a_line_in_c_is_told_the_call_of_its_library),
		ADVICE_TEST(rust_is_told_from_c_by_its_files_and_threads),
		ADVICE_TEST(without_a_line_the_process_tells_the_language),
		ADVICE_TEST(a_language_has_one_example_for_databases_without_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
