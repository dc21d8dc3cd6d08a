/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Lines of /proc/locks: which are those of a SQLite writer, and who tells of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "user/capture/host/procfs.h"
#include "user/capture/clientlib/client_host.h"
#include "user/capture/clientlib/lock.h"
#include "user/capture/clientlib/lock_state.h"
#include "user/capture/kernel/kernel_client.h"

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
		{"1: -> POSIX  ADVISORY  WRITE 32440 fe:00:10985528 1073741825 1073741825\n",
		 false},
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

/* A folder whose path is longer than most. */
#define FOLDER  \
	"/tmp/" \
	"dbleak-unit-lock-with-a-name-long-enough-to-fill-more-than-one-line-of-a-screen-XXXXXX"

struct lock_fixture {
	struct locks *locks;
	struct lock_holder *holder;
	struct stat st;
	char folder[sizeof(FOLDER)], path[sizeof(FOLDER) + 16];
	bool known;	       /* by somebody who knows more */
	unsigned int reported; /* connections */
	uint64_t ids;
};

static bool is_known(void *context, uint32_t pid, dev_t device, ino_t inode)
{
	const struct lock_fixture *s = context;

	return s->known && pid == (uint32_t)getpid() && device == s->st.st_dev &&
	       inode == s->st.st_ino;
}

static bool every(void *context, uint32_t pid, const char *comm)
{
	(void)context, (void)pid, (void)comm;
	return true;
}

static bool own(void *context, uint32_t pid, uint64_t start_ns, const char *comm)
{
	(void)context, (void)pid, (void)start_ns, (void)comm;
	return true;
}

static void count(void *context, const struct ev_head *record)
{
	((struct lock_fixture *)context)->reported += record->kind == EV_CONNECTION;
}

/* A file that this process has open, and holds locked. */
static void lock_fixture_open(struct lock_fixture *s, struct procfs **procfs,
			      struct client_host *host)
{
	struct lock lock = {.pid = getpid(), .first = PENDING_BYTE + 1};
	int fd;

	strcpy(s->folder, FOLDER);
	assert_non_null(mkdtemp(s->folder));
	snprintf(s->path, sizeof(s->path), "%s/shop.db", s->folder);
	fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &s->st), 0);
	assert_int_equal(procfs_open(procfs, "/"), 0);
	*host = (struct client_host){.wanted = every, .owner = own, .tell = count, .context = s};
	assert_int_equal(locks_open(&s->locks, NULL, *procfs, host, is_known, s), 0);
	lock.device = s->st.st_dev;
	lock.inode = s->st.st_ino;
	s->holder = lock_holder_enter(s->locks, &lock);
	close(fd);
	assert_non_null(s->holder);
}

static void lock_fixture_close(struct lock_fixture *s, struct procfs *procfs)
{
	locks_close(s->locks);
	procfs_close(procfs);
	unlink(s->path);
	rmdir(s->folder);
}

static void what_the_library_tells_is_not_told_again(void **state)
{
	struct lock_fixture s = {.known = true};
	struct client_host host;
	struct procfs *procfs;

	(void)state;
	lock_fixture_open(&s, &procfs, &host);
	lock_tell_held(s.locks, s.holder, HELD_NS, &s.ids);
	assert_int_equal(s.reported, 0);
	s.known = false;
	lock_tell_held(s.locks, s.holder, HELD_NS, &s.ids);
	assert_int_equal(s.reported, 1);
	lock_fixture_close(&s, procfs);
}

static void what_the_library_meets_later_keeps_its_id(void **state)
{
	struct lock_fixture s = {.known = false};
	struct client_host host;
	struct procfs *procfs;

	(void)state;
	lock_fixture_open(&s, &procfs, &host);
	assert_int_equal(locks_yield(s.locks, getpid(), s.st.st_dev, s.st.st_ino), 0);
	lock_tell_held(s.locks, s.holder, HELD_NS, &s.ids);
	assert_int_equal(s.reported, 1);
	assert_int_equal(locks_yield(s.locks, getpid(), s.st.st_dev, s.st.st_ino + 1), 0);
	assert_int_equal(locks_yield(s.locks, getpid(), s.st.st_dev, s.st.st_ino), 1);
	assert_int_equal(locks_yield(s.locks, getpid(), s.st.st_dev, s.st.st_ino), 0);
	s.known = true;
	lock_tell_held(s.locks, s.holder, HELD_NS, &s.ids);
	lock_tell_moved(s.locks, s.holder, HELD_NS, true);
	assert_int_equal(s.reported, 1);
	lock_fixture_close(&s, procfs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_writer_is_told_from_all_others),
		cmocka_unit_test(what_the_library_tells_is_not_told_again),
		cmocka_unit_test(what_the_library_meets_later_keeps_its_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
