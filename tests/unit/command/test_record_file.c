/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_record_file.c - which file record writes.
 */
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/support/said.h"
#include "user/command/record_file.h"

static char name[RECORD_FILE];

/* What is chosen; NULL: it is refused, and said is why. */
static const char *chosen(const char *output, int count, char *one, char *two, const char **said)
{
	struct options o = {.output = output};
	char *words[] = {one, two, NULL};
	int status;

	said_begin();
	status = record_file_choose(&o, name, count, words);
	*said = said_end();
	assert_true(status == -1 || status == 2);
	return status < 0 ? o.output : NULL;
}

static void the_file_may_be_an_option_or_an_argument(void **state)
{
	const char *said;

	(void)state;
	assert_string_equal(chosen("x.rec", 0, NULL, NULL, &said), "x.rec");
	assert_string_equal(chosen(NULL, 1, "x.rec", NULL, &said), "x.rec");
	assert_string_equal(chosen(NULL, 1, "-", NULL, &said), "-");
	assert_string_equal(said, "");
}

static void without_a_file_the_time_names_it(void **state)
{
	const char *said;

	(void)state;
	chosen(NULL, 0, NULL, NULL, &said);
	assert_int_equal(fnmatch("dbleak-20[0-9][0-9][01][0-9][0-3][0-9]-"
				 "[0-2][0-9][0-5][0-9][0-6][0-9].rec",
				 name, 0),
			 0);
}

static void two_files_are_refused(void **state)
{
	const char *said;

	(void)state;
	assert_null(chosen("x.rec", 1, "y.rec", NULL, &said));
	assert_non_null(strstr(said, "record takes one file, not \"y.rec\" too"));
	assert_null(chosen(NULL, 2, "x.rec", "y.rec", &said));
	assert_non_null(strstr(said, "y.rec"));
}

static void a_number_is_a_process_or_a_time(void **state)
{
	const char *said;

	(void)state;
	assert_null(chosen(NULL, 1, "4711", NULL, &said));
	assert_non_null(strstr(said, "did you mean --pid 4711 or --duration 4711?"));
	assert_null(chosen(NULL, 1, "30s", NULL, &said));
	assert_non_null(strstr(said, "did you mean --duration 30s?"));
	assert_string_equal(chosen(NULL, 1, "2026.rec", NULL, &said), "2026.rec");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_may_be_an_option_or_an_argument),
		cmocka_unit_test(without_a_file_the_time_names_it),
		cmocka_unit_test(two_files_are_refused),
		cmocka_unit_test(a_number_is_a_process_or_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
