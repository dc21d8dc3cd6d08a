/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * From what the kernel half has counted of a library's calls to what is told of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "user/capture/host/memory.h"
#undef COUNT
#include "user/capture/memory/library_balance.h"
#include "user/capture/memory/library_balance_state.h"

/* The kernel half: what it has of one process, all the time and in windows. */
static struct library_balance counted[2];
static struct {
	struct library_stack_key key;
	struct library_stack stack;
} stacks[4];
static size_t stack_count;
static struct ev_memory_site reported[64];
static size_t reported_count, gaps;
static struct balances *b;
static const struct balance_file file = {.name = "libpq"};

int kernel_library_heap_each(struct kernel *k, kernel_balance_fn *fn, void *context)
{
	(void)k;
	for (uint16_t windowed = 0; windowed < 2; windowed++)
		if (counted[windowed].hits)
			fn(context, &(struct library_key){(uint32_t)getpid(), 0, windowed},
			   &counted[windowed]);
	return 0;
}

int kernel_library_heap_forget(struct kernel *k, const struct library_key *key)
{
	(void)k, (void)key;
	return 0;
}

int kernel_library_heap_stacks(struct kernel *k, kernel_library_stack_fn *fn, void *context)
{
	(void)k;
	for (size_t i = 0; i < stack_count; i++)
		fn(context, &stacks[i].key, &stacks[i].stack);
	stack_count = 0;
	return 0;
}

static void tell(void *context, struct ev_head *record)
{
	(void)context;
	if (record->kind == EV_MEMORY_SITE && reported_count < 64)
		reported[reported_count++] = *(struct ev_memory_site *)record;
	gaps += record->kind == EV_GAP;
}

static bool owner(void *context, uint32_t pid, uint64_t start_ns)
{
	(void)context, (void)start_ns;
	return pid == (uint32_t)getpid();
}

/* A sample is named by its own number, those from 100 on not yet. */
static int stack_of(void *context, uint64_t sample, uint64_t *stack)
{
	(void)context;
	*stack = sample < 100 ? sample : 0;
	return sample < 100 ? 0 : -EAGAIN;
}

static int begin(void **state)
{
	const struct balances_host host = {NULL, tell, owner, stack_of};

	(void)state;
	memset(counted, 0, sizeof(counted));
	memset(reported, 0, sizeof(reported));
	stack_count = reported_count = gaps = 0;
	return balances_open(&b, NULL, &host);
}

static int end(void **state)
{
	(void)state;
	balances_close(b);
	return 0;
}

static void counts(int windowed, uint64_t taken, uint64_t freed, uint64_t each)
{
	struct library_balance *c = &counted[windowed];

	c->start_ns = c->memory = 1;
	c->taken += taken;
	c->freed += freed;
	c->taken_bytes += taken * each;
	c->freed_bytes += freed * each;
	c->hits += taken + freed;
}

static struct balance_holder *look(void)
{
	struct table_slot *slot;
	size_t at = 0;

	balances_read(b, &file, 0);
	slot = table_next(&b->holders, &at);
	assert_non_null(slot);
	return slot->value;
}

static const struct ev_memory_site *only(double share)
{
	reported_count = 0;
	balances_tell(b, share, false);
	assert_int_equal(reported_count, 1);
	return &reported[0];
}

static void what_is_counted_all_the_time_is_told_as_it_is(void **state)
{
	const struct ev_memory_site *s;

	(void)state;
	counts(0, 100, 60, 48);
	look()->allocator = ALLOCATOR_GLIBC;
	s = only(0);
	assert_int_equal(s->taken, 100);
	assert_int_equal(s->freed, 60);
	assert_int_equal(s->taken_bytes, 4800);
	assert_int_equal(s->held_bytes, 40 * 48);
	assert_int_equal(s->error_bytes, 0);
	assert_int_equal(s->flags, 0);
	assert_int_equal(s->tier, EV_TIER_CLIENT);
	assert_string_equal(s->object, "libpq");
	reported_count = 0;
	balances_tell(b, 0, false); /* nothing has changed */
	assert_int_equal(reported_count, 0);
}

static void windows_are_reckoned_up(void **state)
{
	const struct ev_memory_site *s;

	(void)state;
	counts(0, 1, 0, 32);
	look()->allocator = ALLOCATOR_GLIBC;
	for (int i = 0; i < 10; i++) {
		balances_window_begins(b);
		counts(1, 50, 49 + i % 2, 64);
		look();
		balances_window(b);
	}
	s = only(0.25);
	assert_int_equal(s->taken, 1 + 4 * 500);
	assert_int_equal(s->held_bytes, 32 + 4 * 5 * 64);
	/* 32 from window to window, of ten of forty */
	assert_true(s->error_bytes > 600 && s->error_bytes < 800);
	assert_int_equal(s->flags, EV_MEMORY_ESTIMATED | EV_MEMORY_WINDOWS);
	balances_phase(b, 0.25);
	counts(0, 1, 0, 32);
	look();
	s = only(0); /* of the next phase there is no window yet: what was told stays */
	assert_int_equal(s->taken, 2 + 4 * 500);
}

