/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What a worker that has fallen to what it read can still do: each attempt is made in a worker of
 * its own, locked in as those that read files are, and must be refused or be its end.  As root, all
 * is tried once more as an ordinary user.
 */
#include "user/capture/worker/nursery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS	    10000
#define ORDINARY    12345 /* a user that owns nothing */
#define DESCRIPTORS 64

static struct nursery *nursery;
static pid_t victim; /* a process of ours, outside */
static char secret[] = "secret";

static long open_by_any_descriptor(void)
{
	static const char *const paths[] = {"etc/shadow", "../../../etc/passwd", ".", "..", "/"};

	for (int fd = 0; fd < DESCRIPTORS; fd++)
		for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
			if (syscall(SYS_openat, fd, paths[i], O_RDONLY) >= 0 ||
			    syscall(SYS_openat, fd, paths[i], O_PATH) >= 0)
				return 0;
	return -1;
}

static long open_a_file(void)
{
	return syscall(SYS_open, "/etc/hostname", O_RDONLY);
}

static long open_the_root(void)
{
	return syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY | O_DIRECTORY);
}

static long open_2(void)
{
	uint64_t how[3] = {O_RDONLY};

	return syscall(SYS_openat2, AT_FDCWD, "/", how, sizeof(how));
}

static long write_a_file(void)
{
	return syscall(SYS_open, "/etc/hostname", O_WRONLY);
}

static long create_a_file(void)
{
	return syscall(SYS_openat, AT_FDCWD, "/new", O_WRONLY | O_CREAT, 0644);
}

static long create_there(void)
{
	return syscall(SYS_creat, "/tmp/new", 0644);
}

static long core_pattern(void)
{
	return syscall(SYS_openat, AT_FDCWD, "/proc/sys/kernel/core_pattern", O_WRONLY);
}

static long look_up(void)
{
	struct stat st;

	return syscall(SYS_stat, "/etc", &st);
}

static long make_folder(void)
{
	return syscall(SYS_mkdir, "/folder", 0755);
}

static long remove_a_file(void)
{
	return syscall(SYS_unlink, "/etc/hostname");
}

static long make_device(void)
{
	return syscall(SYS_mknod, "/null", S_IFCHR | 0666, 0x103);
}

static long trace(void)
{
	return syscall(SYS_ptrace, PTRACE_ATTACH, victim, 0, 0);
}

static long trace_parent(void)
{
	return syscall(SYS_ptrace, PTRACE_ATTACH, 1, 0, 0);
}

static long foreign_memory(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", victim);
	return syscall(SYS_openat, AT_FDCWD, path, O_RDWR);
}

static long read_memory(void)
{
	char to[sizeof(secret)];
	struct iovec here = {to, sizeof(to)}, there = {secret, sizeof(secret)};

	return syscall(SYS_process_vm_readv, victim, &here, 1, &there, 1, 0);
}

static long write_memory(void)
{
	char from[sizeof(secret)] = "";
	struct iovec here = {from, sizeof(from)}, there = {secret, sizeof(secret)};

	return syscall(SYS_process_vm_writev, victim, &here, 1, &there, 1, 0);
}

static long kill_outside(void)
{
	return syscall(SYS_kill, victim, 0);
}

static long kill_all(void)
{
	return syscall(SYS_kill, -1, SIGKILL);
}

static long kill_thread(void)
{
	return syscall(SYS_tgkill, 1, 1, SIGKILL);
}

static long open_pidfd(void)
{
	return syscall(SYS_pidfd_open, 1, 0);
}

static long steal_descriptor(void)
{
	return syscall(SYS_pidfd_getfd, 3, 0, 0);
}

static long internet(void)
{
	return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}

static long local_socket(void)
{
	return syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
}

static long netlink(void)
{
	return syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0);
}

static long connect_elsewhere(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	return syscall(SYS_connect, 3, &to, sizeof(to));
}

static long send_elsewhere(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	return syscall(SYS_sendto, 3, "x", 1, 0, &to, sizeof(to));
}

static long send_descriptor(void)
{
	struct msghdr message = {.msg_iov = NULL};

	return syscall(SYS_sendmsg, 3, &message, 0);
}

static long make_child(void)
{
	return syscall(SYS_fork);
}

