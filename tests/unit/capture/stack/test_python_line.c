/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_python_line.c - lines from tables that three versions of CPython made of one function, and
 * strings of each width.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <stdlib.h>

#include "user/capture/stack/python_line.h"

#define UNIT 2 /* bytes of an instruction */
#include "tests/unit/support/seed.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* From this byte of the code on: this line, 0 none. */
struct run {
	uint32_t at, line;
};

/*
 * def f(a):
 *   g(
 *     a,
 *     b)
 *   ... 200 empty lines
 *   for i in a:
 *     try:
 *       g(i)
 *     finally:
 *       h(
 *         i)
 *   return (x
 *     for x in
 *     a)
 */

/* Of CPython 3.9. */
static const uint8_t lnotab[] = {
	0x00, 0x01, 0x02, 0x01, 0x02, 0x01, 0x02, 0xfe, 0x04, 0x7f, 0x00,
	0x4c, 0x08, 0x01, 0x02, 0x01, 0x0a, 0x02, 0x02, 0x01, 0x02, 0xff,
	0x08, 0x01, 0x02, 0xff, 0x08, 0x02, 0x06, 0x02, 0x02, 0xfe,
};
static const struct run lnotab_runs[] = {
	{0, 2},	   {2, 3},    {4, 4},	 {6, 2},    {10, 205}, {18, 206}, {20, 207}, {30, 209},
	{32, 210}, {34, 209}, {42, 210}, {44, 209}, {52, 211}, {58, 213}, {60, 211},
};
#define LNOTAB_CODE 66

/* Of CPython 3.10. */
static const uint8_t linetable[] = {
	0x02, 0x01, 0x02, 0x01, 0x02, 0x01, 0x04, 0xfe, 0x00, 0x7f, 0x08,
	0x4c, 0x02, 0x01, 0x0a, 0x01, 0x02, 0x02, 0x02, 0x01, 0x08, 0xff,
	0x02, 0x01, 0x06, 0xff, 0x06, 0x02, 0x02, 0x02, 0x06, 0xfe,
};
static const struct run linetable_runs[] = {
	{0, 2},	   {2, 3},    {4, 4},	 {6, 2},    {10, 205}, {18, 206}, {20, 207}, {30, 209},
	{32, 210}, {34, 209}, {42, 210}, {44, 209}, {50, 211}, {56, 213}, {58, 211},
};
#define LINETABLE_CODE 64

/* Of CPython 3.11. */
static const uint8_t locations[] = {
	0x80, 0x00, 0xdd, 0x02, 0x03, 0xd8, 0x04, 0x05, 0xdd, 0x04, 0x05, 0xf1, 0x05, 0x02, 0x03,
	0x07, 0xf4, 0x00, 0x02, 0x03, 0x07, 0xf0, 0x00, 0x02, 0x03, 0x07, 0xf0, 0x56, 0x06, 0x00,
	0x0c, 0x0d, 0xf0, 0x00, 0x05, 0x03, 0x0b, 0xf0, 0x00, 0x05, 0x03, 0x0b, 0x80, 0x61, 0xf0,
	0x02, 0x04, 0x05, 0x0b, 0xdd, 0x06, 0x07, 0x88, 0x01, 0x81, 0x64, 0x84, 0x64, 0x80, 0x64,
	0xe5, 0x06, 0x07, 0xd8, 0x08, 0x09, 0xf1, 0x03, 0x01, 0x07, 0x0b, 0xf4, 0x00, 0x01, 0x07,
	0x0b, 0xf0, 0x00, 0x01, 0x07, 0x0b, 0xf0, 0x00, 0x01, 0x07, 0x0b, 0xf8, 0x85, 0x61, 0xd8,
	0x08, 0x09, 0xf1, 0x03, 0x01, 0x07, 0x0b, 0xf4, 0x00, 0x01, 0x07, 0x0b, 0xf0, 0x00, 0x01,
	0x07, 0x0b, 0xf0, 0x00, 0x01, 0x07, 0x0b, 0xf8, 0xf8, 0xf8, 0xf0, 0x04, 0x02, 0x0a, 0x07,
	0xf0, 0x00, 0x02, 0x0a, 0x07, 0xe0, 0x04, 0x05, 0xf0, 0x05, 0x02, 0x0a, 0x07, 0xf1, 0x00,
	0x02, 0x0a, 0x07, 0xf4, 0x00, 0x02, 0x0a, 0x07, 0xf0, 0x00, 0x02, 0x03, 0x07,
};
static const struct run locations_runs[] = {
	{0, 1},	    {2, 2},    {14, 3},	   {16, 4},    {28, 2},	   {44, 205},  {52, 206},
	{54, 207},  {84, 209}, {96, 210},  {98, 209},  {116, 0},   {118, 209}, {130, 210},
	{132, 209}, {150, 0},  {156, 211}, {160, 213}, {162, 211},
};
#define LOCATIONS_CODE 180

/* In memory of its own, so that a step outside is seen. */
static uint32_t line_in(enum python_lines kind, const uint8_t *table, size_t size, uint32_t at)
{
	uint8_t *copy = calloc(1, size ? size : 1);
	struct python_span *spans = calloc(size + 1, sizeof(*spans));
	size_t n;
	uint32_t line;

	memcpy(copy, table, size);
	n = python_spans(kind, copy, size, 1, spans, size + 1);
	line = python_line(spans, n, at);
	free(spans);
	free(copy);
	return line;
}