static void a_process_met_in_a_window_is_reckoned_up_from_the_next(void **state)
{
	(void)state;
	counts(1, 1000, 0, 64);
	look()->allocator = ALLOCATOR_GLIBC;
	balances_window(b);
	balances_window_begins(b);
	counts(1, 10, 0, 64);
	look();
	balances_window(b);
	assert_int_equal(only(0.5)->taken, 20);
}

static void what_is_held_is_not_known_of_another_allocator(void **state)
{
	(void)state;
	counts(0, 100, 60, 48);
	look()->allocator = ALLOCATOR_OTHER;
	assert_int_equal(only(0)->held_bytes, UNKNOWN64);
	look()->allocator = ALLOCATOR_GLIBC;
	counted[0].unread = 2;
	counts(0, 1, 0, 48);
	look();
	assert_int_equal(only(0)->held_bytes, UNKNOWN64);
}

static void another_program_in_the_process_begins_anew(void **state)
{
	(void)state;
	counts(0, 100, 60, 48);
	look();
	memset(counted, 0, sizeof(counted));
	counts(0, 3, 0, 32);
	counted[0].memory = 2;
	look()->allocator = ALLOCATOR_GLIBC;
	assert_int_equal(only(0)->held_bytes, 96);
}

static void sample(uint64_t stack, uint64_t bytes)
{
	stacks[stack_count].key.stack = stack;
	stacks[stack_count].key.of.pid = (uint32_t)getpid();
	stacks[stack_count++].stack.bytes = bytes;
}

static void what_is_held_goes_with_the_stack_that_took_nearly_all(void **state)
{
	(void)state;
	counts(0, 100, 50, 64);
	look()->allocator = ALLOCATOR_GLIBC;
	sample(7, 900);
	sample(8, 100);
	balances_tell(b, 0, false);
	assert_int_equal(reported_count, 2);
	assert_int_equal(reported[0].stack, 8);
	assert_int_equal(reported[0].held_bytes, UNKNOWN64);
	assert_int_equal(reported[0].taken_bytes, 640);
	assert_int_equal(reported[1].stack, 7);
	assert_int_equal(reported[1].held_bytes, 3200);
	assert_int_equal(reported[1].taken_bytes, 5760);
}

/* What the last record of each site says. */
static uint64_t sum_reported(bool held)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < reported_count; i++) {
		bool again = false;

		for (size_t k = i + 1; k < reported_count; k++)
			again |= reported[k].site == reported[i].site;
		if (!again && (!held || reported[i].held_bytes != UNKNOWN64))
			sum += held ? reported[i].held_bytes : reported[i].taken_bytes;
	}
	return sum;
}

static void what_is_held_is_told_once_when_another_stack_comes_to_the_fore(void **state)
{
	static const struct {
		uint64_t stack, bytes;
	} steps[] = {{7, 600}, {8, 400}, {7, 5000}, {8, 80000}, {0, 3000}, {7, 90000}};

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		stack_count = 0;
		counts(0, 100, 50, 64);
		sample(steps[i].stack, steps[i].bytes);
		look()->allocator = ALLOCATOR_GLIBC;
		balances_tell(b, 0, false);
		assert_int_equal(sum_reported(true), (i + 1) * 3200);
		assert_in_range(sum_reported(false), (i + 1) * 6400 * 9 / 10, (i + 1) * 6400 + 10);
	}
}

static void where_none_did_it_goes_with_none(void **state)
{
	(void)state;
	counts(0, 100, 50, 64);
	look()->allocator = ALLOCATOR_GLIBC;
	sample(7, 500);
	sample(8, 500);
	balances_tell(b, 0, false);
	assert_int_equal(reported_count, 3);
	assert_int_equal(reported[0].held_bytes, UNKNOWN64);
	assert_int_equal(reported[1].held_bytes, UNKNOWN64);
	assert_int_equal(reported[2].stack, 0);
	assert_int_equal(reported[2].held_bytes, 3200);
	assert_int_equal(reported[2].taken_bytes, 0);
}

static void a_stack_without_a_name_waits_for_it(void **state)
{
	(void)state;
	counts(0, 100, 50, 64);
	look()->allocator = ALLOCATOR_GLIBC;
	sample(100, 1000);
	balances_tell(b, 0, false);
	assert_int_equal(b->sample_count, 1);
	assert_int_equal(reported_count, 1);
	balances_tell(b, 0, true);
	assert_int_equal(b->sample_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_counted_all_the_time_is_told_as_it_is,
						begin, end),
		cmocka_unit_test_setup_teardown(windows_are_reckoned_up, begin, end),
		cmocka_unit_test_setup_teardown(
			a_process_met_in_a_window_is_reckoned_up_from_the_next, begin, end),
		cmocka_unit_test_setup_teardown(what_is_held_is_not_known_of_another_allocator,
						begin, end),
		cmocka_unit_test_setup_teardown(another_program_in_the_process_begins_anew, begin,
						end),
		cmocka_unit_test_setup_teardown(
			what_is_held_goes_with_the_stack_that_took_nearly_all, begin, end),
		cmocka_unit_test_setup_teardown(
			what_is_held_is_told_once_when_another_stack_comes_to_the_fore, begin, end),
		cmocka_unit_test_setup_teardown(where_none_did_it_goes_with_none, begin, end),
		cmocka_unit_test_setup_teardown(a_stack_without_a_name_waits_for_it, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