static long make_thread(void)
{
	return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static long make_child_3(void)
{
	struct clone_args args = {.exit_signal = SIGCHLD};

	return syscall(SYS_clone3, &args, sizeof(args));
}

static long execute(void)
{
	char *arguments[] = {"/bin/sh", NULL};

	return syscall(SYS_execve, arguments[0], arguments, NULL);
}

static long execute_at(void)
{
	char *arguments[] = {"sh", NULL};

	return syscall(SYS_execveat, 3, "", arguments, NULL, AT_EMPTY_PATH);
}

static long map_code(void)
{
	return syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static long make_code(void)
{
	long at = syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	return syscall(SYS_mprotect, at, 4096, PROT_READ | PROT_EXEC);
}

static long memory_file(void)
{
	return syscall(SYS_memfd_create, "x", 0);
}

static long mount_something(void)
{
	return syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL);
}

static long unmount(void)
{
	return syscall(SYS_umount2, "/", MNT_DETACH);
}

static long leave_namespace(void)
{
	return syscall(SYS_unshare, CLONE_NEWUSER);
}

static long enter_namespace(void)
{
	return syscall(SYS_setns, 3, 0);
}

static long change_root(void)
{
	return syscall(SYS_chroot, "/");
}

static long become_root(void)
{
	return syscall(SYS_setresuid, 0, 0, 0);
}

static long take_capabilities(void)
{
	uint32_t head[2] = {0x20080522, 0}, data[6] = {~0U, ~0U, ~0U, ~0U, ~0U, ~0U};

	return syscall(SYS_capset, head, data);
}

static long be_dumpable(void)
{
	return syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long raise_limit(void)
{
	uint64_t limit[2] = {1 << 20, 1 << 20};

	return syscall(SYS_prlimit64, 0, 1, limit, NULL);
}

static long load_program(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

static long open_event(void)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr)};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static long io_ring(void)
{
	char parameters[256] = {0};

	return syscall(SYS_io_uring_setup, 1, parameters);
}

static long fault_handler(void)
{
	return syscall(SYS_userfaultfd, 0);
}

static long key(void)
{
	return syscall(SYS_keyctl, 0, -3, 1);
}

static long shared_memory(void)
{
	return syscall(SYS_shmget, 1, 4096, 01666);
}

static long kernel_module(void)
{
	return syscall(SYS_finit_module, 3, "", 0);
}

static long restart_host(void)
{
	return syscall(SYS_reboot, 0, 0, 0, 0);
}

static long type_into_terminal(void)
{
	return syscall(SYS_ioctl, 0, TIOCSTI, "x");
}

static long write_out(void)
{
	return syscall(SYS_write, 1, "x", 1);
}

static long copy_descriptor(void)
{
	return syscall(SYS_fcntl, 3, F_DUPFD, 10);
}

static long signal_owner(void)
{
	return syscall(SYS_fcntl, 3, F_SETOWN, 1);
}

static long other_table(void)
{
	return syscall(0x40000000 | SYS_getpid);
}

/* getpid(2) of the other architecture that the processor has. */
static long other_architecture(void)
{
	long result = 20;

	__asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
	return result;
}

static const struct {
	const char *what;
	long (*make)(void);
} attempts[] = {
	{"open by any descriptor", open_by_any_descriptor},
	{"open a file", open_a_file},
	{"open the root", open_the_root},
	{"openat2", open_2},
	{"write a file", write_a_file},
	{"create a file", create_a_file},
	{"create a file elsewhere", create_there},
	{"write core_pattern", core_pattern},
	{"look a name up", look_up},
	{"make a folder", make_folder},
	{"remove a file", remove_a_file},
	{"make a device", make_device},
	{"trace a process", trace},
	{"trace its parent", trace_parent},
	{"open a process's memory", foreign_memory},
	{"read a process's memory", read_memory},
	{"write a process's memory", write_memory},
	{"signal a process", kill_outside},
	{"kill all", kill_all},
	{"kill a thread", kill_thread},
	{"open a process", open_pidfd},
	{"take a descriptor", steal_descriptor},
	{"an Internet socket", internet},
	{"a local socket", local_socket},
	{"a netlink socket", netlink},
	{"connect", connect_elsewhere},
	{"send elsewhere", send_elsewhere},
	{"send a descriptor", send_descriptor},
	{"fork", make_child},
	{"clone", make_thread},
	{"clone3", make_child_3},
	{"execute", execute},
	{"execute a descriptor", execute_at},
	{"map code", map_code},
	{"make memory code", make_code},
	{"make a file in memory", memory_file},
	{"mount", mount_something},
	{"unmount", unmount},
	{"a new user namespace", leave_namespace},
	{"enter a namespace", enter_namespace},
	{"change the root", change_root},
	{"become root", become_root},
	{"take capabilities", take_capabilities},
	{"be dumpable", be_dumpable},
	{"raise a limit", raise_limit},
	{"make a BPF map", load_program},
	{"open a perf event", open_event},
	{"io_uring", io_ring},
	{"handle page faults", fault_handler},
	{"keys", key},
	{"shared memory", shared_memory},
	{"load a module", kernel_module},
	{"restart the host", restart_host},
	{"type into a terminal", type_into_terminal},
	{"write to a stream", write_out},
	{"copy a descriptor", copy_descriptor},
	{"have others signalled", signal_owner},
	{"the x32 table", other_table},
	{"the i386 table", other_architecture},
};

/* An attempt's number comes in, what came of it goes out; what is beyond them tells that all is as
 * ever, and keeps it there to be looked at. */
static void attempt(int wire, int asking, void *shared)
{
	uint32_t number;

	(void)asking;
	(void)shared;
	while (read(wire, &number, sizeof(number)) == sizeof(number)) {
		long result = number < sizeof(attempts) / sizeof(*attempts)
				      ? attempts[number].make()
				      : -1;

		if (send(wire, &result, sizeof(result), MSG_NOSIGNAL) < 0)
			return;
	}
}

static const struct nursery_role role = {"test-worker", NULL, attempt};

static bool ask(const struct nursling *worker, uint32_t number, long *result)
{
	struct pollfd wait = {worker->wire, POLLIN, 0};

	assert_int_equal(send(worker->wire, &number, sizeof(number), 0), sizeof(number));
	assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
	return recv(worker->wire, result, sizeof(*result), 0) == sizeof(*result);
}

/* Killed for the attempt by the list of calls, not by anything else; a kernel without the i386
 * table knows no such instruction. */
static bool was_shut_out(uint32_t number, int status)
{
	if (!WIFSIGNALED(status))
		return false;
	return WTERMSIG(status) == SIGSYS ||
	       (WTERMSIG(status) == SIGSEGV && attempts[number].make == other_architecture);
}

static void every_attempt_is_refused(void **state)
{
	size_t count = sizeof(attempts) / sizeof(*attempts), refused = 0;

	(void)state;
	for (uint32_t i = 0; i < count; i++) {
		struct nursling worker;
		struct nursery_end end;
		long result = 0;
		bool reported;

		assert_int_equal(nursery_start(nursery, 0, &worker), 0);
		reported = ask(&worker, i, &result);
		if (!reported) /* it is dying: let it */
			poll(NULL, 0, 20);
		assert_int_equal(nursery_stop(nursery, &worker, WAIT_MS, &end), 0);
		if (reported ? result < 0 : was_shut_out(i, end.status))
			refused++;
		else
			print_error("%s: SUCCEEDS (%ld, status %x)\n", attempts[i].what, result,
				    end.status);
	}
	assert_int_equal(refused, count);
}

static void start_idle(struct nursling *worker)
{
	char none;
	long result;

	assert_int_equal(nursery_start(nursery, 0, worker), 0);
	assert_true(ask(worker, UINT32_MAX, &result));
	assert_int_equal(nursling_receive(worker, &none, 1),
			 -EAGAIN); /* its greeting was taken in */
	assert_true(worker->pid > 0);
}

static void stop(struct nursling *worker)
{
	struct nursery_end end;

	assert_int_equal(nursery_stop(nursery, worker, WAIT_MS, &end), 0);
}

static void read_file(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	got = read(fd, text, size - 1);
	assert_true(got >= 0);
	text[got] = '\0';
	close(fd);
}

static void says(const char *text, const char *line)
{
	if (!strstr(text, line))
		print_error("no %s in\n%s", line, text);
	assert_non_null(strstr(text, line));
}

static void it_has_no_rights(void **state)
{
	struct nursling worker;
	char text[4096];

	(void)state;
	start_idle(&worker);
	read_file(worker.pid, "status", text, sizeof(text));
	if (!geteuid()) {
		says(text, "\nUid:\t65534\t65534\t65534\t65534\n");
		says(text, "\nGid:\t65534\t65534\t65534\t65534\n");
		says(text, "\nGroups:\t \n");
	}
	says(text, "\nCapInh:\t0000000000000000\n");
	says(text, "\nCapPrm:\t0000000000000000\n");
	says(text, "\nCapEff:\t0000000000000000\n");
	says(text, "\nCapBnd:\t0000000000000000\n");
	says(text, "\nCapAmb:\t0000000000000000\n");
	says(text, "\nNoNewPrivs:\t1\n");
	says(text, "\nSeccomp:\t2\n");
	says(text, "\nSeccomp_filters:\t1\n");
	read_file(worker.pid, "limits", text, sizeof(text));
	says(text, "Max file size             0                    0 ");
	says(text, "Max core file size        0                    0 ");
	says(text, "Max processes             0                    0 ");
	says(text, "Max open files            64                   64 ");
	stop(&worker);
}

/* What tells of a process that is not dumpable belongs to root. */
static void nobody_may_trace_it(void **state)
{
	struct nursling worker;
	char path[64];
	struct stat st;

	(void)state;
	start_idle(&worker);
	snprintf(path, sizeof(path), "/proc/%d/maps", worker.pid);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 0);
	stop(&worker);
}

