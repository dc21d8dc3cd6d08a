/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Lines of /proc/locks: which are those of a SQLite writer, and who tells of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <cmocka.h>
#include <stdio.h>
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

static char proc_locks[256]; /* what /proc/locks says; "": the host's is read */

/* Other files are those of the host. */
FILE *fopen(const char *restrict path, const char *restrict mode)
{
	int fd;

	(void)mode;
	if (!strcmp(path, "/proc/locks") && *proc_locks)
		return fmemopen(proc_locks, strlen(proc_locks), "r");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? NULL : fdopen(fd, "r");
}

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
	struct ev_connection last;
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
	struct lock_fixture *s = context;

	if (record->kind != EV_CONNECTION)
		return;
	s->reported++;
	s->last = *(const struct ev_connection *)record;
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

/* --- sweeps ---------------------------------------------------------------------------------- */

/* The next sweep meets a lock of that process on the file. */
static void holds(const struct lock_fixture *s, pid_t pid)
{
	snprintf(proc_locks, sizeof(proc_locks),
		 "1: POSIX  ADVISORY  WRITE %d %02x:%02x:%lu %llu %llu\n", pid, major(s->st.st_dev),
		 minor(s->st.st_dev), (unsigned long)s->st.st_ino, PENDING_BYTE + 1,
		 PENDING_BYTE + 1);
}

static void nobody_holds(void)
{
	strcpy(proc_locks, "1: FLOCK  ADVISORY  WRITE 1 00:19:1234 0 EOF\n");
}

struct swept {
	struct lock_fixture s;
	struct client_host host;
	struct procfs *procfs;
	int fd; /* the file is held open, as by whoever locks it */
};

static void swept_open(struct swept *w)
{
	*w = (struct swept){};
	lock_fixture_open(&w->s, &w->procfs, &w->host);
	w->fd = open(w->s.path, O_RDWR | O_CLOEXEC);
	assert_true(w->fd >= 0);
	holds(&w->s, getpid());
}

static void swept_close(struct swept *w)
{
	close(w->fd);
	lock_fixture_close(&w->s, w->procfs);
	proc_locks[0] = '\0';
}

static void a_lock_without_work_is_told_after_three_seconds(void **state)
{
	struct swept w;

	(void)state;
	swept_open(&w);
	locks_sweep(w.s.locks, HELD_NS, &w.s.ids);
	locks_sweep(w.s.locks, 2 * HELD_NS - 1, &w.s.ids);
	assert_int_equal(w.s.reported, 0);
	locks_sweep(w.s.locks, 2 * HELD_NS, &w.s.ids);
	assert_int_equal(w.s.reported, 1);
	assert_int_equal(w.s.last.status, EV_STATUS_TRANSACTION);
	assert_int_equal(w.s.last.transaction_ns, HELD_NS); /* since it was still */
	assert_int_equal(w.s.last.pid, getpid());
	assert_int_equal(w.s.last.database, EV_DB_SQLITE);
	locks_sweep(w.s.locks, 3 * HELD_NS, &w.s.ids);
	assert_int_equal(w.s.reported, 1);
	swept_close(&w);
}

static void work_on_the_file_ends_the_transaction(void **state)
{
	struct swept w;

	(void)state;
	swept_open(&w);
	locks_sweep(w.s.locks, HELD_NS, &w.s.ids);
	assert_int_equal(pwrite(w.fd, "x", 1, 0), 1);
	assert_int_equal(futimens(w.fd, (const struct timespec[]){{5, 0}, {5, 0}}), 0);
	locks_sweep(w.s.locks, 2 * HELD_NS, &w.s.ids); /* it begins anew */
	assert_int_equal(w.s.reported, 0);
	locks_sweep(w.s.locks, 3 * HELD_NS, &w.s.ids);
	assert_int_equal(w.s.reported, 1);
	assert_int_equal(futimens(w.fd, (const struct timespec[]){{6, 0}, {6, 0}}), 0);
	locks_sweep(w.s.locks, 4 * HELD_NS, &w.s.ids);
	assert_int_equal(w.s.reported, 2);
	assert_int_equal(w.s.last.status, EV_STATUS_IDLE);
	assert_int_equal(w.s.last.committed, 1);
	assert_int_equal(w.s.last.transaction_ns, 0);
	locks_sweep(w.s.locks, 5 * HELD_NS, &w.s.ids); /* the same connection */
	assert_int_equal(w.s.reported, 3);
	assert_int_equal(w.s.last.begun, 2);
	assert_int_equal(w.s.ids, 1);
	swept_close(&w);
}

