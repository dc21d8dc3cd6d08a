/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_escape.c - hostile strings become harmless, honest ones pass unchanged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/escape.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct pair {
	const char *in, *out;
};

static const struct pair printable[] = {
	{"", ""},
	{"SELECT 'a' FROM \"t\"", NULL},
	{"back\\slash", NULL},
	{"gr\xc3\xbc\xc3\x9f"
	 "e",
	 NULL},
	{"\xe6\x97\xa5\xe6\x9c\xac", NULL},
	{"\xf0\x9f\x90\x98", NULL},
};

static const struct pair hostile[] = {
	{"\033[2J", "\\x1b[2J"},	     /* terminal command */
	{"a\nb\tc\r", "a\\x0ab\\x09c\\x0d"}, /* lines of its own */
	{"\177", "\\x7f"},		     /* DEL */
	{"\xc2\x9b"
	 "31m",
	 "\\xc2\\x9b31m"}, /* C1 in UTF-8 */
	{"\x9b"
	 "31m",
	 "\\x9b31m"},				      /* C1 raw */
	{"\xff\xfe", "\\xff\\xfe"},		      /* never in UTF-8 */
	{"\xc0\xaf", "\\xc0\\xaf"},		      /* overlong */
	{"\xed\xa0\x80", "\\xed\\xa0\\x80"},	      /* surrogate */
	{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* above U+10FFFF */
	{"a\xe2\x80", "a\\xe2\\x80"},		      /* cut */
	{"\xe2\x80\xae"
	 "cod.exe",
	 "\\xe2\\x80\\xaecod.exe"},		      /* right to left */
	{"\xe2\x81\xa6", "\\xe2\\x81\\xa6"},	      /* isolate */
	{"\xe2\x80\x8b", "\\xe2\\x80\\x8b"},	      /* zero width */
	{"\xef\xbb\xbf", "\\xef\\xbb\\xbf"},	      /* byte order mark */
	{"\xf3\xa0\x81\x81", "\\xf3\\xa0\\x81\\x81"}, /* invisible tag */
};

static void check_terminal(const struct pair *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *out = escape_terminal(pairs[i].in, strlen(pairs[i].in));
		char *twice = escape_terminal(out, strlen(out));

		assert_string_equal(out, pairs[i].out ? pairs[i].out : pairs[i].in);
		assert_string_equal(twice, out);
		free(twice);
		free(out);
	}
}

static void printable_text_passes_unchanged(void **state)
{
	(void)state;
	check_terminal(printable, COUNT(printable));
}

static void hostile_text_becomes_printable(void **state)
{
	(void)state;
	check_terminal(hostile, COUNT(hostile));
}

static void a_nul_in_the_middle_is_shown(void **state)
{
	char *out = escape_terminal("a\0b", 3);

	(void)state;
	assert_string_equal(out, "a\\x00b");
	free(out);
}

