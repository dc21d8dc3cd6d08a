/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_rights.c - after the start nothing is left but to read; each attempt is made by a child.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/capture/worker/errand.h"
#include "user/capture/rights.h"

static char folder[] = "/tmp/dbleak-rights-XXXXXX";

#define KEPT                                                              \
	(1ULL << CAP_BPF | 1ULL << CAP_PERFMON | 1ULL << CAP_SYS_PTRACE | \
	 1ULL << CAP_DAC_READ_SEARCH | 1ULL << CAP_CHECKPOINT_RESTORE | 1ULL << CAP_SYS_ADMIN)

static const char *in_folder(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

/* --- what is tried: 0 when it worked, else errno ------------------------------------------- */

static int answer(long result)
{
	return result < 0 ? errno : 0;
}

static int try_exec(void)
{
	char *none[] = {NULL};

	return answer(execve("/bin/true", none, none));
}

static int try_socket(void)
{
	return answer(socket(AF_INET, SOCK_STREAM, 0));
}

static int try_write_open(void)
{
	return answer(open(in_folder("there"), O_WRONLY));
}

static int try_create(void)
{
	return answer(open(in_folder("new"), O_RDONLY | O_CREAT, 0600));
}

static int try_append(void)
{
	return answer(openat(AT_FDCWD, in_folder("there"), O_RDWR | O_APPEND));
}

static int try_ptrace(void)
{
	return answer(ptrace(PTRACE_SEIZE, getppid(), NULL, NULL));
}

static int try_mount(void)
{
	return answer(mount("none", folder, "tmpfs", 0, NULL));
}

static int try_namespace(void)
{
	return answer(unshare(CLONE_NEWUSER));
}

static int try_module(void)
{
	return answer(syscall(SYS_init_module, "", 0, ""));
}

static int try_reboot(void)
{
	return answer(syscall(SYS_reboot, 0, 0, 0, NULL)); /* without its magic numbers: EINVAL */
}

static int try_root(void)
{
	return answer(setuid(0));
}

static int try_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? errno : 0;
}

static int try_chmod(void)
{
	return answer(chmod(in_folder("there"), 0777));
}

static int try_link(void)
{
	return answer(symlink("/etc/passwd", in_folder("link")));
}

static int (*const attempts[])(void) = {
	try_exec,      try_socket, try_write_open, try_create, try_append, try_ptrace, try_mount,
	try_namespace, try_module, try_reboot,	   try_root,   try_code,   try_chmod,  try_link,
};

/* --- what must still work ------------------------------------------------------------------ */

static void *nothing(void *context)
{
	return context;
}

static int can_thread(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL);
}

static int can_read(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 ||
	       open("/proc/self/maps", O_RDONLY) < 0;
}

static int can_look(void)
{
	long here = 42, there = 0;
	struct iovec local = {&there, sizeof(there)}, remote = {&here, sizeof(here)};

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != sizeof(there) || there != 42;
}

static int can_pair(void)
{
	int pair[2];

	return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
}

static int can_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return pid < 0 || waitpid(pid, NULL, 0) != pid;
}

/* As a report takes its place. */
static int can_rename(void)
{
	char to[128];

	snprintf(to, sizeof(to), "%s", in_folder("renamed"));
	return rename(in_folder("there"), to) || rename(to, in_folder("there"));
}

static int (*const needs[])(void) = {can_thread, can_read, can_look,
				     can_pair,	 can_fork, can_rename};

/* --- children ------------------------------------------------------------------------------ */

/* What the child's function says; its number when it was refused. */
static int in_child(enum rights_for purpose, int (*try)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		rights_begin();
		if (rights_end(purpose) && !geteuid())
			_exit(255);
		_exit(try());
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void what_is_not_reading_is_refused(void **state)
{
	(void)state;
	for (enum rights_for purpose = RIGHTS_WATCH; purpose <= RIGHTS_READ; purpose++)
		for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++) {
			int refused = in_child(purpose, attempts[i]);

			if (refused != EPERM)
				fail_msg("attempt %zu for purpose %d: %s", i, purpose,
					 strerror(refused));
		}
}

static void what_watching_takes_still_works(void **state)
{
	(void)state;
	for (enum rights_for purpose = RIGHTS_WATCH; purpose <= RIGHTS_READ; purpose++)
		for (size_t i = 0; i < sizeof(needs) / sizeof(*needs); i++)
			if (in_child(purpose, needs[i]))
				fail_msg("need %zu for purpose %d", i, purpose);
}

static int hidden_write(void)
{
	struct open_how how = {.flags = O_WRONLY};
	long fd = syscall(SYS_openat2, AT_FDCWD, in_folder("there"), &how, sizeof(how));

	return answer(fd);
}

static void a_recording_is_read_where_no_call_can_write(void **state)
{
	(void)state;
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 1)
		skip();
	assert_int_equal(in_child(RIGHTS_READ, hidden_write), EACCES);
}

/* Of a socket that listens since before; nobody has come yet. */
static int listening = -1;

static int can_accept(void)
{
	return accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) < 0 ? errno : 0;
}

