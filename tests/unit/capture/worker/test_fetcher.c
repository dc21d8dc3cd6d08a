/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What others may make hang is fetched by a process that can be left behind.
 */
#include "user/capture/worker/fetcher.h"
#include "user/capture/worker/fetcher_state.h"
#include "user/base/file.h"
#include "user/capture/host/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/system/clock.h"

static struct fetcher *f;
static const char words[] = "some words of this process";

static int set_up(void **state)
{
	(void)state;
	return fetcher_open(&f);
}

static int tear_down(void **state)
{
	(void)state;
	fetcher_close(f);
	return 0;
}

static double seconds(void)
{
	return (double)clock_monotonic_ns() / 1e9;
}

static uint32_t own(void)
{
	return (uint32_t)getpid();
}

static void pieces_come_one_after_the_other(void **state)
{
	const struct fetch_piece pieces[] = {{(uintptr_t)words + 5, 5}, {(uintptr_t)words, 4}};
	char got[10] = "";

	(void)state;
	assert_int_equal(fetcher_memory(f, own(), pieces, 2, got), 9);
	assert_string_equal(got, "wordssome");
}

static void what_is_not_there_ends_the_pieces(void **state)
{
	const struct fetch_piece pieces[] = {{(uintptr_t)words, 4}, {64, 4}, {(uintptr_t)words, 4}};
	char got[16];

	(void)state;
	assert_int_equal(fetcher_memory(f, own(), pieces, 3, got), 4);
	assert_int_equal(fetcher_memory(f, own(), pieces + 1, 1, got), -EFAULT);
	assert_int_equal(fetcher_memory(f, 0x3fffffff, pieces, 1, got), -ESRCH);
	assert_int_equal(fetcher_memory(f, own(), pieces, FETCH_PIECES + 1, got), -EINVAL);
}

static void large_memory_comes_whole(void **state)
{
	size_t size = 3 * FETCH_BYTES + 100;
	char *from = malloc(size), *to = malloc(size);

	(void)state;
	for (size_t i = 0; i < size; i++)
		from[i] = (char)(i * 7);
	memory_use(f);
	assert_int_equal(memory_at(own(), (uintptr_t)from, to, size), 0);
	memory_use(NULL);
	assert_memory_equal(from, to, size);
	free(from);
	free(to);
}

static void the_command_line_is_read(void **state)
{
	char got[256] = "", direct[256] = "";
	ssize_t n = fetcher_cmdline(f, own(), got, sizeof(got));

	(void)state;
	assert_int_equal(memory_cmdline(own(), direct, sizeof(direct)), n);
	assert_memory_equal(got, direct, (size_t)n);
	assert_int_equal(fetcher_maps_answer(f, own()), 0);
	assert_int_equal(fetcher_maps_answer(f, 0x3fffffff), -ENOENT);
}

static void regular_files_are_opened_and_no_others(void **state)
{
	int held = open("/proc/self/exe", O_PATH), fd = fetcher_open_file(f, own(), held);
	char head[4];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(read(fd, head, 4), 4);
	assert_memory_equal(head,
			    "\x7f"
			    "ELF",
			    4);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	close(held);
	held = open("/dev/null", O_PATH);
	assert_int_equal(fetcher_open_file(f, own(), held), -EINVAL);
	close(held);
	assert_int_equal(fetcher_open_file(f, own(), -1), -EBADF);
}

static ssize_t reverse(uint32_t pid, const void *in, size_t n, void *out, size_t size)
{
	(void)pid;
	(void)size;
	for (size_t i = 0; i < n; i++)
		((char *)out)[i] = ((const char *)in)[n - 1 - i];
	return (ssize_t)n;
}

static ssize_t refuse(uint32_t pid, const void *in, size_t n, void *out, size_t size)
{
	(void)pid;
	(void)in;
	(void)n;
	(void)out;
	(void)size;
	return -ENOTDIR;
}

static ssize_t hang(uint32_t pid, const void *in, size_t n, void *out, size_t size)
{
	pause();
	return refuse(pid, in, n, out, size);
}

static void tasks_run_in_the_fetcher(void **state)
{
	static char large[FETCH_TASK_BYTES + 1];
	char got[8] = "";

	(void)state;
	assert_int_equal(fetcher_task(f, own(), reverse, "abc", 3, got, sizeof(got)), 3);
	assert_string_equal(got, "cba");
	assert_int_equal(fetcher_task(f, own(), reverse, "abc", 3, got, 2), 2);
	assert_int_equal(fetcher_task(f, own(), reverse, large, sizeof(large) - 1, got, 8), 8);
	assert_int_equal(fetcher_task(f, own(), reverse, large, sizeof(large), got, 8), -E2BIG);
	assert_int_equal(fetcher_task(f, own(), refuse, "", 0, got, 8), -ENOTDIR);
}

