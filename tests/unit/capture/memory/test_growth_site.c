/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Samples of one process turned into sites, with made-up stacks and pages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "user/capture/memory/pages.h"
#include "user/capture/memory/growth_site.h"
#include "user/capture/memory/growth_site_state.h"

#define MIB    (1ULL << 20)
#define SECOND 1000000000ULL

static struct ev_memory_site last[8]; /* as told, by stack */
static int tellings;
static uint64_t named = UINT64_MAX;	/* samples up to this have names: their number / 100 */
static uint64_t gone_from = UINT64_MAX; /* pages from here on were given back */

static void tell(void *context, struct ev_head *record)
{
	const struct ev_memory_site *ev = (const void *)record;

	(void)context;
	assert_true(ev->stack < 8);
	last[ev->stack] = *ev;
	tellings++;
}

static int reported(void *context, uint64_t sample, uint64_t *stack)
{
	(void)context;
	*stack = 0;
	if (sample > named)
		return -EAGAIN;
	*stack = sample / 100;
	return 0;
}

static uint64_t look(void *context, uint64_t number)
{
	(void)context;
	return number < gone_from ? PAGEMAP_PRESENT | (number + 1) : 0;
}

static uint64_t refilled_from = UINT64_MAX; /* what was put into pages from here on is gone */

static enum page_owner page_owner(void *context, struct sampled_page *page)
{
	(void)context;
	if (refilled_from == UINT64_MAX)
		return PAGE_OWNER_UNKNOWN;
	return page->number < refilled_from ? PAGE_OWNER_ALIVE : PAGE_OWNER_FREED;
}

static int begin(void **state)
{
	(void)state;
	memset(last, 0, sizeof(last));
	tellings = 0;
	named = gone_from = refilled_from = UINT64_MAX;
	return 0;
}

static void sample(struct growth_sites *s, uint64_t stack, uint64_t page, uint64_t bytes,
		   uint64_t connection)
{
	const struct raw_growth raw = {.head = {.ns = 10 * SECOND},
				       .bytes = bytes,
				       .address = page << 12,
				       .stack = stack,
				       .connection = connection,
				       .message_ns = 9 * SECOND,
				       .pid = 42};

	assert_int_equal(growth_sites_add(s, &raw, page_owner, NULL), 0);
}

static void finish(struct growth_sites *s)
{
	growth_sites_name(s, 11 * SECOND, SECOND, reported, NULL);
	growth_sites_check(s, 11 * SECOND, SIZE_MAX, look, page_owner, NULL);
	growth_sites_tell(s, tell, NULL);
}

static void memory_others_fill_is_not_held_by_who_touched_it_first(void **state)
{
	struct growth_sites *s;

	(void)state;
	assert_int_equal(growth_sites_open(&s, 42, 7), 0);
	for (uint64_t i = 0; i < 30; i++) {
		sample(s, 100, 1000 + i, MIB, 0); /* keeps what it puts there */
		sample(s, 200, 2000 + i, MIB, 0); /* frees it, and others come */
		sample(s, 200, 2100 + i, MIB, 0);
	}
	refilled_from = 2000;
	finish(s);
	assert_int_equal(last[1].held_bytes, 90 * MIB);
	assert_int_equal(last[1].taken_bytes, 90 * MIB);
	assert_int_equal(last[2].held_bytes, 0);
	assert_int_equal(last[2].taken_bytes, 60 * MIB);
	assert_true(last[1].error_bytes > 2 * MIB);
	growth_sites_close(s);
}

/* A pool of 16 KB that stands for a MiB. */
static void pool(struct growth_sites *s, uint64_t stack, uint64_t number)
{
	const struct raw_growth raw = {.head = {.ns = 10 * SECOND, .kind = RAW_POOL},
				       .bytes = MIB,
				       .address = number << 14,
				       .stack = stack,
				       .connection = 5,
				       .message_ns = 9 * SECOND,
				       .pid = 42};

	assert_int_equal(growth_sites_add_pool(s, &raw, number << 14), 1);
}

