/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What a worker says about the code of a function is believed only where it can be true.
 */
#include "user/capture/probe/file_point.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "user/capture/elf/elf_question.h"
#include "user/capture/probe/file_point_state.h"

#define LIBRARY "/lib/x86_64-linux-gnu/libc.so.6"

static int fd;
static struct elf_file *elf;
static struct file_wish wish;
static struct point_answer answer;
static uint64_t start, size;

static int begin(void **state)
{
	static const char *const name = "malloc";

	(void)state;
	fd = open(LIBRARY, O_RDONLY | O_CLOEXEC);
	wish = (struct file_wish){.arguments = PROBE_RDI, .inner = true};
	if (fd < 0 || elf_open(&elf, fd) || elf_find(elf, &name, 1, false, &wish.function) != 1)
		return -1;
	memset(&answer, 0, sizeof(answer));
	return elf_segment(elf, wish.function.offset, &start, &size);
}

static int end(void **state)
{
	(void)state;
	elf_close(elf);
	close(fd);
	return 0;
}

static bool is_believed(void)
{
	return point_question.check(elf, &wish, &answer);
}

static void a_point_lies_near_the_entry(void **state)
{
	(void)state;
	assert_true(is_believed());
	answer.cheap = 1;
	answer.delta = PROBE_POINT_WALK_MAX;
	assert_true(is_believed());
	answer.delta = 2 * PROBE_POINT_WALK_MAX;
	assert_false(is_believed());
	answer.delta = PROBE_POINT_WALK_MAX;
	wish.function.size = PROBE_POINT_WALK_MAX; /* behind the function */
	assert_false(is_believed());
	wish.function.size++;
	assert_true(is_believed());
	answer.cheap = 0; /* why leave the entry then? */
	assert_false(is_believed());
	answer.cheap = 2;
	assert_false(is_believed());
	answer.cheap = 1;
	answer.nonzero = 2;
	assert_false(is_believed());
	answer.nonzero = 0;
	answer.holder[3] = PROBE_ARGUMENTS + 1;
	assert_false(is_believed());
}

static void an_inner_function_lies_elsewhere_in_the_code(void **state)
{
	const struct point_answer honest = {
		.inner = start + 16, .after = 8, .stack = 16, .inner_holder = {1}};

	(void)state;
	answer = honest;
	assert_true(is_believed());
	answer.inner = wish.function.offset + 1;
	assert_false(is_believed());
	answer.inner = start + size;
	assert_false(is_believed());
	answer.inner = start - 1;
	assert_false(is_believed());
	answer = honest;
	answer.after = (uint32_t)wish.function.size;
	assert_false(is_believed());
	answer.after = 0;
	assert_false(is_believed());
	answer = honest;
	answer.stack = 12;
	assert_false(is_believed());
	answer.stack = 1U << 31;
	assert_false(is_believed());
	answer = honest;
	answer.inner_holder[5] = 7;
	assert_false(is_believed());
	answer = honest;
	answer.cheap = 1; /* was not asked for then */
	assert_false(is_believed());
	answer = honest;
	wish.inner = false;
	assert_false(is_believed());
}

static void a_field_has_a_size_and_a_value_of_that_size(void **state)
{
	static const struct field_answer lies[] = {
		{.size = 0},
		{.size = 3},
		{.size = 16},
		{.size = 255},
		{.size = 4, .offset = 1U << 31},
		{.size = 4, .compared = 2},
		{.size = 1, .value = 256},
	};
	const struct field_answer honest = {
		.size = 8, .offset = INT32_MAX, .compared = 1, .value = UINT64_MAX};

	(void)state;
	assert_true(field_question.check(elf, &wish.function, &honest));
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		assert_false(field_question.check(elf, &wish.function, &lies[i]));
}

static void a_function_of_unknown_size_has_no_point(void **state)
{
	struct file_point found = {.inner = 1};

	(void)state;
	wish.function.size = 0;
	assert_int_equal(file_point_find(elf, &wish, &found), -ENOTSUP);
	assert_int_equal(found.inner, 0);
	wish.function.size = PROBE_POINT_CODE_MAX + 1;
	assert_int_equal(file_point_find(elf, &wish, &found), -ENOTSUP);
	wish.function.size = 16;
	wish.function.offset = UINT64_MAX - 64; /* cannot be read */
	assert_int_equal(file_point_find(elf, &wish, &found), -EBADMSG);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_point_lies_near_the_entry),
		TEST(an_inner_function_lies_elsewhere_in_the_code),
		TEST(a_field_has_a_size_and_a_value_of_that_size),
		TEST(a_function_of_unknown_size_has_no_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
