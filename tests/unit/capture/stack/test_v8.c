/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_v8.c - tables of real functions, and a stack of one JavaScript function in a heap that is
 * not there, whole and damaged.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "user/capture/elf/elf.h"
#include "user/capture/host/memory.h"
#include "user/capture/stack/v8.h"
#include "user/capture/stack/v8_position.h"
#include "tests/unit/support/foreign.h"
#include "tests/unit/support/v8_build.h"

/* `small` of a script, compiled by Node 20: a call in its fourth bytecode, at 3. */
static const uint8_t bytecode[] = {23, 4, 196, 99, 250, 3, 4, 1, 68, 1, 0, 169};
static const uint8_t baseline[] = {21, 8, 4, 27, 17, 17};

static void bytecode_of_baseline_code_is_found(void **state)
{
	static const struct {
		uint32_t code;
		int err;
		uint32_t offset;
	} cases[] = {
		{21, -ENOENT, 0}, {22, 0, 0},
		{29, 0, 0},	  {33, 0, 2},
		{60, 0, 3},	  {61, 0, 8},
		{77, 0, 8},	  {94, 0, 11},
		{95, -ENOENT, 0}, {UINT32_MAX, -ENOENT, 0},
	};
	uint8_t sizes[3 * 200] = {[23] = 2, [196] = 1, [99] = 5, [68] = 3, [169] = 1};
	uint32_t offset;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int err = v8_bytecode_find(baseline, sizeof(baseline), bytecode, sizeof(bytecode),
					   sizes, 200, cases[i].code, &offset);

		assert_int_equal(err, cases[i].err);
		if (!err)
			assert_int_equal(offset, cases[i].offset);
	}
	/* A bytecode without a size, one beyond the table, one that is cut. */
	sizes[99] = 0;
	assert_int_equal(v8_bytecode_find(baseline, 6, bytecode, 12, sizes, 200, 60, &offset),
			 -ENOENT);
	assert_int_equal(v8_bytecode_find(baseline, 6, bytecode, 12, sizes, 98, 60, &offset),
			 -ENOENT);
	sizes[99] = 5;
	assert_int_equal(v8_bytecode_find(baseline, 6, bytecode, 7, sizes, 200, 60, &offset),
			 -ENOENT);
	assert_int_equal(v8_bytecode_find(NULL, 0, NULL, 0, sizes, 200, 60, &offset), -ENOENT);
}

static void wide_bytecodes_have_their_own_sizes(void **state)
{
	static const uint8_t wide[] = {0, 9, 1, 1, 1, 1, 9, 2};
	static const uint8_t table[] = {5, 5, 5};
	uint8_t sizes[3 * 10] = {[9] = 2, [10 + 9] = 5, [20 + 9] = 9};
	uint32_t offset;

	(void)state;
	assert_int_equal(v8_bytecode_find(table, 3, wide, 8, sizes, 10, 15, &offset), 0);
	assert_int_equal(offset, 6);
}

static void positions_are_found_and_damaged_tables_are_not(void **state)
{
	/* Places of code, each by more than the last one, and by how much its position differs. */
	static const uint8_t table[] = {2, 2 * 21, 2 * 4, 2 * 20, 2 * 3, 7};
	static const uint8_t endless[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					  0xff, 0xff, 0xff, 0xff, 0xff};
	struct v8_position p;

	(void)state;
	assert_int_equal(v8_position_find(table, 4, 0, &p), -ENOENT); /* its position is external */
	assert_int_equal(v8_position_find(table, 2, 0, &p), -ENOENT);
	assert_int_equal(v8_position_of(2 * 21, &p), 0);
	assert_int_equal(p.offset, 20);
	assert_int_equal(p.inlined, 0);
	assert_int_equal(v8_position_of(3ULL << 31 | 2, &p), 0);
	assert_int_equal(p.offset, 0);
	assert_int_equal(p.inlined, 3);
	assert_int_equal(v8_position_of(0, &p), -ENOENT);
	assert_int_equal(v8_position_find(endless, sizeof(endless), 7, &p), -ENOENT);
	assert_int_equal(v8_position_find(table, 5, UINT32_MAX, &p), -ENOENT);
	assert_int_equal(v8_position_find(NULL, 0, 7, &p), -ENOENT);
}

static struct texts texts;
static struct frame frames[STACK_FRAMES];
static uint32_t flags;

static int read_it(void)
{
	struct memory m = foreign_memory(&v8_build.memory);

	return v8_read(&v8_build.v8, &m, &v8_build.raw, v8_build.raw.registers.bp, &texts, frames,
		       &flags);
}

static int set_up(void **state)
{
	(void)state;
	v8_build_make();
	return 0;
}

