/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_json_value.c - texts of other programs and numbers beyond those of JSON.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "bpf/event.h"
#include "user/base/json_value.h"

static void is_written_as(json_t *value, const char *expected)
{
	char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
	json_decref(value);
}

static void a_text_is_valid_whatever_its_bytes(void **state)
{
	(void)state;
	is_written_as(json_text(NULL), "null");
	is_written_as(json_text(""), "\"\"");
	is_written_as(json_text("a\033[2Jb\"\\"), "\"a\\u001B[2Jb\\\"\\\\\"");
	is_written_as(json_text("\xff\xc3\xa9"), "\"\\uFFFD\\u00E9\"");
	is_written_as(json_bytes("cut\0off", 7), "\"cut\\uFFFDoff\"");
	is_written_as(json_bytes("cut off", 3), "\"cut\"");
}

static void a_count_that_is_not_known_is_null(void **state)
{
	(void)state;
	is_written_as(json_count(0), "0");
	is_written_as(json_count(UNKNOWN64), "null");
	is_written_as(json_count((uint64_t)LLONG_MAX + 1), "9223372036854775807");
}

static void a_missing_item_makes_its_array_missing(void **state)
{
	(void)state;
	is_written_as(json_array_with(json_array(), json_count(1)), "[1]");
	assert_null(json_array_with(json_array(), NULL));
	assert_null(json_array_with(NULL, json_count(1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_valid_whatever_its_bytes),
		cmocka_unit_test(a_count_that_is_not_known_is_null),
		cmocka_unit_test(a_missing_item_makes_its_array_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
