/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_php.c - the calls of a PHP 8.2 that is not there, whole and damaged.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "user/capture/elf/elf.h"
#include "user/capture/elf/elf_question.h"
#include "user/capture/host/memory.h"
#include "user/capture/stack/php.h"
#include "user/capture/stack/php_state.h"
#include "tests/unit/support/foreign.h"

#define ROW_8_2 3

struct string {
	uint32_t references, type;
	uint64_t hash, length;
	char text[40];
};

/* One method, one function of an extension, and what they point to. */
static struct {
	uint8_t method[FUNCTION_BYTES];
	uint8_t internal[FUNCTION_HEAD];
	uint64_t class[2];
	struct {
		uint64_t words[3];
		uint32_t line, rest;
	} opcodes[4];
	struct string name, file, class_name, internal_name;
} php;

static struct foreign memory_of_php;
static struct raw_stack raw;
static struct texts texts;
static struct frame frames[STACK_FRAMES];
static uint32_t flags;

#define METHOD	  0x10000
#define INTERNAL  0x20000
#define CLASS	  0x30000
#define OPCODES	  0x40000
#define STRINGS	  0x50000
#define STRING(s) (STRINGS + offsetof(typeof(php), s) - offsetof(typeof(php), name))

static struct string string_of(const char *text)
{
	struct string s = {.references = 1, .type = 0x16, .length = strlen(text)};

	strcpy(s.text, text);
	return s;
}

static void put_word(uint8_t *at, uint64_t word)
{
	memcpy(at, &word, sizeof(word));
}

static int set_up(void **state)
{
	(void)state;
	memset(&php, 0, sizeof(php));
	memory_of_php.count = 0;
	php.name = string_of("monthly");
	php.file = string_of("/srv/report.php");
	php.class_name = string_of("App\\Report");
	php.internal_name = string_of("pg_query");
	php.class[1] = STRING(class_name);
	php.method[0] = USER_FUNCTION;
	put_word(php.method + AT_NAME, STRING(name));
	put_word(php.method + AT_SCOPE, CLASS);
	put_word(php.method + php_rows[ROW_8_2].last, 4);
	put_word(php.method + php_rows[ROW_8_2].opcodes, OPCODES);
	put_word(php.method + php_rows[ROW_8_2].filename, STRING(file));
	put_word(php.method + php_rows[ROW_8_2].filename + 8, 40); /* its first line */
	php.opcodes[2].line = 42;
	php.internal[0] = INTERNAL_FUNCTION;
	put_word(php.internal + AT_NAME, STRING(internal_name));
	foreign_put(&memory_of_php, METHOD, php.method, sizeof(php.method));
	foreign_put(&memory_of_php, INTERNAL, php.internal, sizeof(php.internal));
	foreign_put(&memory_of_php, CLASS, php.class, sizeof(php.class));
	foreign_put(&memory_of_php, OPCODES, php.opcodes, sizeof(php.opcodes));
	foreign_put(&memory_of_php, STRINGS, &php.name, 4 * sizeof(struct string));
	raw = (struct raw_stack){.runtime = RUNTIME_PHP, .row = ROW_8_2, .count = 2};
	raw.frame[0] = (struct raw_frame){INTERNAL, 0};
	raw.frame[1] = (struct raw_frame){METHOD, OPCODES + 2 * OP_BYTES};
	return 0;
}

static int read_it(void)
{
	struct memory m = foreign_memory(&memory_of_php);

	return php_read(&m, &raw, &texts, frames, &flags);
}

static void a_method_and_a_function_of_an_extension_are_named(void **state)
{
	(void)state;
	assert_int_equal(read_it(), 2);
	assert_int_equal(flags, 0);
	assert_string_equal(frames[0].function, "pg_query");
	assert_null(frames[0].file);
	assert_string_equal(frames[1].function, "App\\Report::monthly");
	assert_string_equal(frames[1].file, "/srv/report.php");
	assert_int_equal(frames[1].line, 42);
	assert_int_equal(frames[1].flags, 0);
	assert_int_equal(frames[1].language, EV_LANG_PHP);
}

