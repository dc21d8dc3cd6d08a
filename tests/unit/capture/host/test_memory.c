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

#include "user/capture/host/memory.h"
#include "tests/unit/support/foreign.h"

static void memory_of_a_process_is_read_up_to_its_end(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0);
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

static void a_look_reads_each_page_once(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *three = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			   0);
	uint64_t at = (uint64_t)(uintptr_t)three;
	struct memory m = memory_for_look((uint32_t)getpid(), 0);
	char bytes[16];

	(void)state;
	assert_true(three != MAP_FAILED);
	assert_int_equal(munmap(three + 2 * page, page), 0);
	memcpy(three + page - 4, "earlier", 8);
	assert_int_equal(memory_read(&m, at + page - 4, bytes, 8), 0); /* of two pages */
	assert_string_equal(bytes, "earlier");
	memcpy(three + page - 4, "later..", 8);
	assert_int_equal(memory_read(&m, at + page - 4, bytes, 8), 0);
	assert_string_equal(bytes, "earlier");
	m = memory_for_look((uint32_t)getpid(), 3600000000000ULL);
	assert_int_equal(memory_read(&m, at + page - 4, bytes, 8), 0);
	assert_string_equal(bytes, "earlier");
	m = memory_for_look((uint32_t)getpid(), 0);
	assert_int_equal(memory_read(&m, at + page - 4, bytes, 8), 0);
	assert_string_equal(bytes, "later..");
	/* Up to the end of what is there, as without a look. */
	assert_int_equal(memory_read(&m, at + 2 * page - 8, bytes, 9), -EFAULT);
	assert_int_equal(m.read(&m, at + 2 * page - 8, bytes, 9), 8);
	assert_int_equal(munmap(three, 2 * page), 0);
}

static void more_pages_than_a_look_keeps_are_read_again(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *many = mmap(NULL, 200 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);
	struct memory m = memory_for_look((uint32_t)getpid(), 0);

	(void)state;
	assert_true(many != MAP_FAILED);
	for (uint64_t i = 0; i < 200; i++)
		memcpy(many + i * page, &i, sizeof(i));
	for (int round = 0; round < 2; round++)
		for (uint64_t i = 0, value; i < 200; i++) {
			assert_int_equal(
				memory_u64(&m, (uint64_t)(uintptr_t)many + i * page, &value), 0);
			assert_int_equal(value, i);
		}
	assert_int_equal(munmap(many, 200 * page), 0);
}

static void what_is_read_ahead_is_read_with_one_question(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *many = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);
	uint64_t at = (uint64_t)(uintptr_t)many, addresses[] = {at + 4 * page, at}, value;
	struct memory m = memory_for_look((uint32_t)getpid(), 0);

	(void)state;
	assert_true(many != MAP_FAILED);
	memset(many, 1, 8 * page);
	memory_look_ahead(&m, addresses, 2, 4 * page);
	memset(many, 2, 8 * page);
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(memory_u64(&m, at + i * page, &value), 0);
		assert_int_equal(value, 0x0101010101010101);
	}
	/* The first is there: nothing is asked, whatever the others are. */
	memory_look_ahead(&m, (uint64_t[]){at, 0}, 2, page);
	/* Where one cannot be read, those before it are there. */
	assert_int_equal(munmap(many + 4 * page, page), 0);
	m = memory_for_look((uint32_t)getpid(), 0);
	memory_look_ahead(&m, (uint64_t[]){at, at + 4 * page, at + 5 * page}, 3, page);
	memset(many, 3, page);
	assert_int_equal(memory_u64(&m, at, &value), 0);
	assert_int_equal(value, 0x0202020202020202);
	assert_int_equal(memory_u64(&m, at + 4 * page, &value), -EFAULT);
	assert_int_equal(memory_u64(&m, at + 5 * page, &value), 0);
	assert_int_equal(munmap(many, 8 * page), 0);
}

