/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What a worker says about the ends of a function is believed only where it can be true.
 */
#include "user/capture/probe/file_exit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "user/capture/elf/elf_question.h"
#include "user/capture/probe/file_exit_state.h"

#define LIBRARY "/lib/x86_64-linux-gnu/libc.so.6"

static int fd;
static struct elf_file *elf;
static struct file_function function;
static struct exits_answer answer;

/* An answer that can be true: two ends in the function, and one behind it. */
static int begin(void **state)
{
	static const char *const name = "malloc";
	struct elf_symbol symbol;

	(void)state;
	fd = open(LIBRARY, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || elf_open(&elf, fd) || elf_find(elf, &name, 1, false, &symbol) != 1)
		return -1;
	function = (struct file_function){
		.offset = symbol.offset, .size = symbol.size, .begun = symbol.offset};
	memset(&answer, 0, sizeof(answer));
	answer.count = 3;
	answer.all[0] = (struct exit_told){.offset = symbol.offset + 1, .flags = EXIT_CHEAP};
	answer.all[1] = (struct exit_told){.offset = symbol.offset + symbol.size - 1};
	answer.all[2] = (struct exit_told){.offset = symbol.offset + symbol.size,
					   .flags = EXIT_SHARED_CODE};
	return 0;
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
	return exits_question.check(elf, &function, &answer);
}

static void ends_that_can_be_true_are_believed(void **state)
{
	(void)state;
	assert_true(is_believed());
	answer.all[2].flags |= EXIT_CHEAP;
	answer.all[2].when = PROBE_NOT_TAKEN;
	answer.all[2].condition = answer.all[2].result = 15;
	answer.all[2].height = UINT16_MAX;
	assert_true(is_believed());
	function.size = 0; /* nobody knows what is inside */
	answer.all[2].flags = 0;
	assert_true(is_believed());
}

static void ends_out_of_order_or_number_are_not_believed(void **state)
{
	struct exit_told last = answer.all[2];

	(void)state;
	answer.count = 0;
	assert_false(is_believed());
	answer.count = PROBE_EXITS_MOST + 1;
	assert_false(is_believed());
	answer.count = 3;
	answer.all[2] = answer.all[1]; /* twice */
	assert_false(is_believed());
	answer.all[2] = last;
	answer.all[1] = answer.all[0];
	answer.all[0].offset++; /* not sorted */
	assert_false(is_believed());
}

static void ends_outside_of_the_code_are_not_believed(void **state)
{
	uint64_t start, size;

	(void)state;
	assert_int_equal(elf_segment(elf, function.offset, &start, &size), 0);
	answer.all[2].offset = start + size - 1;
	assert_true(is_believed());
	answer.all[2].offset = start + size;
	assert_false(is_believed());
	answer.all[2].offset = UINT64_MAX;
	assert_false(is_believed());
	answer.count = 1;
	answer.all[0] = (struct exit_told){.offset = start - 1, .flags = EXIT_SHARED_CODE};
	assert_false(is_believed());
	answer.all[0].offset = start;
	assert_true(is_believed());
	function.offset = start + size; /* the function is outside itself */
	assert_false(is_believed());
}

static void an_end_in_the_function_is_its_own(void **state)
{
	(void)state;
	answer.all[1].flags = EXIT_SHARED_CODE;
	assert_false(is_believed());
	answer.all[1].flags = 0;
	answer.all[2].flags = 0;
	assert_false(is_believed());
}

static void what_no_processor_has_is_not_believed(void **state)
{
	static const struct exit_told lies[] = {
		{.result = 16}, {.condition = 16},	    {.when = PROBE_NOT_TAKEN + 1},
		{.flags = 4},	{.height = UINT16_MAX + 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		uint64_t offset = answer.all[1].offset;

		answer.all[1] = lies[i];
		answer.all[1].offset = offset;
		assert_false(is_believed());
	}
}

static void no_cheap_end_is_where_calls_begin(void **state)
{
	(void)state;
	function.begun = answer.all[0].offset;
	assert_false(is_believed());
	answer.all[0].flags = 0; /* a function that only returns */
	assert_true(is_believed());
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(ends_that_can_be_true_are_believed),
		TEST(ends_out_of_order_or_number_are_not_believed),
		TEST(ends_outside_of_the_code_are_not_believed),
		TEST(an_end_in_the_function_is_its_own),
		TEST(what_no_processor_has_is_not_believed),
		TEST(no_cheap_end_is_where_calls_begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
