/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Pools as CPython's Objects/obmalloc.c makes them, in our own memory, and others that are none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/capture/host/memory.h"
#include "user/capture/memory/pymalloc.h"
#include "user/capture/memory/pymalloc_state.h"

static unsigned char *arena; /* 64 KB, of which the second 16 KB are the pool */
static struct pymalloc_header *head;
static struct memory own;
static uint32_t size;

static uint64_t block(uint32_t n)
{
	return (uintptr_t)head + sizeof(*head) + n * size;
}

/* What pool_init does: the first block is taken, the second is the list of free ones. */
static void pool(uint32_t bytes, uint32_t block_size)
{
	memset(arena, 0, 64 << 10);
	size = block_size;
	head = (void *)(arena + (16 << 10));
	*head = (struct pymalloc_header){.used = 1,
					 .free = block(1),
					 .size_index = size / 16 - 1,
					 .untouched = sizeof(*head) + 2 * size,
					 .last = bytes - size};
}

static uint64_t take(void)
{
	uint64_t at = head->free;

	head->used++;
	head->free = *(uint64_t *)at;
	if (!head->free && head->untouched <= head->last) {
		head->free = (uintptr_t)head + head->untouched;
		*(uint64_t *)head->free = 0;
		head->untouched += size;
	}
	return at;
}

static void give(uint64_t at)
{
	*(uint64_t *)at = head->free;
	head->free = at;
	head->used--;
}

/* An object of the collector's: its head, references, type, length, two items. */
static void fill(uint64_t at, uint64_t item)
{
	const uint64_t words[] = {at + 512, at - 512, 1, 0x955500, 2, item, item + 64};

	memcpy((void *)at, words, sizeof(words));
}

/* One that the collector leaves alone: references, type, length, hash, state, characters. */
static void write_text(uint64_t at, uint64_t characters)
{
	const uint64_t words[] = {1, 0x955600, 8, UINT64_MAX, 0x64, characters};

	memcpy((void *)at, words, sizeof(words));
}

static int begin(void **state)
{
	(void)state;
	arena = aligned_alloc(64 << 10, 64 << 10);
	own = memory_of_process((uint32_t)getpid());
	pool(16 << 10, 64);
	return arena ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	free(arena);
	return 0;
}

static void an_object_lives_until_it_is_freed(void **state)
{
	struct pymalloc_print print = {};
	uint64_t at = take();

	(void)state;
	take();
	fill(at, 0x1000);
	assert_int_equal(pymalloc_lives(&own, at + 8, &print), 1);
	assert_int_equal(print.block, at);
	((uint64_t *)at)[0] += 8; /* the collector has moved it */
	((uint64_t *)at)[2] += 5; /* five more references */
	assert_int_equal(pymalloc_lives(&own, at, &print), 1);
	give(at);
	assert_int_equal(pymalloc_lives(&own, at, &print), 0);
}

static void another_object_in_its_place_is_another(void **state)
{
	struct pymalloc_print print = {};
	uint64_t at = take();

	(void)state;
	fill(at, 0x1000);
	assert_int_equal(pymalloc_lives(&own, at, &print), 1);
	give(at);
	assert_int_equal(take(), at);
	fill(at, 0x2000);
	assert_int_equal(pymalloc_lives(&own, at, &print), 0);
}

static void a_text_is_the_same_only_if_all_its_characters_are(void **state)
{
	struct pymalloc_print print = {};
	uint64_t at = take(), *words = (uint64_t *)at;

	(void)state;
	write_text(at, 0x41424344);
	assert_int_equal(pymalloc_lives(&own, at, &print), 1);
	words[0] = 7;
	words[3] = 0x1234567890; /* somebody has asked for its hash */
	assert_int_equal(pymalloc_lives(&own, at, &print), 1);
	words[5]++;
	assert_int_equal(pymalloc_lives(&own, at, &print), 0);
	words[5]--;
	words[1] += 64; /* of another type */
	assert_int_equal(pymalloc_lives(&own, at, &print), 0);
}

static void a_dead_object_that_is_kept_for_the_next_of_its_type_does_not_live(void **state)
{
	struct pymalloc_print print = {};
	uint64_t at = take();

	(void)state;
	fill(at, 0x1000);
	assert_int_equal(pymalloc_lives(&own, at, &print), 1);
	((uint64_t *)at)[2] = 0;
	assert_int_equal(pymalloc_lives(&own, at, &print), 0);
}

