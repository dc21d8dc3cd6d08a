/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * cage.c - first namespaces and an empty root, which take rights; then the rights, last the calls.
 */
#include "user/capture/worker/cage.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "user/system/debug.h"

#define NOBODY	    65534
#define ADDRESS_MAX (8UL << 30) /* files are mapped, mostly unread */
#define MEMORY_MAX  (1UL << 30)
#define OPEN_MAX    64 /* descriptors: the wires, and a file or two at a time */

/* A system call that the filter allows. */
struct allowed {
	int call;
	struct scmp_arg_cmp only; /* allowed only with this argument; op 0: with any */
};

/* Found by trying: glibc's memory and time, libelf's and libdw's files, our wires. */
static const struct allowed calls[] = {
	{SCMP_SYS(read), {}},
	{SCMP_SYS(pread64), {}},
	{SCMP_SYS(lseek), {}},
	{SCMP_SYS(close), {}},
	{SCMP_SYS(fstat), {}},
	{SCMP_SYS(newfstatat), {3, SCMP_CMP_EQ, AT_EMPTY_PATH, 0}}, /* glibc's fstat */
	{SCMP_SYS(fcntl), {1, SCMP_CMP_EQ, F_GETFD, 0}},
	{SCMP_SYS(fcntl), {1, SCMP_CMP_EQ, F_GETFL, 0}},
	{SCMP_SYS(mmap), {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}},
	{SCMP_SYS(mprotect), {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}},
	{SCMP_SYS(munmap), {}},
	{SCMP_SYS(mremap), {}},
	{SCMP_SYS(madvise), {}},
	{SCMP_SYS(brk), {}},
	{SCMP_SYS(recvmsg), {}},
	{SCMP_SYS(recvmmsg), {}},
	{SCMP_SYS(sendto), {4, SCMP_CMP_EQ, 0, 0}}, /* no address: connected sockets only */
	{SCMP_SYS(futex), {}},
	{SCMP_SYS(sched_yield), {}},
	{SCMP_SYS(setitimer), {}},
	{SCMP_SYS(alarm), {}},
	{SCMP_SYS(clock_gettime), {}},
	{SCMP_SYS(gettimeofday), {}},
	{SCMP_SYS(restart_syscall), {}},
	{SCMP_SYS(rt_sigreturn), {}},
	{SCMP_SYS(rt_sigprocmask), {}},
	{SCMP_SYS(getpid), {}},
	{SCMP_SYS(gettid), {}},
	{SCMP_SYS(getrandom), {}},
	{SCMP_SYS(sysinfo), {}}, /* qsort asks how much memory there is */
	{SCMP_SYS(exit), {}},
	{SCMP_SYS(exit_group), {}},
#ifdef __SANITIZE_ADDRESS__
	{SCMP_SYS(write), {0, SCMP_CMP_EQ, 2, 0}},
	{SCMP_SYS(ioctl), {0, SCMP_CMP_EQ, 2, 0}},
	{SCMP_SYS(sigaltstack), {}},
	{SCMP_SYS(rt_sigaction), {}},
#endif
};

/* Libraries look for further files that a file names.  ENOENT lets them go on without. */
static const int absent[] = {
	SCMP_SYS(open),	     SCMP_SYS(openat),	   SCMP_SYS(openat2),  SCMP_SYS(stat),
	SCMP_SYS(lstat),     SCMP_SYS(newfstatat), SCMP_SYS(statx),    SCMP_SYS(access),
	SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
};

static void limit(int what, rlim_t most)
{
	struct rlimit now;

	if (!getrlimit(what, &now) && now.rlim_max > most)
		setrlimit(what, &(struct rlimit){most, most});
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		errno = 0; /* some kernels and containers forbid it */
	close(fd);
}

/* Standard streams go to /dev/null.  Under a sanitizer stderr stays, for its report. */
static void drop_descriptors(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd <= 2 && null >= 0; fd++) {
#ifdef __SANITIZE_ADDRESS__
		if (fd == 2)
			break;
#endif
		dup2(null, fd);
	}
	syscall(SYS_close_range, CAGE_FIRST_CLOSED, ~0U, 0);
}