/* /proc/locks may leave out a line while others come and go. */
static void one_look_that_misses_a_lock_does_not_end_it(void **state)
{
	struct swept w;

	(void)state;
	swept_open(&w);
	locks_sweep(w.s.locks, HELD_NS, &w.s.ids);
	locks_sweep(w.s.locks, 2 * HELD_NS, &w.s.ids);
	assert_int_equal(w.s.reported, 1);
	nobody_holds();
	locks_sweep(w.s.locks, 2 * HELD_NS + 1, &w.s.ids);
	assert_int_equal(w.s.reported, 1);
	locks_sweep(w.s.locks, 2 * HELD_NS + 2, &w.s.ids);
	assert_int_equal(w.s.reported, 2);
	assert_int_equal(w.s.last.status, EV_STATUS_IDLE);
	assert_false(w.s.last.flags & EV_CONN_CLOSED); /* its process lives */
	assert_int_equal(w.s.locks->holders.count, 1);
	swept_close(&w);
}

static void a_holder_that_ended_is_told_closed_and_forgotten(void **state)
{
	struct swept w;

	(void)state;
	swept_open(&w);
	locks_sweep(w.s.locks, HELD_NS, &w.s.ids);
	locks_sweep(w.s.locks, 2 * HELD_NS, &w.s.ids);
	assert_int_equal(w.s.reported, 1);
	w.s.holder->ev.start_ns = 5; /* another process than runs now */
	nobody_holds();
	locks_sweep(w.s.locks, 3 * HELD_NS, &w.s.ids);
	locks_sweep(w.s.locks, 4 * HELD_NS, &w.s.ids);
	assert_int_equal(w.s.reported, 2);
	assert_true(w.s.last.flags & EV_CONN_CLOSED);
	assert_int_equal(w.s.last.abandoned, 1);
	assert_int_equal(w.s.last.committed, 0);
	assert_int_equal(w.s.locks->holders.count, 0);
	swept_close(&w);
}

static void a_lock_that_was_never_told_is_forgotten_in_silence(void **state)
{
	struct swept w;

	(void)state;
	swept_open(&w);
	locks_sweep(w.s.locks, HELD_NS, &w.s.ids);
	nobody_holds();
	locks_sweep(w.s.locks, 2 * HELD_NS, &w.s.ids);
	assert_int_equal(w.s.locks->holders.count, 1);
	locks_sweep(w.s.locks, 3 * HELD_NS, &w.s.ids);
	assert_int_equal(w.s.locks->holders.count, 0);
	assert_int_equal(w.s.reported, 0);
	swept_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_writer_is_told_from_all_others),
		cmocka_unit_test(what_the_library_tells_is_not_told_again),
		cmocka_unit_test(what_the_library_meets_later_keeps_its_id),
		cmocka_unit_test(a_lock_without_work_is_told_after_three_seconds),
		cmocka_unit_test(work_on_the_file_ends_the_transaction),
		cmocka_unit_test(one_look_that_misses_a_lock_does_not_end_it),
		cmocka_unit_test(a_holder_that_ended_is_told_closed_and_forgotten),
		cmocka_unit_test(a_lock_that_was_never_told_is_forgotten_in_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