static enum page_owner lives(void *context, struct sampled_page *page)
{
	(void)context, (void)page;
	return PAGE_OWNER_ALIVE;
}

static void look_at_pools(struct growth_sites *s, int times)
{
	for (int i = 1; i <= times; i++)
		growth_sites_check_pools(s, (10 + i) * SECOND, false, SIZE_MAX, look, lives, NULL);
}

/* 60 MiB touched by one that gives it back; then others take some of the pools in it. */
static struct growth_sites *touched_and_gone(void)
{
	struct growth_sites *s;

	assert_int_equal(growth_sites_open(&s, 42, 7), 0);
	for (uint64_t i = 0; i < 60; i++)
		sample(s, 100, 1000 + i, MIB, 0);
	refilled_from = 0;
	return s;
}

static void tell_at(struct growth_sites *s, uint64_t second)
{
	growth_sites_name(s, second * SECOND, SECOND, reported, NULL);
	growth_sites_check(s, second * SECOND, SIZE_MAX, look, page_owner, NULL);
	growth_sites_tell(s, tell, NULL);
}

static void memory_used_again_is_whose_pools_live_in_it(void **state)
{
	struct growth_sites *s = touched_and_gone();

	(void)state;
	for (uint64_t i = 0; i < 40; i++)
		pool(s, i < 30 ? 200 : 300, 500 + i);
	for (uint64_t i = 0; i < 20; i++)
		pool(s, 100, (1 << 20) + i);
	gone_from = 1 << 22; /* those of the first have been taken again since */
	look_at_pools(s, 5);
	tell_at(s, 15);
	assert_int_equal(last[1].held_bytes, 0);
	assert_int_equal(last[2].held_bytes, 45 * MIB);
	assert_int_equal(last[2].taken_bytes, 45 * MIB);
	assert_int_equal(last[2].reply_bytes, 45 * MIB);
	assert_int_equal(last[2].connection, 5);
	assert_int_equal(last[3].held_bytes, 15 * MIB);
	assert_true(last[3].error_bytes > MIB && last[3].error_bytes < 15 * MIB);
	growth_sites_close(s);
}

static void what_lives_but_for_a_moment_fills_nothing(void **state)
{
	struct growth_sites *s = touched_and_gone();

	(void)state;
	for (uint64_t i = 0; i < 40; i++)
		pool(s, 200, 500 + i);
	look_at_pools(s, 2);
	tell_at(s, 12);
	assert_int_equal(last[2].held_bytes, 0);
	growth_sites_close(s);
}

static void a_little_that_lives_has_not_filled_all(void **state)
{
	struct growth_sites *s = touched_and_gone();

	(void)state;
	pool(s, 200, 500);
	look_at_pools(s, 5);
	tell_at(s, 15);
	assert_int_equal(last[2].held_bytes, FILL_MOST * MIB);
	growth_sites_close(s);
}

static void what_was_seen_of_a_pool_in_time_is_kept(void **state)
{
	const struct pymalloc_print print = {.block = 500 << 14, .count = 3, .words = {1, 2, 3}};
	struct growth_sites *s = touched_and_gone();

	(void)state;
	pool(s, 200, 500);
	growth_sites_see_pool(s, 500 << 14, &print);
	assert_int_equal(s->pools.items[0].print.count, 3);
	look_at_pools(s, 1);
	growth_sites_see_pool(s, 500 << 14, &(struct pymalloc_print){.block = 500 << 14});
	assert_int_equal(s->pools.items[0].print.count, 3);
	growth_sites_close(s);
}

static void a_line_that_gives_back_is_not_blamed(void **state)
{
	struct growth_sites *s;

	(void)state;
	assert_int_equal(growth_sites_open(&s, 42, 7), 0);
	for (int i = 0; i < 100; i++)
		sample(s, 100 + i % 2, i, MIB, 0); /* two samples, one stack */
	for (int i = 0; i < 300; i++)
		sample(s, 200, 1000 + i, 2 * MIB, 0);
	gone_from = 1000;
	finish(s);
	assert_int_equal(last[1].taken_bytes, 100 * MIB);
	assert_int_equal(last[1].held_bytes, 100 * MIB);
	assert_int_equal(last[1].flags, EV_MEMORY_ESTIMATED);
	assert_int_equal(last[1].tier, EV_TIER_GROWTH);
	assert_true(last[1].error_bytes > MIB && last[1].error_bytes < 21 * MIB);
	assert_int_equal(last[2].taken_bytes, 600 * MIB);
	assert_int_equal(last[2].held_bytes, 0);
	tellings = 0;
	finish(s);
	assert_int_equal(tellings, 0);
	growth_sites_close(s);
}