/* Bit by bit, because one flag that the host refuses would fail all others with it. */
static void unshare_each(int flags)
{
	for (int bit = 1; bit > 0 && bit <= CLONE_NEWNET; bit <<= 1)
		if (flags & bit)
			(void)!unshare(bit);
}

/* Replaces all mounts by one read-only folder in memory.  pivot_root(2) does not work on the root
 * of an initramfs; chroot(2) must do there. */
static void empty_root(void)
{
	const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/proc", "tmpfs", flags, "size=4k,nr_inodes=2,mode=0555") ||
	    chdir("/proc"))
		return;
	if (syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH))
		(void)!chroot(".");
	(void)!chdir("/");
}

static void capabilities_set(uint64_t keep)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	for (int i = 0; i < 2; i++)
		data[i].permitted = data[i].effective = (uint32_t)(keep >> 32 * i);
	syscall(SYS_capset, &head, data);
}

static int capabilities_drop(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	for (unsigned long cap = 0; !prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); cap++)
		;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	capabilities_set(0);
	if (syscall(SYS_capget, &head, data))
		return -errno;
	return data[0].permitted | data[1].permitted ? -EPERM : 0;
}

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID)

/* The user namespace comes last, and nobody creates it.  Its capabilities then do not reach the
 * namespaces created before it.  A change of user clears the capabilities.  CAP_SYS_ADMIN is kept
 * until the last step, since a host without unprivileged user namespaces demands it there. */
static void enter_as_root(void)
{
	if (unshare(NAMESPACES | CLONE_NEWCGROUP))
		unshare_each(NAMESPACES | CLONE_NEWCGROUP);
	empty_root();
	prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		errno = 0; /* root without that right, in a container: the rest must do */
	capabilities_set(1ULL << CAP_SYS_ADMIN | 1ULL << CAP_SETPCAP);
	(void)!unshare(CLONE_NEWUSER);
}

/* A process may write its own uid_map and gid_map only while it is dumpable. */
static void enter_as_user(void)
{
	char text[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (unshare(CLONE_NEWUSER | NAMESPACES))
		return;
	write_text("/proc/self/setgroups", "deny");
	snprintf(text, sizeof(text), "%u %u 1", uid, uid);
	write_text("/proc/self/uid_map", text);
	snprintf(text, sizeof(text), "%u %u 1", gid, gid);
	write_text("/proc/self/gid_map", text);
	empty_root();
}

int cage_enter(void)
{
	int err;

	debug_choose(0); /* the filter kills whoever writes to standard error */
	drop_descriptors();
	write_text("/proc/self/oom_score_adj", "1000");
	limit(RLIMIT_CORE, 0);
	if (geteuid())
		enter_as_user();
	else
		enter_as_root();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	err = capabilities_drop();
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return err;
}

static int calls_add(scmp_filter_ctx filter)
{
	int err = 0;

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls) && !err; i++)
		err = calls[i].only.op ? seccomp_rule_add_array(filter, SCMP_ACT_ALLOW,
								calls[i].call, 1, &calls[i].only)
				       : seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i].call, 0);
	for (size_t i = 0; i < sizeof(absent) / sizeof(*absent) && !err; i++)
		err = absent[i] == SCMP_SYS(newfstatat)
			      ? seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOENT), absent[i], 1,
						 SCMP_A3(SCMP_CMP_NE, AT_EMPTY_PATH))
			      : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOENT), absent[i], 0);
	return err;
}

static int calls_shut(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err = filter ? 0 : -ENOMEM;

	if (!err)
		err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!err)
		err = calls_add(filter);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

int cage_shut(void)
{
	limit(RLIMIT_FSIZE, 0);
	limit(RLIMIT_NPROC, 0);
	limit(RLIMIT_NOFILE, OPEN_MAX);
#ifndef __SANITIZE_ADDRESS__ /* the sanitizer's shadow memory takes terabytes of addresses */
	limit(RLIMIT_AS, ADDRESS_MAX);
	limit(RLIMIT_DATA, MEMORY_MAX);
#endif
	return calls_shut();
}
