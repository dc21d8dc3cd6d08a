/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Lines of /proc/locks: which are those of a SQLite writer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../../user/capture/procfs.c"
#undef PATH_MOST
#include "../../user/capture/lock.c"

/* Of the kernel half nothing is asked here. */
uint64_t kernel_client_start(struct kernel *k, uint32_t pid)
{
	(void)k, (void)pid;
	return 0;
}

static void a_writer_is_told_from_all_others(void **state)
{
	static const struct {
		const char *line;
		bool writes;
	} lines[] = {
		{"1: POSIX  ADVISORY  WRITE 32440 fe:00:10985528 1073741825 1073741825\n", true},
		{"12: POSIX  ADVISORY  WRITE 1 fe:00:7 1073741824 1073742335\n", true},
		{"1: POSIX  ADVISORY  WRITE 32440 fe:00:10985534 120 120\n", true},
		{"1: POSIX  ADVISORY  WRITE 32440 fe:00:10985534 120 127\n", true},
		{"2: POSIX  ADVISORY  READ 32440 fe:00:10985528 1073741826 1073742335\n", false},
		{"1: -> POSIX  ADVISORY  WRITE 32440 fe:00:10985528 1073741825 1073741825\n", false},
		{"3: POSIX  ADVISORY  READ 32440 fe:00:10985534 123 123\n", false},
		{"3: POSIX  ADVISORY  WRITE 32440 fe:00:10985534 123 123\n", false},
		{"4: FLOCK  ADVISORY  WRITE 700 00:19:1234 0 EOF\n", false},
		{"4: POSIX  ADVISORY  WRITE 700 00:19:1234 0 EOF\n", false},
		{"5: OFDLCK ADVISORY  WRITE -1 fe:00:55 1073741825 1073741825\n", false},
		{"5: POSIX  ADVISORY  WRITE -1 fe:00:55 1073741825 1073741825\n", false},
		{"5: POSIX  ADVISORY  WRITE 0 fe:00:55 1073741825 1073741825\n", false},
		{"6: POSIX  ADVISORY\n", false},
		{"\n", false},
	};
	struct lock lock;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (lock_of_line(lines[i].line, &lock) != lines[i].writes)
			fail_msg("%s", lines[i].line);
	assert_true(lock_of_line(lines[0].line, &lock));
	assert_int_equal(lock.pid, 32440);
	assert_int_equal(lock.inode, 10985528);
	assert_int_equal(lock.device, makedev(0xfe, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_writer_is_told_from_all_others)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