static void a_look_at_another_process_begins_anew(void **state)
{
	struct memory mine = memory_for_look((uint32_t)getpid(), 0), other;
	char byte;

	(void)state;
	assert_int_equal(memory_read(&mine, (uint64_t)(uintptr_t)&mine, &byte, 1), 0);
	other = memory_for_look(0x3fffffff, 3600000000000ULL);
	assert_int_equal(memory_read(&other, (uint64_t)(uintptr_t)&mine, &byte, 1), -ESRCH);
	/* One whose look is over reads without it. */
	assert_int_equal(memory_read(&mine, (uint64_t)(uintptr_t)&mine, &byte, 1), 0);
}

static size_t requests;

/* A memory_pieces_fn whose memory has its own address in each byte, but at 4096. */
static ssize_t give(uint32_t pid, const struct memory_piece *pieces, size_t n, void *to)
{
	size_t done = 0;

	(void)pid;
	requests++;
	assert_in_range(n, 1, MEMORY_PIECES);
	for (size_t i = 0; i < n; i++) {
		if (pieces[i].address == 4096)
			return done || i ? (ssize_t)done : -EFAULT;
		memset((char *)to + done, (int)pieces[i].address, pieces[i].size);
		done += pieces[i].size;
		assert_true(done <= FETCH_BYTES);
	}
	return (ssize_t)done;
}

static void pieces_are_gathered_and_those_missing_are_told(void **state)
{
	static char bytes[FETCH_BYTES + 1];
	struct memory_want want[150];

	(void)state;
	memory_ask(give);
	for (size_t i = 0; i < 150; i++)
		want[i] = (struct memory_want){.address = i, .to = bytes + 8 * i, .size = 8};
	want[3].address = want[64].address = want[149].address = 4096;
	want[5].size = 0;
	requests = 0;
	assert_int_equal(memory_gather(7, want, 150), 0);
	assert_in_range(requests, 3, 6);
	for (size_t i = 0; i < 150; i++) {
		assert_int_equal(want[i].got, i != 3 && i != 64 && i != 149);
		assert_int_equal(bytes[8 * i], want[i].got && want[i].size ? (char)i : 0);
	}
	want[0] = (struct memory_want){.address = 1, .to = bytes, .size = FETCH_BYTES};
	want[1] = (struct memory_want){.address = 2, .to = bytes, .size = FETCH_BYTES + 1};
	want[2] = (struct memory_want){.address = 3, .to = bytes, .size = 1};
	assert_int_equal(memory_gather(7, want, 3), 0);
	assert_true(want[0].got && !want[1].got && want[2].got);
	memory_ask(NULL);
	assert_int_equal(memory_gather(0x3fffffff, want, 3), -ESRCH);
	assert_false(want[0].got || want[2].got);
}

static void whoever_asks_for_memory_gets_what_is_near_too(void **state)
{
	struct memory m;
	uint64_t value;

	(void)state;
	memory_ask(give);
	m = memory_for_look(4712, 0);
	requests = 0;
	for (uint64_t at = 0x10000; at < 0x20000; at += 0x1000) {
		assert_int_equal(memory_u64(&m, at, &value), 0);
		assert_int_equal(requests, at < 0x18000 ? 1 : 2);
	}
	assert_int_equal(memory_u64(&m, 0x2000, &value), 0); /* beside a page that is missing */
	assert_int_equal(memory_u64(&m, 0x1000, &value), -EFAULT);
	assert_int_equal(memory_u64(&m, 0x7000, &value), 0);
	memory_ask(NULL);
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
		cmocka_unit_test(a_look_reads_each_page_once),
		cmocka_unit_test(more_pages_than_a_look_keeps_are_read_again),
		cmocka_unit_test(what_is_read_ahead_is_read_with_one_question),
		cmocka_unit_test(a_look_at_another_process_begins_anew),
		cmocka_unit_test(a_process_that_is_gone_is_told),
		cmocka_unit_test(pieces_are_gathered_and_those_missing_are_told),
		cmocka_unit_test(whoever_asks_for_memory_gets_what_is_near_too),
		cmocka_unit_test(texts_end_where_they_say_or_are_none),
		cmocka_unit_test(texts_are_none_when_there_is_no_room),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
