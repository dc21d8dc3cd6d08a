/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Tables made here as Go's linker makes them, of both layouts, whole and damaged.
 */
#include "user/capture/stack/native/go_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include <stdlib.h>

#include "tests/unit/support/seed.h"

#define TEXT 0x401000UL

/* A table in the making; what its parts begin at stands in its header. */
static struct {
	uint8_t bytes[4096];
	size_t size;
} made;

static size_t put(const void *bytes, size_t size)
{
	size_t at = made.size;

	memcpy(made.bytes + at, bytes, size);
	made.size += size;
	return at;
}

static size_t put_number(uint64_t value, size_t width)
{
	return put(&value, width);
}

static void set_field(size_t i, uint64_t value)
{
	memcpy(made.bytes + 8 + 8 * i, &value, 8);
}

/* Values 10 for 4 bytes, then 12, then 7 to the end at 32: differences from -1 on, zigzag. */
static const uint8_t lines[] = {22, 4, 4, 4, 9, 24, 0};
/* File 0 for 16 bytes, then 1. */
static const uint8_t files[] = {2, 16, 2, 16, 0};

static void put_function(size_t width, uint64_t entry, uint32_t name, uint32_t file, uint32_t line)
{
	const uint32_t more[] = {name, 0, 0, 0, file, line, 0, 1}; /* the unit begins at 1 */

	put_number(entry, width);
	put(more, sizeof(more));
	put_number(0, 8);
}

/* Two functions of 32 bytes each: main.list and main.main. */
static void make(enum go_magic magic)
{
	size_t width = magic == GO_1_16 ? 8 : 4, at = magic == GO_1_16 ? 2 : 3, functions, start;
	uint64_t base = magic == GO_1_16 ? TEXT : 0;
	const uint32_t units[] = {UINT32_MAX, 1, 14};
	uint32_t file, line;

	memset(&made, 0, sizeof(made));
	put_number(magic, 4);
	put_number(0x0801 << 16, 4);
	made.size = 8 + 8 * 8;
	set_field(0, 2);
	if (magic != GO_1_16)
		set_field(2, TEXT);
	set_field(at++, put("\0main.list\0main.main\0", 22));
	set_field(at++, put(units, sizeof(units)));
	set_field(at++, put("\0/app/list.go\0/app/gen.go\0", 27));
	start = put("", 1);
	file = (uint32_t)(put(files, sizeof(files)) - start);
	line = (uint32_t)(put(lines, sizeof(lines)) - start);
	set_field(at++, start);
	functions = made.size;
	set_field(at, functions);
	put_number(base, width);
	put_number(5 * width, width);
	put_number(base + 32, width);
	put_number(5 * width + width + 40, width);
	put_number(base + 64, width);
	put_function(width, base, 1, file, line);
	put_function(width, base + 32, 11, file, line);
	seed_keep("go", made.bytes, made.size);
}

static void check(const struct go_table *t, uint64_t offset, const char *function, const char *file,
		  uint32_t line)
{
	struct frame frame = {.line = 0};

	assert_true(go_table_find(t, TEXT + offset, &frame));
	assert_string_equal(frame.function, function);
	assert_string_equal(frame.file, file);
	assert_int_equal(frame.line, line);
	assert_int_equal(frame.language, EV_LANG_GO);
}

static void check_all(uint64_t text_section)
{
	struct frame frame;
	struct go_table t;

	assert_true(go_table_open(&t, made.bytes, made.size, text_section));
	check(&t, 0, "main.list", "/app/list.go", 10);
	check(&t, 3, "main.list", "/app/list.go", 10);
	check(&t, 4, "main.list", "/app/list.go", 12);
	check(&t, 8, "main.list", "/app/list.go", 7);
	check(&t, 31, "main.list", "/app/gen.go", 7);
	check(&t, 32, "main.main", "/app/list.go", 10);
	check(&t, 63, "main.main", "/app/gen.go", 7);
	assert_false(go_table_find(&t, TEXT + 64, &frame));
	assert_false(go_table_find(&t, TEXT - 1, &frame));
}

static void each_layout_is_read(void **state)
{
	(void)state;
	make(GO_1_16);
	check_all(0);
	make(GO_1_18);
	check_all(0);
	make(GO_1_20);
	check_all(0);
}

static void addresses_left_to_the_linker_begin_with_the_code(void **state)
{
	(void)state;
	make(GO_1_20);
	set_field(2, 0);
	check_all(TEXT);
}

static void other_tables_are_refused(void **state)
{
	struct go_table t;

	(void)state;
	make(GO_1_20);
	made.bytes[0] = 0xf2;
	assert_false(go_table_open(&t, made.bytes, made.size, 0));
	make(GO_1_20);
	made.bytes[7] = 4;
	assert_false(go_table_open(&t, made.bytes, made.size, 0));
	make(GO_1_20);
	set_field(0, UINT64_MAX / 4);
	assert_false(go_table_open(&t, made.bytes, made.size, 0));
	make(GO_1_20);
	set_field(7, UINT64_MAX - 4);
	assert_false(go_table_open(&t, made.bytes, made.size, 0));
	assert_false(go_table_open(&t, made.bytes, 7, 0));
}

/* In a block of its own size, so that a read past its end is seen. */
static void tables_cut_short_and_damaged_are_read_within_bounds(void **state)
{
	struct go_table t;

	(void)state;
	make(GO_1_20);
	for (size_t size = 0; size <= made.size; size++) {
		uint8_t *copy = malloc(size ? size : 1);
		struct frame frame = {.line = 0};

		memcpy(copy, made.bytes, size);
		if (go_table_open(&t, copy, size, 0))
			for (uint64_t at = 0; at < 70; at++)
				go_table_find(&t, TEXT + at, &frame);
		free(copy);
	}
	for (size_t i = 8; i < made.size; i++) {
		struct frame frame = {.line = 0};
		uint8_t was = made.bytes[i];

		made.bytes[i] = 0xff;
		if (go_table_open(&t, made.bytes, made.size, 0))
			for (uint64_t at = 0; at < 70; at++)
				go_table_find(&t, TEXT + at, &frame);
		made.bytes[i] = was;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_layout_is_read),
		cmocka_unit_test(addresses_left_to_the_linker_begin_with_the_code),
		cmocka_unit_test(other_tables_are_refused),
		cmocka_unit_test(tables_cut_short_and_damaged_are_read_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
