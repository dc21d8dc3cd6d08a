/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_python.c - frames named from objects as a Python 3.12 has them, in our own memory.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/support/objects_here.h"
#include "user/capture/stack/python.h"
#include "user/capture/stack/python_state.h"
#include "user/capture/stack/python_line.h"

#define BYTECODE   192
#define BYTES_AT   32			      /* of a bytes object */
#define ASCII	   (1 << 6 | 1 << 5 | 1 << 2) /* state of a string: compact, one byte each */
#define WIDE	   (1 << 5 | 2 << 2)
#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define ADDRESS(p) ((uint64_t)(uintptr_t)(p))

static const struct python_build build = {
	.minor = 12,
	.row = {.strangers = 1 << 3, .identity = 120},
	.code = {.flags = 48,
		 .first_line = 68,
		 .file = 112,
		 .name = 120,
		 .qualified = 128,
		 .lines = 136,
		 .bytecode = BYTECODE,
		 .ascii = 40,
		 .other = 56,
		 .kind = PYTHON_LOCATIONS},
};

struct type {
	uint64_t head[3];
	const char *name;
};

struct object {
	uint64_t count;
	const struct type *type;
	uint64_t length, hash;
	uint32_t state, padding;
	char bytes[64];
};

struct code_object {
	uint64_t count;
	const struct type *type;
	char before[52];
	uint32_t first_line;
	char between[40];
	const struct object *file, *name, *qualified, *lines;
	char after[64];
};

_Static_assert(offsetof(struct code_object, first_line) == 68, "as in 3.12");
_Static_assert(offsetof(struct code_object, file) == 112, "as in 3.12");

static const struct type type_code = {.name = "code"}, type_text = {.name = "str"},
			 type_bytes = {.name = "bytes"}, type_none = {.name = "NoneType"};

/* 8 units of code on the first line, 8 on the next. */
static struct object lines = {.type = &type_bytes, .length = 4};
static struct object file = {.type = &type_text, .length = 6, .state = ASCII, .bytes = "app.py"};
static struct object name = {.type = &type_text, .length = 5, .state = ASCII, .bytes = "A.run"};
static struct code_object code = {.type = &type_code,
				  .first_line = 40,
				  .file = &file,
				  .name = &name,
				  .qualified = &name,
				  .lines = &lines};

static struct pythons *pythons;