static void a_sample_waits_for_its_name_but_not_for_ever(void **state)
{
	struct growth_sites *s;

	(void)state;
	assert_int_equal(growth_sites_open(&s, 42, 7), 0);
	named = 199;
	sample(s, 100, 1, MIB, 0);
	sample(s, 300, 2, 3 * MIB, 0);
	sample(s, 0, 3, 5 * MIB, 0);
	assert_int_equal(growth_sites_name(s, 10 * SECOND, SECOND, reported, NULL), 1);
	growth_sites_check(s, 11 * SECOND, SIZE_MAX, look, page_owner, NULL);
	growth_sites_tell(s, tell, NULL);
	assert_int_equal(last[1].held_bytes, MIB);
	assert_int_equal(last[0].held_bytes, 5 * MIB);
	assert_int_equal(growth_sites_name(s, 12 * SECOND, SECOND, reported, NULL), 0);
	growth_sites_tell(s, tell, NULL);
	assert_int_equal(last[0].held_bytes, 8 * MIB);
	growth_sites_close(s);
}

static void what_was_never_looked_for_is_not_known_to_be_held(void **state)
{
	struct growth_sites *s;

	(void)state;
	assert_int_equal(growth_sites_open(&s, 42, 7), 0);
	sample(s, 100, 1, MIB, 0);
	growth_sites_name(s, 11 * SECOND, SECOND, reported, NULL);
	growth_sites_tell(s, tell, NULL);
	assert_int_equal(last[1].taken_bytes, MIB);
	assert_int_equal(last[1].held_bytes, UNKNOWN64);
	growth_sites_close(s);
}

static void the_connection_with_the_most_bytes_is_named(void **state)
{
	struct growth_sites *s;

	(void)state;
	assert_int_equal(growth_sites_open(&s, 42, 7), 0);
	sample(s, 100, 1, MIB, 5);
	sample(s, 100, 2, 3 * MIB, 6);
	sample(s, 100, 3, MIB, 5);
	sample(s, 100, 4, MIB, 0);
	finish(s);
	assert_int_equal(last[1].connection, 6);
	assert_int_equal(last[1].reply_bytes, 5 * MIB);
	assert_int_equal(last[1].taken_bytes, 6 * MIB);
	growth_sites_close(s);
}

static void more_stacks_than_there_is_room_for_are_one(void **state)
{
	struct growth_sites *s;

	(void)state;
	assert_int_equal(growth_sites_open(&s, 42, 7), 0);
	for (uint64_t i = 1; i < 2000; i++) {
		sample(s, 100 * i, i, MIB, 0);
		growth_sites_name(s, 11 * SECOND, SECOND, reported, NULL);
	}
	assert_int_equal(s->count, SITES_MOST);
	assert_int_equal(s->sites[0].taken, (1999 - (SITES_MOST - 1)) * MIB);
	growth_sites_close(s);
}

#define test(f) cmocka_unit_test_setup(f, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(memory_others_fill_is_not_held_by_who_touched_it_first),
		test(memory_used_again_is_whose_pools_live_in_it),
		test(what_lives_but_for_a_moment_fills_nothing),
		test(a_little_that_lives_has_not_filled_all),
		test(what_was_seen_of_a_pool_in_time_is_kept),
		test(a_line_that_gives_back_is_not_blamed),
		test(a_sample_waits_for_its_name_but_not_for_ever),
		test(what_was_never_looked_for_is_not_known_to_be_held),
		test(the_connection_with_the_most_bytes_is_named),
		test(more_stacks_than_there_is_room_for_are_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