static void what_was_noted_before_is_compared_with_what_is_there(void **state)
{
	struct pymalloc_print print = {};
	uint64_t at = take(), other = take();

	(void)state;
	fill(at, 0x1000);
	fill(other, 0x3000);
	assert_int_equal(pymalloc_note(at, (void *)at, head->size_index, &print), 0);
	assert_int_equal(pymalloc_lives(&own, at, &print), 1);
	assert_int_equal(pymalloc_note(at, (void *)other, head->size_index, &print), 0);
	assert_int_equal(pymalloc_lives(&own, at, &print), 0);
	assert_int_equal(pymalloc_note(at, (void *)at, 32, &print), -EINVAL);
}

static void what_was_never_used_is_free(void **state)
{
	struct pymalloc_print print = {};

	(void)state;
	assert_int_equal(pymalloc_lives(&own, block(1), &print), 0);
	assert_int_equal(pymalloc_lives(&own, block(40), &print), 0);
	fill(block(0), 0x1000);
	assert_int_equal(pymalloc_lives(&own, block(0), &print), 1);
	assert_int_equal(pymalloc_lives(&own, (uintptr_t)head, &print),
			 1); /* its head is for the first */
}

static void all_blocks_of_a_full_pool_live(void **state)
{
	uint32_t most = ((16 << 10) - sizeof(*head)) / size;

	(void)state;
	fill(block(0), 0x1000);
	while (head->used < most)
		fill(take(), 0x1000);
	assert_int_equal(head->free, 0);
	for (uint32_t i = 0; i < most; i++) {
		struct pymalloc_print print = {};

		assert_int_equal(pymalloc_lives(&own, block(i), &print), 1);
	}
}

static void pools_of_old_are_small(void **state)
{
	struct pymalloc_print print = {};
	uint64_t at;

	(void)state;
	pool(4 << 10, 48);
	at = take();
	write_text(at, 0x41424344);
	assert_int_equal(pymalloc_lives(&own, at, &print), 1);
	assert_int_equal(pymalloc_lives(&own, head->free, &print), 0);
}

static void a_pool_that_does_not_add_up_says_nothing(void **state)
{
	struct pymalloc_print print = {};
	uint64_t at = take();

	(void)state;
	head->used++; /* it is being changed */
	assert_int_equal(pymalloc_lives(&own, at, &print), -EAGAIN);
	head->used--;
	*(uint64_t *)head->free = head->free; /* a ring */
	assert_int_equal(pymalloc_lives(&own, at, &print), -EAGAIN);
	*(uint64_t *)head->free = at + 1;
	assert_int_equal(pymalloc_lives(&own, at, &print), -EAGAIN);
	*(uint64_t *)head->free = UINT64_MAX - 7;
	assert_int_not_equal(pymalloc_lives(&own, at, &print), -EFAULT);
}

static void other_memory_is_no_pool(void **state)
{
	struct pymalloc_print print = {};
	uint64_t seed = 1;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		for (size_t i = 0; i < sizeof(*head) / 8; i++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			((uint64_t *)head)[i] = round % 2 ? seed : seed >> 48;
		}
		assert_true(pymalloc_lives(&own, (uintptr_t)head + seed % (16 << 10), &print) < 1);
	}
	memset(arena, 0, 64 << 10);
	assert_int_equal(pymalloc_lives(&own, (uintptr_t)head, &print), -ENOENT);
	assert_int_equal(pymalloc_lives(&own, 0x10, &print), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_object_lives_until_it_is_freed),
		TEST(another_object_in_its_place_is_another),
		TEST(a_text_is_the_same_only_if_all_its_characters_are),
		TEST(a_dead_object_that_is_kept_for_the_next_of_its_type_does_not_live),
		TEST(what_was_noted_before_is_compared_with_what_is_there),
		TEST(what_was_never_used_is_free),
		TEST(all_blocks_of_a_full_pool_live),
		TEST(pools_of_old_are_small),
		TEST(a_pool_that_does_not_add_up_says_nothing),
		TEST(other_memory_is_no_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