static void an_interpreted_function_is_named_with_its_line(void **state)
{
	(void)state;
	assert_int_equal(read_it(), 1);
	assert_string_equal(frames[0].function, "monthly");
	assert_string_equal(frames[0].file, "/srv/report.js");
	assert_int_equal(frames[0].line, 3);
	assert_int_equal(frames[0].column, 5);
	assert_int_equal(frames[0].flags, 0);
	assert_int_equal(frames[0].language, EV_LANG_JAVASCRIPT);
}

static void without_positions_the_line_is_where_the_function_begins(void **state)
{
	(void)state;
	v8_build.bytecode[4] = v8_build_small(0);
	assert_int_equal(read_it(), 1);
	assert_int_equal(frames[0].line, 2);
	assert_int_equal(frames[0].flags, EV_FRAME_DEFINED);
}

static void one_object_of_another_type_and_there_is_no_frame(void **state)
{
	uint64_t *const fields[] = {&v8_build.function[0], &v8_build.function[3],
				    &v8_build.shared[0],   &v8_build.shared[4],
				    &v8_build.script[0],   &v8_build.script[2],
				    &v8_build.context[0]};

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		static const uint64_t strange[] = {0, 1, 0x666001, UINT64_MAX,
						   V8_BUILD_MAP(V8_BYTES)};

		for (size_t k = 0; k < sizeof(strange) / sizeof(strange[0]); k++) {
			set_up(NULL);
			*fields[i] = strange[k];
			assert_int_equal(read_it(), 0);
		}
	}
}

static void an_inlined_call_has_a_frame_of_its_own(void **state)
{
	(void)state;
	v8_build_optimise();
	assert_int_equal(read_it(), 2);
	assert_int_equal(frames[0].line, 2);
	assert_int_equal(frames[0].flags, EV_FRAME_INLINED);
	assert_int_equal(frames[1].line, 3);
	assert_int_equal(frames[1].flags, 0);
}

/* 8 times the last of them is more than an int holds. */
static void an_inlined_call_of_no_known_function_has_none(void **state)
{
	static const uint32_t functions[] = {1, 65536, 0x1fffffff, 0x7ffffffe, 0x80000000};

	(void)state;
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		set_up(NULL);
		v8_build_optimise();
		v8_build.inlined_functions[1] = v8_build_small(i ? 0x7fffffff : 1);
		v8_build.inlined_positions[3] = functions[i];
		assert_int_equal(read_it(), 1);
		assert_int_equal(frames[0].flags, EV_FRAME_DEFINED);
	}
}

static void outside_of_v8_nothing_is_a_frame(void **state)
{
	(void)state;
	v8_build_stack()[V8_BUILD_MARKER] = 0x7f0000001234; /* no exit from V8 */
	assert_int_equal(read_it(), 0);
	set_up(NULL);
	v8_build.raw.registers.bp = 7;
	assert_int_equal(read_it(), 0);
	set_up(NULL);
	v8_build.raw.length = 0;
	assert_int_equal(read_it(), 0);
	set_up(NULL);
	v8_build_stack()[V8_BUILD_ARGUMENTS] = 1 << 20;
	assert_int_equal(read_it(), 0);
}

static void a_stack_that_leads_to_itself_ends(void **state)
{
	uint64_t *stack = v8_build_stack();

	(void)state;
	stack[V8_BUILD_NEXT] = v8_build.raw.registers.bp;
	assert_int_equal(read_it(), 1);
}

static void strings_that_hold_each_other_end(void **state)
{
	(void)state;
	v8_build.name[0] = V8_BUILD_MAP(V8_CONS);
	v8_build.name[2] = v8_build_tagged(v8_build.name);
	v8_build.name[3] = v8_build_tagged(v8_build.name);
	assert_int_equal(read_it(), 1);
	assert_null(frames[0].function);
	assert_int_equal(frames[0].line, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytecode_of_baseline_code_is_found),
		cmocka_unit_test(wide_bytecodes_have_their_own_sizes),
		cmocka_unit_test(positions_are_found_and_damaged_tables_are_not),
		cmocka_unit_test_setup(an_interpreted_function_is_named_with_its_line, set_up),
		cmocka_unit_test_setup(without_positions_the_line_is_where_the_function_begins,
				       set_up),
		cmocka_unit_test_setup(one_object_of_another_type_and_there_is_no_frame, set_up),
		cmocka_unit_test_setup(an_inlined_call_has_a_frame_of_its_own, set_up),
		cmocka_unit_test_setup(an_inlined_call_of_no_known_function_has_none, set_up),
		cmocka_unit_test_setup(outside_of_v8_nothing_is_a_frame, set_up),
		cmocka_unit_test_setup(a_stack_that_leads_to_itself_ends, set_up),
		cmocka_unit_test_setup(strings_that_hold_each_other_end, set_up),
	};

	return cmocka_run_group_tests_name("v8", tests, NULL, NULL);
}
