/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Our own memory, and the most that it may be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>

#include "user/capture/worker/ceiling.h"

#define MIB ((size_t)1 << 20)

static void what_is_held_counts_and_what_is_given_back_does_not(void **state)
{
	uint64_t before = ceiling_resident(), most = before + 16 * MIB;
	void *held = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);

	(void)state;
	assert_true(before > 0);
	assert_true(held != MAP_FAILED);
	assert_false(ceiling_is_reached(most)); /* nothing of it was touched */
	memset(held, 1, 64 * MIB);
	assert_true(ceiling_resident() >= before + 48 * MIB);
	assert_true(ceiling_is_reached(most));
	assert_int_equal(munmap(held, 64 * MIB), 0);
	assert_false(ceiling_is_reached(most));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_held_counts_and_what_is_given_back_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