static bool may_unshare(void)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(syscall(SYS_unshare, CLONE_NEWUSER | CLONE_NEWNS) != 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return !status;
}

/* Those that belong to other users are root's to look at. */
static void its_namespaces_are_its_own(void **state)
{
	static const char *const names[] = {"user", "net", "ipc", "pid", "mnt", "uts"};
	struct nursling worker;

	(void)state;
	if (geteuid() || !may_unshare())
		skip();
	start_idle(&worker);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char ours[64], path[64], there[64];
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		length = readlink(path, ours, sizeof(ours));
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", worker.pid, names[i]);
		assert_int_equal(readlink(path, there, sizeof(there)), length);
		assert_memory_not_equal(ours, there, length);
	}
	stop(&worker);
}

static size_t entries(pid_t pid, const char *name)
{
	struct dirent *entry;
	char path[64];
	size_t count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		count += *entry->d_name != '.';
	closedir(dir);
	return count;
}

static void it_has_no_files(void **state)
{
	struct nursling worker;

	(void)state;
	if (geteuid())
		skip(); /* may not look */
	start_idle(&worker);
	assert_int_equal(entries(worker.pid, "root"), 0);
	assert_int_equal(entries(worker.pid, "cwd"), 0);
	assert_int_equal(entries(worker.pid, "fd"), 5); /* three that lead nowhere, two wires */
	stop(&worker);
}

