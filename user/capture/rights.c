/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rights.c - see rights.h.
 *
 * Why no Landlock while others are watched?  The kernel then refuses process_vm_readv(2) and
 * /proc/PID/root of whoever is outside our own domain (tried on 6.18), which is everybody.
 *
 * What stays possible: openat2(2) hands its flags over in memory, where no filter sees them, and
 * file.c needs it to stay below a foreign root.
 */
#include "user/capture/rights.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "user/capture/kernel/feature.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* A figure of 1000: the largest process of a host goes before us only if it takes nearly all of it.
 */
#define OOM_FIRST 900

static const struct right table[] = {
	{CAP_BPF, RIGHT_KEPT, true, "CAP_BPF", "programs and maps in the kernel",
	 "nothing can be watched"},
	{CAP_PERFMON, RIGHT_KEPT, true, "CAP_PERFMON",
	 "tracepoints, probes on client libraries, events of loaded libraries",
	 "nothing can be watched"},
	{CAP_SYS_PTRACE, RIGHT_KEPT, false, "CAP_SYS_PTRACE",
	 "memory maps and memory of processes of other users",
	 "processes of other users have no libraries, source lines or memory in the report"},
	{CAP_DAC_READ_SEARCH, RIGHT_KEPT, false, "CAP_DAC_READ_SEARCH",
	 "private programs and libraries, folders of containers",
	 "private programs have no source lines, and containers no names"},
	{CAP_CHECKPOINT_RESTORE, RIGHT_KEPT, false, "CAP_CHECKPOINT_RESTORE",
	 "client libraries in containers, or replaced on disk since they were loaded",
	 "client libraries cannot be watched"},
	{CAP_SYS_ADMIN, RIGHT_ERRAND, false, "CAP_SYS_ADMIN",
	 "run time of dbleak in the kernel, page frames; probes where uprobe.multi is missing",
	 "the cost in the last line has no kernel part"},
	{CAP_KILL, RIGHT_RUN, false, "CAP_KILL", "run: signals for a command of another user",
	 "run cannot pass signals on to a command of another user"},
	{CAP_SETUID, RIGHT_START, false, "CAP_SETUID", "run: the command as another user",
	 "run cannot start a command as another user"},
	{CAP_SETGID, RIGHT_START, false, "CAP_SETGID", "run: the groups of another user",
	 "run cannot start a command as another user"},
	{CAP_SETPCAP, RIGHT_START, false, "CAP_SETPCAP", "dropping rights that are not needed",
	 "started programs could get rights back"},
	{CAP_SYS_RESOURCE, RIGHT_START, false, "CAP_SYS_RESOURCE",
	 "the limit of locked memory, before Linux 5.11", "nothing, from Linux 5.11 on"},
	{CAP_IPC_LOCK, RIGHT_START, false, "CAP_IPC_LOCK",
	 "events of loaded libraries while others use perf",
	 "new processes and libraries may be found late"},
};

const struct right *rights_list(size_t *count)
{
	*count = COUNT(table);
	return table;
}

bool right_is_held(const struct right *r)
{
	return !capng_get_caps_process() &&
	       capng_have_capability(CAPNG_EFFECTIVE, (unsigned int)r->capability) == 1;
}

/* --- at the start ------------------------------------------------------------------------- */

/* Whoever is to go even before keeps its number. */
static void go_first(void)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "r+e");
	int now;

	if (!f)
		return;
	if (fscanf(f, "%d", &now) == 1 && now < OOM_FIRST) {
		rewind(f);
		fprintf(f, "%d\n", OOM_FIRST);
	}
	fclose(f);
}

void rights_begin(void)
{
	const struct rlimit none = {0, 0};

	go_first();
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* --- system calls ------------------------------------------------------------------------- */

static const int refused[] = {
	/* programs, and code from elsewhere */
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(personality),
	/* other processes */
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	/* the file system */
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsmount),
	SCMP_SYS(fspick),
	SCMP_SYS(fsconfig),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_tree),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(creat),
	SCMP_SYS(truncate),
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(rmdir),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	SCMP_SYS(link),
	SCMP_SYS(linkat),
	SCMP_SYS(symlink),
	SCMP_SYS(symlinkat),
	SCMP_SYS(chmod),
	SCMP_SYS(fchmodat),
	SCMP_SYS(chown),
	SCMP_SYS(lchown),
	SCMP_SYS(fchown),
	SCMP_SYS(fchownat),
	SCMP_SYS(setxattr),
	SCMP_SYS(lsetxattr),
	SCMP_SYS(fsetxattr),
	SCMP_SYS(removexattr),
	SCMP_SYS(lremovexattr),
	SCMP_SYS(fremovexattr),
	SCMP_SYS(utimensat),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(quotactl),
	SCMP_SYS(acct),
	/* servers: two ends of a pair need none of these */
	SCMP_SYS(listen),
	/* the host */
	SCMP_SYS(reboot),
	SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	SCMP_SYS(vhangup),
	/* who we are, and ways around a filter */
	SCMP_SYS(setuid),
	SCMP_SYS(setgid),
	SCMP_SYS(setreuid),
	SCMP_SYS(setregid),
	SCMP_SYS(setresuid),
	SCMP_SYS(setresgid),
	SCMP_SYS(setfsuid),
	SCMP_SYS(setfsgid),
	SCMP_SYS(setgroups),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(keyctl),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
};