static int set_up(void **state)
{
	static const uint8_t table[] = {0x87, 0x00, 0x80 | 11 << 3 | 7, 0x00, 0x00};

	(void)state;
	memcpy((char *)&lines + BYTES_AT, table, sizeof(table));
	lines.length = sizeof(table);
	return pythons_open(&pythons, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	pythons_close(pythons);
	return 0;
}

/* A frame as the kernel half gives it. */
static struct raw_frame frame_in(const struct code_object *c, uint64_t at, unsigned int owner)
{
	struct python_identity i = {};
	uint32_t check;

	memcpy(i.name, &c->name, sizeof(i.name));
	memcpy(&i.size, &c->lines->length, 3 * sizeof(i.size));
	check = python_check(&i);
	return (struct raw_frame){
		.code = ADDRESS(c) | (uint64_t)check << PYTHON_ADDRESS_BITS,
		.at = (ADDRESS(c) + BYTECODE + at) |
		      (uint64_t)(check >> 16) << PYTHON_ADDRESS_BITS |
		      (uint64_t)owner << PYTHON_OWNER_SHIFT,
	};
}

static struct raw_stack stack_of(uint32_t pid, const struct raw_frame *frames, uint32_t n)
{
	static struct raw_stack s;

	s = (struct raw_stack){.pid = pid, .start_ns = 1000, .runtime = RUNTIME_PYTHON, .count = n};
	memcpy(s.frame, frames, n * sizeof(*frames));
	return s;
}

static int read_stack(const struct raw_frame *raw, uint32_t n, struct frame *out, uint32_t *flags)
{
	static struct raw_stack s;

	s = stack_of((uint32_t)getpid(), raw, n);
	return python_read(pythons, &build, &s, out, flags);
}

static void a_frame_has_its_function_file_and_line(void **state)
{
	struct raw_frame raw[] = {frame_in(&code, 0, 0), frame_in(&code, 18, 0)};
	struct frame f[STACK_FRAMES];
	uint32_t flags;

	(void)state;
	assert_int_equal(read_stack(raw, 2, f, &flags), 2);
	assert_int_equal(flags, 0);
	assert_string_equal(f[0].function, "A.run");
	assert_string_equal(f[0].file, "app.py");
	assert_int_equal(f[0].line, 40);
	assert_int_equal(f[1].line, 41);
	assert_int_equal(f[0].language, EV_LANG_PYTHON);
	assert_int_equal(python_counts(pythons).read, 1);
}

static void a_place_without_a_line_has_that_of_the_function(void **state)
{
	struct raw_frame raw = frame_in(&code, 1000, 0);
	struct frame f[STACK_FRAMES];
	uint32_t flags;

	(void)state;
	assert_int_equal(read_stack(&raw, 1, f, &flags), 1);
	assert_int_equal(f[0].line, 40);
	assert_int_equal(f[0].flags, EV_FRAME_DEFINED);
}

static void the_interpreters_own_frames_are_left_out(void **state)
{
	struct raw_frame raw[] = {frame_in(&code, 0, 3), frame_in(&code, 0, 1)};
	struct frame f[STACK_FRAMES];
	uint32_t flags;

	(void)state;
	assert_int_equal(read_stack(raw, 2, f, &flags), 1);
	assert_int_equal(f[0].line, 40);
}

static void what_came_in_the_place_of_freed_code_is_not_taken_for_it(void **state)
{
	struct code_object other = code;
	struct object another = name;
	struct raw_frame before = frame_in(&other, 0, 0), after;
	struct frame f[STACK_FRAMES];
	uint32_t flags;

	(void)state;
	other.qualified = &another;
	memcpy(another.bytes, "B", 1);
	assert_int_equal(read_stack(&before, 1, f, &flags), 0);
	assert_int_equal(flags, EV_STACK_NAMELESS);
	after = frame_in(&other, 0, 0);
	assert_int_equal(read_stack(&after, 1, f, &flags), 1);
	assert_string_equal(f[0].function, "B.run");
}

static void what_was_read_is_known_when_the_code_is_gone(void **state)
{
	struct code_object gone = code;
	struct raw_frame raw = frame_in(&gone, 0, 0);
	struct frame f[STACK_FRAMES];
	uint32_t flags;

	(void)state;
	assert_int_equal(read_stack(&raw, 1, f, &flags), 1);
	memset(&gone, 0, sizeof(gone));
	assert_int_equal(read_stack(&raw, 1, f, &flags), 1);
	assert_string_equal(f[0].function, "A.run");
	assert_int_equal(flags, 0);
}

static void what_is_not_of_pythons_types_is_not_believed(void **state)
{
	struct code_object none = code, texts = code, tables = code;
	struct object text = name, table = lines;
	struct raw_frame raw[3];
	struct frame f[STACK_FRAMES];
	uint32_t flags;

	(void)state;
	none.type = &type_none;
	text.type = &type_bytes;
	texts.qualified = &text;
	table.type = &type_text;
	tables.lines = &table;
	raw[0] = frame_in(&none, 0, 0);
	raw[1] = frame_in(&texts, 0, 0);
	raw[2] = frame_in(&tables, 18, 0);
	assert_int_equal(read_stack(raw, 3, f, &flags), 3);
	assert_null(f[0].function);
	assert_null(f[1].function);
	assert_int_equal(flags, EV_STACK_NAMELESS);
	assert_string_equal(f[2].function, "A.run"); /* whose lines are none */
	assert_int_equal(f[2].flags, EV_FRAME_DEFINED);
}

static void lengths_beyond_reason_are_cut(void **state)
{
	static char room[sizeof(struct object) + 4096];
	struct object *wide = (struct object *)room;
	struct code_object c = code;
	struct raw_frame raw;
	struct frame f[STACK_FRAMES];
	uint32_t flags;

	(void)state;
	*wide = name;
	wide->length = UINT64_MAX / 2;
	wide->state = WIDE;
	memset(room + 56, 'A', sizeof(room) - 56);
	c.qualified = wide;
	raw = frame_in(&c, 0, 0);
	assert_int_equal(read_stack(&raw, 1, f, &flags), 1);
	assert_true(strlen(f[0].function) <= PYTHON_TEXT_MOST);
	assert_int_equal(strlen(f[0].function) % 3, 0);
}

static void frames_that_cannot_be_read_stay_without_names(void **state)
{
	struct raw_frame raw[] = {{.code = 8}, frame_in(&code, 0, 0), {.code = 0x7fff12345678}};
	struct frame f[STACK_FRAMES];
	uint32_t flags;

	(void)state;
	assert_int_equal(read_stack(raw, 3, f, &flags), 3);
	assert_null(f[0].function);
	assert_string_equal(f[1].function, "A.run");
	assert_null(f[2].file);
	assert_int_equal(flags, EV_STACK_NAMELESS);
}

static void a_process_that_is_gone_is_told(void **state)
{
	struct raw_frame raw = frame_in(&code, 0, 0);
	struct raw_stack s = stack_of(0x3fffffff, &raw, 1);
	struct frame f[STACK_FRAMES];
	uint32_t flags;

	(void)state;
	assert_int_equal(python_read(pythons, &build, &s, f, &flags), -ESRCH);
	assert_int_equal(flags, EV_STACK_NAMELESS);
}

static void of_a_child_that_is_gone_its_parents_code_tells(void **state)
{
	struct raw_frame raw = frame_in(&code, 18, 0), other = frame_in(&code, 18, 0);
	struct raw_stack s;
	struct frame f[STACK_FRAMES];
	uint32_t flags;

	(void)state;
	assert_int_equal(read_stack(&raw, 1, f, &flags), 1);
	s = stack_of(0x3fffffff, &raw, 1);
	assert_int_equal(python_read(pythons, &build, &s, f, &flags), 1);
	assert_string_equal(f[0].function, "A.run");
	assert_int_equal(f[0].line, 41);
	assert_int_equal(flags, 0);
	other.code ^= 1ULL << PYTHON_ADDRESS_BITS;
	s = stack_of(0x3fffffff, &other, 1);
	assert_int_equal(python_read(pythons, &build, &s, f, &flags), -ESRCH);
}

static void what_is_kept_stays_bounded(void **state)
{
	static struct object module = {
		.type = &type_text, .length = 8, .state = ASCII, .bytes = "<module>"};
	static struct code_object many[1000];
	struct frame f[STACK_FRAMES];
	uint32_t flags;

	(void)state;
	/* Where a program begins no process is asked for greenlets, which takes the longest. */
	for (size_t round = 0; round < CODES_MOST / COUNT(many) + 10; round++) {
		for (size_t i = 0; i < COUNT(many); i++) {
			struct raw_frame raw;
			struct raw_stack s;

			many[i] = code;
			many[i].qualified = &module;
			raw = frame_in(&many[i], 0, 0);
			s = stack_of((uint32_t)getpid(), &raw, 1);
			s.start_ns = round;
			assert_int_equal(python_read(pythons, &build, &s, f, &flags), 1);
		}
	}
	assert_true(pythons->codes.count <= CODES_MOST + 1);
	assert_true(python_counts(pythons).bytes <= BYTES_MOST + 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_frame_has_its_function_file_and_line, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_place_without_a_line_has_that_of_the_function,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_interpreters_own_frames_are_left_out, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			what_came_in_the_place_of_freed_code_is_not_taken_for_it, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(what_was_read_is_known_when_the_code_is_gone,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_of_pythons_types_is_not_believed,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(lengths_beyond_reason_are_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(frames_that_cannot_be_read_stay_without_names,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_process_that_is_gone_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_a_child_that_is_gone_its_parents_code_tells,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_kept_stays_bounded, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