static void one_that_hangs_is_killed(void **state)
{
	struct nursling worker;
	struct nursery_end end;

	(void)state;
	start_idle(&worker);
	assert_int_equal(nursery_stop(nursery, &worker, WAIT_MS, &end), 0);
	assert_true(WIFEXITED(end.status) || WTERMSIG(end.status) == SIGKILL);
}

static int open_all(void **state)
{
	static const struct nursery_role *const roles[] = {&role};

	(void)state;
	victim = fork();
	if (!victim)
		while (1)
			pause();
	return nursery_open(&nursery, roles, 1);
}

static int close_all(void **state)
{
	(void)state;
	nursery_close(nursery);
	kill(victim, SIGKILL);
	waitpid(victim, NULL, 0);
	return waitpid(-1, NULL, WNOHANG) != -1; /* no other child is left */
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_attempt_is_refused),
		cmocka_unit_test(it_has_no_rights),
		cmocka_unit_test(nobody_may_trace_it),
		cmocka_unit_test(its_namespaces_are_its_own),
		cmocka_unit_test(it_has_no_files),
		cmocka_unit_test(one_that_hangs_is_killed),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}

static int run_as_ordinary(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (setgroups(0, NULL) || setresgid(ORDINARY, ORDINARY, ORDINARY) ||
		    setresuid(ORDINARY, ORDINARY, ORDINARY))
			_exit(1);
		exit(run());
	}
	return waitpid(pid, &status, 0) == pid ? status : 1;
}

int main(void)
{
	int failed = geteuid() ? 0 : run_as_ordinary();

	return run() || failed;
}
