/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What memory a process took while a statement of SQLite ran.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "user/capture/clientlib/sqlite_run.h"
#include "user/capture/host/procfs.h"

#define SECOND 1000000000ULL
#define MB     (1ULL << 20)

struct story {
	struct sqlite_run run;
	struct sqlite_rest before, after;
	uint64_t began_ns;
};

static uint64_t grown(struct story *s)
{
	return sqlite_run_grown(&s->run, &s->before, &s->after, &s->began_ns);
}

static void a_run_begins_after_its_statement_was_born(void **state)
{
	struct story s = {.before = {10 * SECOND, 50 * MB}, .after = {11 * SECOND, 90 * MB}};

	(void)state;
	assert_int_equal(grown(&s), 40 * MB);
	assert_int_equal(s.began_ns, 10 * SECOND);
	assert_int_equal(sqlite_run_grown(NULL, &s.before, &s.after, &s.began_ns), 40 * MB);
	s.after.bytes = 30 * MB;
	assert_int_equal(grown(&s), 0);
	s.after.bytes = UNKNOWN64;
	assert_int_equal(grown(&s), 0);
}

static void what_grew_before_it_ran_is_not_its_own(void **state)
{
	struct story s = {.before = {10 * SECOND, 50 * MB}, .after = {61 * SECOND, 90 * MB}};

	(void)state;
	assert_int_equal(grown(&s), 0); /* by whatever */
	sqlite_run_look(&s.run, false, 85 * MB, 60 * SECOND);
	assert_int_equal(grown(&s), 5 * MB);
	assert_int_equal(s.began_ns, 60 * SECOND);
	/* It has shrunk: then what it takes again was its own before. */
	s.run = (struct sqlite_run){};
	sqlite_run_look(&s.run, false, 20 * MB, 60 * SECOND);
	assert_int_equal(grown(&s), 40 * MB);
}

static void a_look_after_the_run_tells_nothing_of_it(void **state)
{
	struct story s = {.before = {10 * SECOND, 50 * MB}, .after = {61 * SECOND, 90 * MB}};

	(void)state;
	sqlite_run_look(&s.run, false, 52 * MB, 60 * SECOND);
	sqlite_run_look(&s.run, false, 90 * MB, 62 * SECOND);
	assert_int_equal(grown(&s), 38 * MB);
	sqlite_run_look(&s.run, false, 90 * MB, 63 * SECOND);
	assert_int_equal(grown(&s), 0);
}

static void a_long_run_is_measured_from_where_it_began(void **state)
{
	struct story s = {.before = {10 * SECOND, 50 * MB}, .after = {90 * SECOND, 400 * MB}};

	(void)state;
	sqlite_run_look(&s.run, false, 60 * MB, 60 * SECOND);
	for (uint64_t at = 61; at < 90; at++)
		sqlite_run_look(&s.run, true, (50 + at) * MB, at * SECOND);
	assert_int_equal(grown(&s), 340 * MB);
	assert_int_equal(s.began_ns, 60 * SECOND);
	/* Nobody looked for long before it was found at work. */
	s.run.busy_ns = 63 * SECOND;
	assert_int_equal(grown(&s), 0);
}

static void memory_is_what_no_file_backs(void **state)
{
	struct procfs *procfs;
	uint64_t before, after;
	char *taken;

	(void)state;
	assert_int_equal(procfs_open(&procfs, ""), 0);
	before = sqlite_run_memory(procfs, (uint32_t)getpid());
	taken = malloc(64 * MB);
	assert_non_null(taken);
	memset(taken, 1, 64 * MB);
	after = sqlite_run_memory(procfs, (uint32_t)getpid());
	assert_true(after >= before + 60 * MB && after <= before + 100 * MB);
	free(taken);
	assert_true(sqlite_run_memory(procfs, 0) == UNKNOWN64);
	procfs_close(procfs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_begins_after_its_statement_was_born),
		cmocka_unit_test(what_grew_before_it_ran_is_not_its_own),
		cmocka_unit_test(a_look_after_the_run_tells_nothing_of_it),
		cmocka_unit_test(a_long_run_is_measured_from_where_it_began),
		cmocka_unit_test(memory_is_what_no_file_backs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