static void only_who_serves_accepts_and_has_no_other_right(void **state)
{
	(void)state;
	listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(listening >= 0 && !bind(listening, (struct sockaddr *)&(sa_family_t){AF_UNIX},
					    sizeof(sa_family_t)));
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(in_child(RIGHTS_SERVE, can_accept), EAGAIN);
	for (enum rights_for purpose = RIGHTS_WATCH; purpose <= RIGHTS_ASK; purpose++)
		assert_int_equal(in_child(purpose, can_accept), EPERM);
	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++)
		assert_int_equal(in_child(RIGHTS_SERVE, attempts[i]), EPERM);
	close(listening);
}

static int more_capabilities_than(uint64_t kept)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	uint64_t have;

	if (syscall(SYS_capget, &head, data))
		return 1;
	have = data[0].permitted | data[0].inheritable |
	       (uint64_t)(data[1].permitted | data[1].inheritable) << 32;
	return (have & ~kept) != 0;
}

static int more_than_watching(void)
{
	return more_capabilities_than(KEPT);
}

static int more_than_none(void)
{
	return more_capabilities_than(0);
}

static int in_bounding_set(void)
{
	for (int cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			return 1;
	return 0;
}

static void capabilities_are_cut_to_the_list(void **state)
{
	(void)state;
	assert_int_equal(in_child(RIGHTS_WATCH, more_than_watching), 0);
	assert_int_equal(in_child(RIGHTS_READ, more_than_none), 0);
	assert_int_equal(in_child(RIGHTS_SERVE, more_than_none), 0);
	if (!geteuid())
		assert_int_equal(in_child(RIGHTS_WATCH, in_bounding_set), 0);
}

static int tells_too_much(void)
{
	struct rlimit core;
	FILE *f = fopen("/proc/self/oom_score_adj", "re");
	int oom = 0;

	if (!f || fscanf(f, "%d", &oom) != 1 || oom < 900)
		return 1;
	if (getrlimit(RLIMIT_CORE, &core) || core.rlim_cur || core.rlim_max)
		return 2;
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0))
		return 3;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 4;
}

static void nobody_looks_into_us_and_memory_is_given_up_first(void **state)
{
	(void)state;
	assert_int_equal(in_child(RIGHTS_WATCH, tells_too_much), 0);
}

static pthread_barrier_t over;

static void *try_when_over(void *context)
{
	pthread_barrier_wait(&over);
	*(int *)context = try_socket();
	return NULL;
}

static void threads_that_were_there_are_held_to_it_too(void **state)
{
	int refused = 0, status;
	pthread_t thread;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		pthread_barrier_init(&over, NULL, 2);
		if (pthread_create(&thread, NULL, try_when_over, &refused))
			_exit(255);
		rights_end(RIGHTS_RUN);
		pthread_barrier_wait(&over);
		pthread_join(thread, NULL);
		_exit(refused);
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_int_equal(WEXITSTATUS(status), EPERM);
}

/* --- the table ----------------------------------------------------------------------------- */

static void each_right_says_what_it_is_for(void **state)
{
	size_t count;
	const struct right *r = rights_list(&count);
	uint64_t seen = 0;

	(void)state;
	assert_true(count > 5);
	for (size_t i = 0; i < count; i++) {
		assert_true(!strncmp(r[i].name, "CAP_", 4) && *r[i].feature && *r[i].without);
		assert_false(seen & 1ULL << r[i].capability);
		seen |= 1ULL << r[i].capability;
	}
}

/* --- the errands --------------------------------------------------------------------------- */

static void errands_bring_what_is_named_and_nothing_else(void **state)
{
	struct errands *e = geteuid() ? NULL : errands_open();
	char path[64], link[64] = "";
	int fd, status;

	(void)state;
	if (!e)
		skip();
	fd = errand_pagemap(e, (uint32_t)getpid());
	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_true(readlink(path, link, sizeof(link) - 1) > 0);
	assert_non_null(strstr(link, "/pagemap"));
	close(fd);
	assert_int_equal(errand_pagemap(e, 0x7fffffff), -ENOENT);
	fd = errand_clock(e);
	assert_true(fd >= 0 || fd == -EPERM || fd == -EINVAL);
	if (fd >= 0)
		close(fd);
	assert_true((fd = errand_pagemap(e, (uint32_t)getpid())) >= 0);
	close(fd);
	errands_close(e);
	assert_true(waitpid(-1, &status, WNOHANG) < 0);
}

static int make_folder(void **state)
{
	int fd;

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	fd = open(in_folder("there"), O_WRONLY | O_CREAT, 0600);
	return fd < 0 ? -1 : close(fd);
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(in_folder("there"));
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_reading_is_refused),
		cmocka_unit_test(what_watching_takes_still_works),
		cmocka_unit_test(only_who_serves_accepts_and_has_no_other_right),
		cmocka_unit_test(a_recording_is_read_where_no_call_can_write),
		cmocka_unit_test(capabilities_are_cut_to_the_list),
		cmocka_unit_test(nobody_looks_into_us_and_memory_is_given_up_first),
		cmocka_unit_test(threads_that_were_there_are_held_to_it_too),
		cmocka_unit_test(each_right_says_what_it_is_for),
		cmocka_unit_test(errands_bring_what_is_named_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
