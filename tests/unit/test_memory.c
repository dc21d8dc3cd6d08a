/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_memory.c - memory of a process, our own, and texts read from it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../user/capture/memory.h"
#include "foreign.h"

static void memory_of_a_process_is_read_up_to_its_end(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct memory m = memory_of_process((uint32_t)getpid());
	struct texts t = {0};
	char bytes[16];
	uint64_t end = (uint64_t)(uintptr_t)two + page, value;

	(void)state;
	assert_true(two != MAP_FAILED);
	strcpy(two + page - 8, "the end");
	assert_int_equal(munmap(two + page, page), 0);
	assert_int_equal(memory_read(&m, end - 8, bytes, 8), 0);
	assert_string_equal(bytes, "the end");
	assert_int_equal(memory_read(&m, end - 8, bytes, 9), -EFAULT);
	assert_int_equal(memory_u64(&m, end, &value), -EFAULT);
	assert_string_equal(texts_read(&t, &m, end - 8, 1000), "the end");
	two[page - 1] = 'x';
	assert_null(texts_read(&t, &m, end - 8, 1000));
	assert_int_equal(munmap(two, page), 0);
}

static void a_process_that_is_gone_is_told(void **state)
{
	struct memory m = memory_of_process(0x3fffffff);
	char byte;

	(void)state;
	assert_int_equal(memory_read(&m, 4096, &byte, 1), -ESRCH);
}

static void texts_end_where_they_say_or_are_none(void **state)
{
	struct foreign f = {0};
	struct memory m = foreign_memory(&f);
	struct texts t = {0};

	(void)state;
	foreign_put(&f, 0x1000, "one\0two", 7);
	assert_string_equal(texts_read(&t, &m, 0x1000, 3), "one");
	assert_null(texts_read(&t, &m, 0x1000, 2));
	assert_null(texts_read(&t, &m, 0x1004, 20));
	assert_string_equal(texts_read_bytes(&t, &m, 0x1004, 3), "two");
	assert_null(texts_read_bytes(&t, &m, 0x1000, 7));
	assert_null(texts_read_bytes(&t, &m, 0x1004, 4));
	assert_string_equal(texts_add(&t, "three\0x", 7), "three");
	assert_string_equal(texts_add(&t, "four", 3), "fou");
}

static void texts_are_none_when_there_is_no_room(void **state)
{
	static char many[sizeof(((struct texts *)0)->bytes)];
	struct foreign f = {0};
	struct memory m = foreign_memory(&f);
	struct texts *t = calloc(1, sizeof(*t)); /* its end is watched */

	(void)state;
	assert_non_null(t);
	memset(many, 'm', sizeof(many));
	foreign_put(&f, 0x1000, many, sizeof(many));
	assert_null(texts_add(t, many, sizeof(many)));
	assert_non_null(texts_add(t, many, sizeof(many) - 1));
	assert_null(texts_add(t, "", 0));
	assert_null(texts_read(t, &m, 0x1000, SIZE_MAX));
	assert_null(texts_read_bytes(t, &m, 0x1000, 0));
	t->used = 0;
	assert_null(texts_read(t, &m, 0x1000, sizeof(many)));
	assert_null(texts_read_bytes(t, &m, 0x1000, SIZE_MAX));
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_of_a_process_is_read_up_to_its_end),
		cmocka_unit_test(a_process_that_is_gone_is_told),
		cmocka_unit_test(texts_end_where_they_say_or_are_none),
		cmocka_unit_test(texts_are_none_when_there_is_no_room),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