static void columns_count_what_a_terminal_shows(void **state)
{
	static const struct {
		const char *text;
		size_t columns;
	} cases[] = {
		{"", 0},
		{"abc", 3},
		{"\xc3\xbc", 1},
		{"\xe6\x97\xa5", 2},
		{"\xf0\x9f\x90\x98", 2},
		{"\033", 4},
		{"\xe2\x80\xae", 12},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(escape_columns(cases[i].text, strlen(cases[i].text)),
				 cases[i].columns);
}

static void a_long_text_is_shortened_with_dots(void **state)
{
	static const struct {
		const char *in;
		size_t columns;
		enum escape_cut cut;
		const char *out;
	} cases[] = {
		{"abcdef", 6, ESCAPE_CUT_END, "abcdef"},
		{"abcdefg", 6, ESCAPE_CUT_END, "abc..."},
		{"abcdefghij", 9, ESCAPE_CUT_MIDDLE, "abc...hij"},
		{"abcdefg", 2, ESCAPE_CUT_END, ".."},
		{"abcdefg", 0, ESCAPE_CUT_END, ""},
		{"ab\033cdef", 8, ESCAPE_CUT_END, "ab..."},  /* never inside an escape */
		{"ab\\x1bcdef", 8, ESCAPE_CUT_END, "ab..."}, /* nor one written earlier */
		{"abcdefg\033", 10, ESCAPE_CUT_MIDDLE, "abcd..."},
		{"\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5", 5, ESCAPE_CUT_END, "\xe6\x97\xa5..."},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char out[64];
		size_t used = escape_fit(out, sizeof(out), cases[i].in, strlen(cases[i].in),
					 cases[i].columns, cases[i].cut);

		assert_string_equal(out, cases[i].out);
		assert_int_equal(used, escape_columns(out, strlen(out)));
	}
}

static void a_small_buffer_is_never_overrun(void **state)
{
	char *out;

	(void)state;
	for (size_t size = 0; size < 40; size++) {
		out = malloc(size ? size : 1);
		escape_fit(out, size, "ab\033cd\xe6\x97\xa5 and more of it", 24, 20,
			   ESCAPE_CUT_MIDDLE);
		if (size)
			assert_true(strlen(out) < size);
		escape_line(out, size, "ab\033cd\xe6\x97\xa5 and more of it", 24, 30);
		free(out);
	}
}

static void lines_break_at_spaces(void **state)
{
	static const char *const lines[] = {"the quick brown", "fox jumps over", "the",
					    "verylongwordtha", "tneverends"};
	const char *text = "the quick brown fox jumps over the verylongwordthatneverends  ";
	size_t len = strlen(text), at = 0, n = 0;
	char line[80];

	(void)state;
	while (at < len) {
		at += escape_line(line, sizeof(line), text + at, len - at, 15);
		assert_true(n < COUNT(lines));
		assert_string_equal(line, lines[n++]);
	}
	assert_int_equal(n, COUNT(lines));
}

static void a_number_stays_with_its_unit(void **state)
{
	const char *text = "it waited for 20 min";
	char line[80];

	(void)state;
	assert_int_equal(escape_line(line, sizeof(line), text, strlen(text), 17), 14);
	assert_string_equal(line, "it waited for");
	text = "line:42 monthly()";
	assert_int_equal(escape_line(line, sizeof(line), text, strlen(text), 16), 8);
	assert_string_equal(line, "line:42");
}

static void a_path_breaks_behind_a_folder(void **state)
{
	const char *text = "/srv/shop/report.py:42";
	char line[80];

	(void)state;
	assert_int_equal(escape_line(line, sizeof(line), text, strlen(text), 20), 10);
	assert_string_equal(line, "/srv/shop/");
	assert_int_equal(escape_line(line, sizeof(line), "/aaaaaaaaaaaaaaaaaaaa", 21, 20), 20);
}

static void wrapping_never_splits_an_escape(void **state)
{
	char text[200], line[100];
	size_t at = 0;

	(void)state;
	memset(text, '\033', sizeof(text));
	while (at < sizeof(text)) {
		size_t used = escape_line(line, sizeof(line), text + at, sizeof(text) - at, 18);

		assert_true(used > 0);
		assert_int_equal(strlen(line) % 4, 0);
		assert_true(strlen(line) <= 18);
		at += used;
	}
}

static void broken_utf8_becomes_replacement_characters(void **state)
{
	static const struct pair cases[] = {
		{"plain", "plain"},
		{"\033[1m", "\033[1m"},
		{"a\xff"
		 "b",
		 "a\xef\xbf\xbd"
		 "b"},
		{"a\xe2\x80", "a\xef\xbf\xbd"},
		{"\xe2\x80"
		 "b",
		 "\xef\xbf\xbd"
		 "b"},
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xf0\x9f\x90\x98", "\xf0\x9f\x90\x98"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *out = escape_utf8(cases[i].in, strlen(cases[i].in));

		assert_string_equal(out, cases[i].out);
		free(out);
	}
}

static void any_bytes_give_printable_ascii_or_valid_utf8(void **state)
{
	uint32_t random = 1;
	char in[64];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		for (size_t i = 0; i < sizeof(in); i++)
			in[i] = (char)((random = random * 1664525 + 1013904223) >> 24);

		size_t len = random >> 8 & 63;
		char *out = escape_terminal(in, len), *clean = escape_utf8(in, len);
		char *again = escape_utf8(out, strlen(out)),
		     *same = escape_utf8(clean, strlen(clean));

		assert_string_equal(out, again);
		assert_string_equal(clean, same);
		for (size_t i = 0; out[i]; i++)
			assert_true((unsigned char)out[i] >= ' ' && out[i] != 0x7f);
		free(same);
		free(again);
		free(clean);
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(printable_text_passes_unchanged),
		cmocka_unit_test(hostile_text_becomes_printable),
		cmocka_unit_test(a_nul_in_the_middle_is_shown),
		cmocka_unit_test(columns_count_what_a_terminal_shows),
		cmocka_unit_test(a_long_text_is_shortened_with_dots),
		cmocka_unit_test(a_small_buffer_is_never_overrun),
		cmocka_unit_test(lines_break_at_spaces),
		cmocka_unit_test(a_number_stays_with_its_unit),
		cmocka_unit_test(a_path_breaks_behind_a_folder),
		cmocka_unit_test(wrapping_never_splits_an_escape),
		cmocka_unit_test(broken_utf8_becomes_replacement_characters),
		cmocka_unit_test(any_bytes_give_printable_ascii_or_valid_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