/* The network, refused to all but who asks a server. */
static const int refused_network[] = {
	SCMP_SYS(socket),
	SCMP_SYS(connect),
	SCMP_SYS(bind),
};

/* Connections of others, refused to all but who serves. */
static const int refused_guests[] = {
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
};

/* Refused where these bits of an argument are all set. */
static const struct {
	int call;
	unsigned int argument;
	uint64_t bits;
} refused_bits[] = {
	{SCMP_SYS(open), 1, O_WRONLY},
	{SCMP_SYS(open), 1, O_RDWR},
	{SCMP_SYS(open), 1, O_CREAT},
	{SCMP_SYS(openat), 2, O_WRONLY},
	{SCMP_SYS(openat), 2, O_RDWR},
	{SCMP_SYS(openat), 2, O_CREAT},
	{SCMP_SYS(mmap), 2, PROT_WRITE | PROT_EXEC},
	{SCMP_SYS(mprotect), 2, PROT_EXEC},
	{SCMP_SYS(pkey_mprotect), 2, PROT_EXEC},
	{SCMP_SYS(clone), 0, CLONE_NEWUSER},
	{SCMP_SYS(clone), 0, CLONE_NEWNS},
};

static int refuse_calls(scmp_filter_ctx filter, const int *calls, size_t count)
{
	int err = 0;

	for (size_t i = 0; i < count && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 0);
	return err;
}

static int add_rules(scmp_filter_ctx filter, enum rights_for purpose)
{
	int err = refuse_calls(filter, refused, COUNT(refused));

	if (!err && purpose != RIGHTS_ASK)
		err = refuse_calls(filter, refused_network, COUNT(refused_network));
	if (!err && purpose != RIGHTS_SERVE)
		err = refuse_calls(filter, refused_guests, COUNT(refused_guests));
	for (size_t i = 0; i < COUNT(refused_bits) && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused_bits[i].call, 1,
				       SCMP_CMP(refused_bits[i].argument, SCMP_CMP_MASKED_EQ,
						refused_bits[i].bits, refused_bits[i].bits));
	/* The flags of clone3 lie in memory; without it threads are made by clone(2). */
	return err ? err : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static int rights_filter_calls(enum rights_for purpose)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int err = filter ? 0 : -ENOMEM;

	if (!err)
		err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!err)
		err = add_rules(filter, purpose);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

/* --- files -------------------------------------------------------------------------------- */

#define FILE_RIGHTS_1                                                  \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |  \
	 LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |  \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | \
	 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM | \
	 LANDLOCK_ACCESS_FS_REMOVE_DIR)

/* Files that are open stay so, and one may take another's place.  A kernel without Landlock is no
 * error: the filter of system calls is there. */
static void lock_files(void)
{
	const struct landlock_ruleset_attr rules = {.handled_access_fs = FILE_RIGHTS_1};
	int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules.handled_access_fs),
			      0);

	if (fd < 0)
		return;
	syscall(SYS_landlock_restrict_self, fd, 0);
	close(fd);
}

/* --- capabilities ------------------------------------------------------------------------- */

static bool is_kept(const struct right *r, enum rights_for purpose)
{
	switch (r->term) {
	case RIGHT_KEPT:
		return purpose < RIGHTS_READ;
	case RIGHT_ERRAND:
		return purpose < RIGHTS_READ && feature_try(FEATURE_UPROBE_MULTI);
	case RIGHT_RUN:
		return purpose == RIGHTS_RUN;
	default:
		return false;
	}
}

/* Nothing is added: what was not held is not among what is kept. */
static int cut_capabilities(bool (*kept)(const struct right *r, enum rights_for purpose),
			    enum rights_for purpose)
{
	bool held[COUNT(table)];
	capng_select_t sets = CAPNG_SELECT_CAPS;

	for (size_t i = 0; i < COUNT(table); i++)
		held[i] = right_is_held(&table[i]) && kept(&table[i], purpose);
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) == 1)
		sets = CAPNG_SELECT_BOTH;
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < COUNT(table); i++)
		if (held[i])
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
				     (unsigned int)table[i].capability);
	return capng_apply(sets) ? -EPERM : 0;
}

int rights_end(enum rights_for purpose)
{
	int err = cut_capabilities(is_kept, purpose), more;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	if (purpose >= RIGHTS_READ)
		lock_files();
	more = rights_filter_calls(purpose);
	return err ? err : more;
}

int rights_end_asker(void)
{
	return rights_end(RIGHTS_ASK);
}

int rights_end_server(void)
{
	return rights_end(RIGHTS_SERVE);
}

static bool is_for_thread(const struct right *r, enum rights_for purpose)
{
	(void)purpose;
	return r->capability == CAP_KILL;
}

void rights_end_thread(void)
{
	cut_capabilities(is_for_thread, RIGHTS_RUN);
}