/* One file that hangs does not cost the stacks of its process. */
static void memory_is_read_beside_files_that_hang(void **state)
{
	const struct fetch_piece piece = {(uintptr_t)words, 4};
	double begun = seconds();
	char got[8];

	(void)state;
	assert_int_equal(fetcher_task(f, own(), hang, "", 0, got, 8), -ETIMEDOUT);
	assert_int_equal(fetcher_task(f, own(), reverse, "abc", 3, got, 8), -ETIMEDOUT);
	assert_true(seconds() - begun < 2.5);
	assert_int_equal(fetcher_memory(f, own(), &piece, 1, got), 4);
	assert_int_equal(fetcher_silent(f), own());
	assert_int_equal(fetcher_silent(f), 0);
	assert_int_equal(fetcher_locked(f), 0);
}

static ssize_t is_folder(int root, const void *in, size_t n, void *out, size_t size)
{
	struct stat st;

	(void)in;
	(void)n;
	if (size < sizeof(st.st_ino) || fstat(root, &st))
		return -EBADF;
	memcpy(out, &st.st_ino, sizeof(st.st_ino));
	return sizeof(st.st_ino);
}

static ssize_t hang_in_folder(int root, const void *in, size_t n, void *out, size_t size)
{
	pause();
	return is_folder(root, in, n, out, size);
}

/* The folder of one user that hangs costs neither those of others, nor is it a process. */
static void folders_are_looked_at_for_each_owner(void **state)
{
	int root = open("/tmp", O_PATH | O_CLOEXEC);
	struct stat st;
	ino_t got = 0;

	(void)state;
	assert_int_equal(fstat(root, &st), 0);
	assert_int_equal(fetcher_folder_task(f, 7, root, is_folder, "", 0, &got, sizeof(got)),
			 sizeof(got));
	assert_true(got == st.st_ino);
	assert_int_equal(fetcher_folder_task(f, 7, -1, is_folder, "", 0, &got, sizeof(got)),
			 -EBADF);
	assert_int_equal(fetcher_folder_task(f, 7, root, hang_in_folder, "", 0, &got, sizeof(got)),
			 -ETIMEDOUT);
	assert_int_equal(fetcher_folder_task(f, 7, root, is_folder, "", 0, &got, sizeof(got)),
			 -ETIMEDOUT);
	assert_int_equal(fetcher_folder_task(f, 8, root, is_folder, "", 0, &got, sizeof(got)),
			 sizeof(got));
	assert_int_equal(fetcher_silent(f), 0);
	close(root);
}

/* Stopped, it looks like one that hangs in the kernel: it neither answers nor wants a processor. */
static void who_hangs_is_left_and_another_takes_its_place(void **state)
{
	const struct fetch_piece piece = {(uintptr_t)words, 4};
	char got[8];
	double start;
	pid_t hung;

	(void)state;
	assert_int_equal(fetcher_memory(f, own(), &piece, 1, got), 4);
	hung = f->pid;
	kill(hung, SIGSTOP);
	start = seconds();
	assert_int_equal(fetcher_memory(f, own(), &piece, 1, got), -ETIMEDOUT);
	assert_true(seconds() - start < 1);
	start = seconds();
	assert_int_equal(fetcher_memory(f, own(), &piece, 1, got), -ETIMEDOUT); /* left in peace */
	assert_true(seconds() - start < 0.05);
	assert_int_equal(fetcher_silent(f), own());
	assert_int_equal(fetcher_silent(f), 0);
	assert_int_equal(fetcher_memory(f, 1, &piece, 0, got),
			 0); /* another is asked all the same */
	assert_int_not_equal(f->pid, hung);
	for (int i = 0; i < 100 && !kill(hung, 0); i++)
		usleep(10000);
	assert_int_equal(kill(hung, 0), -1);
}

static void a_process_is_asked_again_later(void **state)
{
	const struct fetch_piece piece = {(uintptr_t)words, 4};
	struct silent *s;
	char got[8];

	(void)state;
	fetcher_remember(f, FETCH_MEMORY, own());
	assert_int_equal(fetcher_memory(f, own(), &piece, 1, got), -ETIMEDOUT);
	s = table_get(&f->silent, (struct table_key){own(), 0});
	assert_non_null(s);
	s->until_ns = 0;
	assert_int_equal(fetcher_memory(f, own(), &piece, 1, got), 4);
}