static void check(enum python_lines kind, const uint8_t *table, size_t size, const struct run *runs,
		  size_t count, uint32_t code)
{
	size_t i = 0;

	for (uint32_t at = 0; at < code; at += UNIT) {
		i += i + 1 < count && runs[i + 1].at <= at;
		assert_int_equal(line_in(kind, table, size, at), runs[i].line);
	}
	seed_keep("lines", table, size);
}

static void every_instruction_is_on_its_line(void **state)
{
	(void)state;
	check(PYTHON_LNOTAB, lnotab, sizeof(lnotab), lnotab_runs, COUNT(lnotab_runs), LNOTAB_CODE);
	check(PYTHON_LINETABLE, linetable, sizeof(linetable), linetable_runs, COUNT(linetable_runs),
	      LINETABLE_CODE);
	check(PYTHON_LOCATIONS, locations, sizeof(locations), locations_runs, COUNT(locations_runs),
	      LOCATIONS_CODE);
}

static void a_place_outside_the_code_has_no_line(void **state)
{
	(void)state;
	assert_int_equal(line_in(PYTHON_LINETABLE, linetable, sizeof(linetable), LINETABLE_CODE),
			 0);
	assert_int_equal(line_in(PYTHON_LOCATIONS, locations, sizeof(locations), LOCATIONS_CODE),
			 0);
	assert_int_equal(line_in(PYTHON_LOCATIONS, locations, 0, 0), 0);
}

static void a_table_that_is_cut_is_read_to_its_end_and_no_further(void **state)
{
	(void)state;
	for (size_t size = 0; size < sizeof(locations); size++)
		line_in(PYTHON_LOCATIONS, locations, size, LOCATIONS_CODE - UNIT);
	for (size_t size = 0; size < sizeof(linetable); size++)
		line_in(PYTHON_LINETABLE, linetable, size, LINETABLE_CODE - UNIT);
	for (size_t size = 0; size < sizeof(lnotab); size++)
		line_in(PYTHON_LNOTAB, lnotab, size, LNOTAB_CODE - UNIT);
}

static void lines_that_no_file_has_are_none(void **state)
{
	static const uint8_t back[] = {0xe8, 0x05}; /* two lines back from the first */
	static const uint8_t broken[] = {0x00, 0x80};
	static const uint8_t endless[] = {0xe8, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f};

	(void)state;
	assert_int_equal(line_in(PYTHON_LOCATIONS, back, sizeof(back), 0), 0);
	assert_int_equal(line_in(PYTHON_LOCATIONS, broken, sizeof(broken), 0), 0);
	assert_int_equal(line_in(PYTHON_LOCATIONS, endless, sizeof(endless), 0), 0);
}

static void spans_that_find_no_room_are_left_out(void **state)
{
	struct python_span spans[3];

	(void)state;
	assert_int_equal(python_spans(PYTHON_LOCATIONS, locations, sizeof(locations), 1, spans, 3),
			 3);
	for (uint32_t at = 0; at < 28; at += UNIT)
		assert_int_equal(
			python_line(spans, 3, at),
			at < 16 ? line_in(PYTHON_LOCATIONS, locations, sizeof(locations), at) : 0);
}

static void check_text(const void *from, size_t n, unsigned int kind, size_t room,
		       const char *expected)
{
	char *to = malloc(room);

	assert_int_equal(python_text(from, n, kind, to, room), strlen(expected));
	assert_string_equal(to, expected);
	free(to);
}

static void strings_of_each_width_become_utf8(void **state)
{
	static const uint8_t one[] = {'c', 'a', 'f', 0xe9};
	static const uint16_t two[] = {0x540d, 'x', 0x20ac};
	static const uint32_t four[] = {0x10348, 'y'};

	(void)state;
	check_text(one, COUNT(one), 1, 64, "caf\xc3\xa9");
	check_text(two, COUNT(two), 2, 64, "\xe5\x90\x8dx\xe2\x82\xac");
	check_text(four, COUNT(four), 4, 64, "\xf0\x90\x8d\x88y");
	check_text(one, 0, 1, 1, "");
}

static void what_is_no_character_does_no_harm(void **state)
{
	static const uint16_t bytes[] = {'a', 0xdcff, 0xdc80, 0}; /* a file's name, not UTF-8 */
	static const uint32_t beyond[] = {0x110000, 0xffffffff};

	(void)state;
	check_text(bytes, COUNT(bytes), 2, 64, "a\xff\x80?");
	check_text(beyond, COUNT(beyond), 4, 64, "??");
}

static void a_string_is_cut_between_characters(void **state)
{
	static const uint16_t two[] = {'a', 0x20ac, 0x20ac};

	(void)state;
	check_text(two, COUNT(two), 2, 8, "a\xe2\x82\xac\xe2\x82\xac");
	check_text(two, COUNT(two), 2, 7, "a\xe2\x82\xac");
	check_text(two, COUNT(two), 2, 4, "a");
	check_text(two, COUNT(two), 2, 1, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_instruction_is_on_its_line),
		cmocka_unit_test(a_place_outside_the_code_has_no_line),
		cmocka_unit_test(a_table_that_is_cut_is_read_to_its_end_and_no_further),
		cmocka_unit_test(lines_that_no_file_has_are_none),
		cmocka_unit_test(spans_that_find_no_room_are_left_out),
		cmocka_unit_test(strings_of_each_width_become_utf8),
		cmocka_unit_test(what_is_no_character_does_no_harm),
		cmocka_unit_test(a_string_is_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