static void a_file_has_no_function(void **state)
{
	(void)state;
	put_word(php.method + AT_NAME, 0);
	put_word(php.method + AT_SCOPE, 0);
	assert_int_equal(read_it(), 2);
	assert_null(frames[1].function);
	assert_int_equal(frames[1].line, 42);
}

static void an_opline_of_another_function_gives_where_this_one_begins(void **state)
{
	static const uint64_t strange[] = {OPCODES + 4 * OP_BYTES, OPCODES - OP_BYTES, OPCODES + 5,
					   UINT64_MAX, 0};

	(void)state;
	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
		raw.frame[1].at = strange[i];
		assert_int_equal(read_it(), 2);
		assert_int_equal(frames[1].line, 40);
		assert_int_equal(frames[1].flags, EV_FRAME_DEFINED);
	}
}

static void what_is_no_string_or_function_ends_the_stack(void **state)
{
	(void)state;
	php.file.type = 7; /* an array */
	assert_int_equal(read_it(), 1);
	assert_int_equal(flags, EV_STACK_CUT);
	set_up(NULL);
	php.file.length = UINT64_MAX - 8;
	assert_int_equal(read_it(), 1);
	set_up(NULL);
	php.file.length = 5; /* no NUL behind it */
	assert_int_equal(read_it(), 1);
	set_up(NULL);
	php.method[0] = 3;
	assert_int_equal(read_it(), 1);
	set_up(NULL);
	raw.frame[0].code = 0x666000;
	assert_int_equal(read_it(), 0);
}

static void other_versions_offsets_give_no_file(void **state)
{
	(void)state;
	for (raw.row = 0; raw.row < PHP_ROWS; raw.row++) {
		int n = read_it();

		assert_int_equal(n,
				 php_rows[raw.row].filename == php_rows[ROW_8_2].filename ? 2 : 1);
	}
	assert_int_equal(read_it(), -EINVAL);
	raw.row = ROW_8_2;
	raw.count = STACK_FRAMES + 1;
	assert_int_equal(read_it(), -EINVAL);
}

static void versions_are_told_apart(void **state)
{
	(void)state;
	assert_int_equal(php_row_of("7.4.33"), 0);
	assert_int_equal(php_row_of("8.2.36-1~deb12u1"), ROW_8_2);
	assert_int_equal(php_row_of("8.4.0RC1"), 5);
	assert_int_equal(php_row_of("8.5.0"), -ENOTSUP);
	assert_int_equal(php_row_of("8.20.1"), -ENOTSUP);
	assert_int_equal(php_row_of("5.6.40"), -ENOTSUP);
	assert_int_equal(php_row_of(""), -ENOTSUP);
	assert_int_equal(php_row_of("8."), -ENOTSUP);
}

static void a_version_that_is_no_row_is_not_believed(void **state)
{
	static const int32_t lies[] = {-1, INT32_MIN, PHP_ROWS, INT32_MAX};

	(void)state;
	for (int32_t row = 0; row < PHP_ROWS; row++)
		assert_true(php_question.check(NULL, "", &row));
	assert_true(php_question.check(NULL, "", &(int32_t){-ENOTSUP}));
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		assert_false(php_question.check(NULL, "", &lies[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_version_that_is_no_row_is_not_believed),
		cmocka_unit_test_setup(a_method_and_a_function_of_an_extension_are_named, set_up),
		cmocka_unit_test_setup(a_file_has_no_function, set_up),
		cmocka_unit_test_setup(an_opline_of_another_function_gives_where_this_one_begins,
				       set_up),
		cmocka_unit_test_setup(what_is_no_string_or_function_ends_the_stack, set_up),
		cmocka_unit_test_setup(other_versions_offsets_give_no_file, set_up),
		cmocka_unit_test(versions_are_told_apart),
	};

	return cmocka_run_group_tests_name("php", tests, NULL, NULL);
}
