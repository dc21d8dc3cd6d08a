/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_memory_pages.c - pages that are kept for one look.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/capture/host/memory_pages.h"

#define PAGE	   4096
#define PAGES	   8
#define FULL	   (20UL << 20) /* more than a look keeps */
#define ADDRESS(p) ((uint64_t)(uintptr_t)(p))

static struct memory_pages *pages;
static uint8_t *area;
static size_t requests;

static int set_up(void **state)
{
	(void)state;
	area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < PAGES * PAGE; i++)
		area[i] = (uint8_t)(i / PAGE + i);
	requests = 0;
	return area == MAP_FAILED || memory_pages_open(&pages);
}

static int tear_down(void **state)
{
	(void)state;
	memory_ask(NULL);
	memory_pages_close(pages);
	return munmap(area, PAGES * PAGE);
}

static struct memory look(void)
{
	return memory_pages_look(pages, (uint32_t)getpid());
}

/* Copies our own memory, and counts. */
static ssize_t counted(uint32_t pid, const struct memory_piece *piece, size_t n, void *to)
{
	uint8_t *at = to;

	(void)pid;
	requests++;
	for (size_t i = 0; i < n; i++) {
		if (piece[i].address < ADDRESS(area) ||
		    piece[i].address + piece[i].size > ADDRESS(area) + PAGES * PAGE)
			return at > (uint8_t *)to ? at - (uint8_t *)to : -EFAULT;
		memcpy(at, (void *)(uintptr_t)piece[i].address, piece[i].size);
		at += piece[i].size;
	}
	return at - (uint8_t *)to;
}

static void a_page_is_read_once_in_a_look(void **state)
{
	struct memory m = look();
	uint8_t bytes[3 * PAGE];

	(void)state;
	assert_int_equal(memory_read(&m, ADDRESS(area) + 100, bytes, sizeof(bytes)), 0);
	assert_memory_equal(bytes, area + 100, sizeof(bytes));
	area[100]++;
	assert_int_equal(memory_read(&m, ADDRESS(area) + 100, bytes, 1), 0);
	assert_int_not_equal(bytes[0], area[100]);
	m = look();
	assert_int_equal(memory_read(&m, ADDRESS(area) + 100, bytes, 1), 0);
	assert_int_equal(bytes[0], area[100]);
}

static void pages_are_read_together(void **state)
{
	struct memory m = look();
	const uint64_t at[] = {ADDRESS(area), ADDRESS(area) + 3 * PAGE - 1,
			       ADDRESS(area) + 6 * PAGE};
	uint64_t word;

	(void)state;
	memory_ask(counted);
	memory_pages_ahead(&m, at, 3, 8);
	assert_int_equal(requests, 1);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(memory_u64(&m, at[i], &word), 0);
	assert_int_equal(requests, 1);
}

static void what_is_not_mapped_is_asked_for_once(void **state)
{
	struct memory m = look();
	uint64_t word;
	size_t asked;

	(void)state;
	memory_ask(counted);
	assert_int_equal(memory_u64(&m, 16, &word), -EFAULT);
	asked = requests;
	assert_int_equal(memory_u64(&m, 24, &word), -EFAULT);
	assert_int_equal(memory_u64(&m, UINT64_MAX - 3, &word), -EFAULT);
	assert_int_equal(requests, asked);
	munmap(area + 4 * PAGE, PAGE);
	memory_ask(NULL);
	m = look();
	assert_int_equal(m.read(&m, ADDRESS(area) + 4 * PAGE - 3, &word, 8), 3);
	assert_int_equal(memory_u64(&m, ADDRESS(area) + 5 * PAGE, &word), 0);
}

static void a_look_has_an_end(void **state)
{
	uint8_t *large = mmap(NULL, FULL, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			      -1, 0);
	struct memory m = look();
	int err = 0;
	uint64_t word;

	(void)state;
	assert_ptr_not_equal(large, MAP_FAILED);
	for (size_t i = 0; i < FULL && !err; i += PAGE)
		err = memory_u64(&m, ADDRESS(large) + i, &word);
	assert_int_equal(err, -EDQUOT);
	assert_int_equal(memory_u64(&m, ADDRESS(large), &word), 0);
	munmap(large, FULL);
	m = memory_pages_look(pages, 0x7ffffffe); /* no such process */
	assert_int_equal(memory_u64(&m, ADDRESS(area), &word), -ESRCH);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		TEST(a_page_is_read_once_in_a_look),
		TEST(pages_are_read_together),
		TEST(what_is_not_mapped_is_asked_for_once),
		TEST(a_look_has_an_end),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