static void a_process_is_locked_until_its_mappings_come(void **state)
{
	struct silent *s;

	(void)state;
	assert_int_equal(fetcher_locked(f), 0);
	fetcher_remember(f, FETCH_MAPS, own());
	fetcher_remember(f, FETCH_MAPS, 0x3fffffff); /* that one is gone by now */
	fetcher_remember(f, FETCH_MEMORY, 1);	     /* its memory alone did not come */
	assert_int_equal(fetcher_locked(f), own());
	s = table_get(&f->silent, (struct table_key){own(), 0});
	assert_non_null(s);
	s->until_ns = 0;
	assert_int_equal(fetcher_locked(f), 0);
	assert_null(table_get(&f->silent, (struct table_key){own(), 0}));
	assert_null(table_get(&f->silent, (struct table_key){0x3fffffff, 0}));
}

static void one_that_dies_is_replaced(void **state)
{
	const struct fetch_piece piece = {(uintptr_t)words, 4};
	char got[8];

	(void)state;
	assert_int_equal(fetcher_memory(f, own(), &piece, 1, got), 4);
	kill(f->pid, SIGKILL);
	usleep(50000);
	assert_true(fetcher_memory(f, own(), &piece, 1, got) < 0);
	assert_int_equal(fetcher_memory(f, own(), &piece, 1, got), 4);
}

static void too_many_that_hang_are_not_added_to(void **state)
{
	const struct fetch_piece piece = {(uintptr_t)words, 4};
	char got[8];

	(void)state;
	for (size_t i = 0; i < STUCK_MAX; i++)
		f->stuck[i] = getpid();
	assert_int_equal(fetcher_memory(f, own(), &piece, 1, got), -ETIMEDOUT);
	f->stuck[3] = 0x3fffffff; /* ended meanwhile */
	assert_int_equal(fetcher_memory(f, own(), &piece, 1, got), 4);
}

static void it_holds_nothing_of_ours(void **state)
{
	const struct fetch_piece piece = {(uintptr_t)words, 4};
	char path[64], target[64] = "", status[4096], got[8];
	int secret = memfd_create("secret", 0), open_ones = 0;
	struct fetcher *late;

	(void)state;
	assert_int_equal(fetcher_open(&late), 0);
	assert_int_equal(fetcher_memory(late, own(), &piece, 1, got), 4);
	for (int fd = 0; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", late->pid, fd);
		memset(target, 0, sizeof(target));
		if (readlink(path, target, sizeof(target) - 1) < 0)
			continue;
		open_ones++;
		assert_null(strstr(target, "secret"));
	}
	assert_true(open_ones <= 4);
	snprintf(path, sizeof(path), "/proc/%d/status", late->pid);
	assert_true(file_read(AT_FDCWD, path, status, sizeof(status)) > 0);
	assert_non_null(strstr(status, "NoNewPrivs:\t1"));
	assert_true(strtoull(strstr(status, "CapEff:") + 7, NULL, 16) <= 0x10000080004);
	fetcher_close(late);
	close(secret);
}

/* Gone, or waiting for whoever adopted it to ask how it ended. */
static bool has_ended(pid_t pid)
{
	char path[32], stat[512], *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (file_read(AT_FDCWD, path, stat, sizeof(stat)) <= 0)
		return true;
	end = strrchr(stat, ')');
	return end && end[2] == 'Z';
}

static void it_ends_with_us(void **state)
{
	const struct fetch_piece piece = {(uintptr_t)words, 4};
	struct fetcher *late;
	char got[8];
	pid_t pid;

	(void)state;
	assert_int_equal(fetcher_open(&late), 0);
	assert_int_equal(fetcher_memory(late, own(), &piece, 1, got), 4);
	pid = late->pid;
	fetcher_close(late);
	for (int i = 0; i < 100 && !has_ended(pid); i++)
		usleep(10000);
	assert_true(has_ended(pid));
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(pieces_come_one_after_the_other),
		T(what_is_not_there_ends_the_pieces),
		T(large_memory_comes_whole),
		T(the_command_line_is_read),
		T(regular_files_are_opened_and_no_others),
		T(tasks_run_in_the_fetcher),
		T(memory_is_read_beside_files_that_hang),
		T(folders_are_looked_at_for_each_owner),
		T(who_hangs_is_left_and_another_takes_its_place),
		T(a_process_is_asked_again_later),
		T(a_process_is_locked_until_its_mappings_come),
		T(one_that_dies_is_replaced),
		T(too_many_that_hang_are_not_added_to),
		T(it_holds_nothing_of_ours),
		T(it_ends_with_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
