/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * The ledger of pages, on made-up answers of pagemap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "user/capture/memory/pages.h"

#define KIB  1024ULL
#define LATE 1000000000ULL

static uint64_t entries[100000];

static uint64_t look(void *context, uint64_t number)
{
	(void)context;
	return number < 100000 ? entries[number] : 0;
}

static enum page_owner nobody(void *context, struct sampled_page *page)
{
	(void)context, (void)page;
	return PAGE_OWNER_UNKNOWN;
}

static void touch(struct pages *p, uint64_t number, uint64_t bytes)
{
	const struct sampled_page page = {.number = number, .bytes = bytes, .site = 1};

	assert_int_equal(pages_add(p, &page), 0);
}

static uint64_t check(struct pages *p)
{
	uint64_t sum = 0;

	pages_check(p, LATE, SIZE_MAX, look, nobody, NULL);
	for (size_t i = 0; i < p->count; i++)
		sum += p->items[i].bytes;
	return sum;
}

/* Each is looked for once in a round, whatever comes and goes in the middle of it. */
static void a_round_goes_on_where_it_was_left(void **state)
{
	struct pages p = {};

	(void)state;
	for (uint64_t i = 1; i <= 5; i++) {
		touch(&p, i, KIB);
		entries[i] = PAGEMAP_PRESENT | i;
	}
	entries[5] = entries[2] = 0;
	assert_false(pages_check(&p, LATE, 2, look, nobody, NULL));
	assert_int_equal(p.count, 4); /* 5 is gone */
	touch(&p, 6, KIB);
	entries[6] = PAGEMAP_PRESENT | 6;
	assert_false(pages_check(&p, LATE, 2, look, nobody, NULL));
	assert_true(pages_check(&p, LATE, 2, look, nobody, NULL));
	assert_int_equal(p.count, 4); /* 1, 3, 4, 6 */
	for (size_t i = 0; i < p.count; i++)
		assert_int_equal(p.items[i].looks, p.items[i].number != 6);
	assert_true(pages_check(&p, LATE, 4, look, nobody, NULL));
	for (size_t i = 0; i < p.count; i++)
		assert_true(p.items[i].looks);
	pages_free(&p);
	assert_true(pages_check(&p, LATE, 1, look, nobody, NULL)); /* nothing is there */
}

static int clear(void **state)
{
	(void)state;
	memset(entries, 0, sizeof(entries));
	return 0;
}

static void what_was_given_back_is_not_held(void **state)
{
	struct pages p = {};

	(void)state;
	touch(&p, 1, 100 * KIB);
	touch(&p, 2, 50 * KIB);
	touch(&p, 3, 20 * KIB);
	entries[1] = PAGEMAP_PRESENT | 700;
	entries[2] = PAGEMAP_SWAPPED | 9;
	assert_int_equal(check(&p), 150 * KIB);
	entries[1] = 0;
	assert_int_equal(check(&p), 50 * KIB);
	assert_false(p.blind);
	pages_free(&p);
}

static void another_frame_at_the_same_place_is_other_memory(void **state)
{
	struct pages p = {};

	(void)state;
	touch(&p, 1, 100 * KIB);
	entries[1] = PAGEMAP_PRESENT | 700;
	assert_int_equal(check(&p), 100 * KIB);
	entries[1] = PAGEMAP_PRESENT | 702;
	assert_int_equal(check(&p), 0);
	pages_free(&p);
}

static void swap_and_huge_pages_move_memory_that_is_held(void **state)
{
	struct pages p = {};

	(void)state;
	touch(&p, 1030, 100 * KIB);
	entries[1030] = PAGEMAP_PRESENT | 700;
	assert_int_equal(check(&p), 100 * KIB);
	entries[1030] = PAGEMAP_SWAPPED | 5;
	assert_int_equal(check(&p), 100 * KIB);
	entries[1030] = PAGEMAP_PRESENT | 333;
	assert_int_equal(check(&p), 100 * KIB);
	entries[1030] = PAGEMAP_PRESENT | (512 * 77 + 1030 % 512);
	assert_int_equal(check(&p), 100 * KIB);
	pages_free(&p);
}

static void a_page_too_young_to_be_there_is_kept_and_not_counted_on(void **state)
{
	struct sampled_page page = {.number = 5, .bytes = KIB, .born_ns = LATE - 1000};
	struct pages p = {};

	(void)state;
	assert_int_equal(pages_add(&p, &page), 0);
	assert_int_equal(check(&p), KIB);
	assert_false(p.items[0].seen);
	pages_check(&p, 2 * LATE, SIZE_MAX, look, nobody, NULL);
	assert_int_equal(p.count, 0);
	pages_free(&p);
}

static void the_same_place_counts_once(void **state)
{
	struct pages p = {};

	(void)state;
	touch(&p, 1, 100 * KIB);
	touch(&p, 1, 30 * KIB);
	entries[1] = PAGEMAP_PRESENT | 700;
	assert_int_equal(check(&p), 30 * KIB);
	pages_free(&p);
}

static void frames_that_are_hidden_are_said_to_be(void **state)
{
	struct pages p = {};

	(void)state;
	touch(&p, 1, 100 * KIB);
	entries[1] = PAGEMAP_PRESENT;
	assert_int_equal(check(&p), 100 * KIB);
	assert_int_equal(check(&p), 100 * KIB);
	assert_true(p.blind);
	pages_free(&p);
}

/* 90,000 pages of two weights and two sites: sums stay right however often they are thinned. */
static void thinning_keeps_sums_right(void **state)
{
	uint64_t truth[2] = {}, found[2] = {};
	struct pages p = {.seed = 42};

	(void)state;
	for (uint64_t i = 0; i < 90000; i++) {
		uint32_t site = i % 3 == 0;
		struct sampled_page page = {
			.number = i, .bytes = site ? 300 * KIB : 40 * KIB, .site = site};

		truth[site] += page.bytes;
		entries[i] = PAGEMAP_PRESENT | (i + 1);
		assert_int_equal(pages_add(&p, &page), 0);
	}
	check(&p);
	assert_true(p.count <= PAGES_MOST && p.count >= PAGES_MOST / 4);
	for (size_t i = 0; i < p.count; i++)
		found[p.items[i].site] += p.items[i].bytes;
	for (int i = 0; i < 2; i++)
		assert_true(found[i] > truth[i] * 9 / 10 && found[i] < truth[i] * 11 / 10);
	pages_free(&p);
}

static void a_name_reaches_all_pages_of_its_stack(void **state)
{
	struct sampled_page page = {.number = 1, .bytes = KIB, .stack = 77, .site = PAGES_UNNAMED};
	struct pages p = {};

	(void)state;
	assert_int_equal(pages_add(&p, &page), 0);
	page.number = 2;
	page.stack = 78;
	assert_int_equal(pages_add(&p, &page), 0);
	pages_name(&p, 77, 4);
	assert_int_equal(p.items[0].site, 4);
	assert_int_equal(p.items[1].site, PAGES_UNNAMED);
	pages_free(&p);
}

#define test(f) cmocka_unit_test_setup(f, clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_was_given_back_is_not_held),
		test(a_round_goes_on_where_it_was_left),
		test(another_frame_at_the_same_place_is_other_memory),
		test(swap_and_huge_pages_move_memory_that_is_held),
		test(a_page_too_young_to_be_there_is_kept_and_not_counted_on),
		test(the_same_place_counts_once),
		test(frames_that_are_hidden_are_said_to_be),
		test(thinning_keeps_sums_right),
		test(a_name_reaches_all_pages_of_its_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
